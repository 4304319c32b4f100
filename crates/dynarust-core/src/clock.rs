//! The hybrid logical clock that stamps writes (design section 2; Kulkarni et al., "Logical Physical
//! Clocks", 2014).
//!
//! Invariants:
//! - a stamp is above the version it replaces, and above every stamp that this clock gave or observed
//!   before: but where the version it replaces is *far ahead*, more than the skew that clocks may have;
//! - while the wall clock runs forward, a stamp's milliseconds are the wall clock's, but in that case;
//! - what is far ahead does not move the clock: one record from a clock that was wrong, and every later
//!   write would carry its time on.

use crate::UnixMillis;
use crate::limits::{CLOCK_SKEW_MILLIS_MAX, HYBRID_TIME_MAX};
use crate::version::{COUNTER_BITS, Version};

/// Gives each write of one node its place in time. The wall clock is an argument.
#[derive(Debug, Clone)]
pub struct HybridClock {
    last: u64,
    /// By how much the newest stamp over something far ahead was above that.
    far: Option<u16>,
}

impl HybridClock {
    /// A clock that gives only stamps above `last`: the ceiling that an earlier start persisted.
    #[must_use]
    pub fn starting_above(last: u64) -> Self {
        Self { last, far: None }
    }

    /// The next stamp: `max(now, last + 1, above + 1)`. One over a version that is far ahead is a little
    /// above that, and by another amount each time: two may be asked for over the same version, of which the
    /// first is not seen yet. The first amount is the wall clock's: a start that crashed may have given a stamp
    /// over that version, too. It may be above [`HybridClock::last`].
    pub fn stamp(&mut self, now: UnixMillis, above: Option<Version>) -> u64 {
        self.last = at(now).max(self.last.saturating_add(1));
        let above = above.map_or(0, |version| version.hlc.saturating_add(1));
        if is_far_ahead(above, now) && above > self.last {
            let low = u16::try_from(now & ((1 << COUNTER_BITS) - 1)).unwrap_or(0);
            let far = self.far.map_or(low, |far| far.wrapping_add(1));
            self.far = Some(far);
            return above.saturating_add(far.into());
        }
        self.last = self.last.max(above);
        self.last
    }

    /// Another clock has given this stamp: the next one here is above it, unless it is far ahead.
    pub fn observe(&mut self, stamp: u64, now: UnixMillis) {
        if !is_far_ahead(stamp, now) {
            self.last = self.last.max(stamp);
        }
    }

    /// The newest stamp given or observed that was not far ahead.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }
}

/// Whether no clock that agrees with this one gives such a stamp.
fn is_far_ahead(stamp: u64, now: UnixMillis) -> bool {
    stamp > at(now.saturating_add(CLOCK_SKEW_MILLIS_MAX))
}

/// The first hybrid time of a millisecond; the last there is, of those that are too late for one.
#[must_use]
pub fn at(now: UnixMillis) -> u64 {
    if now >> (u64::BITS - COUNTER_BITS) == 0 { now << COUNTER_BITS } else { HYBRID_TIME_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;
    use proptest::prelude::*;

    #[test]
    fn follows_the_wall_clock_and_counts_within_a_millisecond() {
        let mut clock = HybridClock::starting_above(0);
        assert_eq!(clock.stamp(5, None), at(5));
        assert_eq!(clock.stamp(5, None), at(5) + 1);
        assert_eq!(clock.stamp(6, None), at(6));
    }

    #[test]
    fn never_goes_back_with_the_wall_clock() {
        let mut clock = HybridClock::starting_above(at(100));
        assert_eq!(clock.stamp(7, None), at(100) + 1);
    }

    #[test]
    fn stamps_are_above_those_of_other_clocks_that_were_observed() {
        let mut clock = HybridClock::starting_above(0);
        clock.observe(at(9), 5);
        clock.observe(at(8), 5);
        assert_eq!(clock.stamp(5, None), at(9) + 1);
    }

    #[test]
    fn what_is_far_ahead_moves_nothing() {
        const NOW: UnixMillis = 1_000_000;
        let near = at(NOW + CLOCK_SKEW_MILLIS_MAX);
        for far in [near + 1, at(2 * NOW), HYBRID_TIME_MAX, u64::MAX - 1, u64::MAX] {
            let mut clock = HybridClock::starting_above(0);
            clock.observe(far, NOW);
            assert_eq!(clock.stamp(NOW, None), at(NOW));
            let far = Version { hlc: far, node: NodeId(1) };
            let over = clock.stamp(NOW, Some(far));
            assert!(over > far.hlc || far.hlc == u64::MAX);
            assert_eq!(clock.stamp(NOW, None), at(NOW) + 2);
        }
        let mut clock = HybridClock::starting_above(0);
        clock.observe(near, NOW);
        assert_eq!(clock.stamp(NOW, None), near + 1);
    }

    #[test]
    fn two_starts_give_different_stamps_over_what_is_far_ahead() {
        let far = Some(Version { hlc: at(1 << 40), node: NodeId(1) });
        let [one, other] = [5, 6].map(|now| HybridClock::starting_above(0).stamp(now, far));
        assert_ne!(one, other);
    }

    #[test]
    fn one_start_gives_no_stamp_twice_over_what_is_far_ahead() {
        let far = Some(Version { hlc: at(1 << 40), node: NodeId(1) });
        let mut clock = HybridClock::starting_above(0);
        let mut given: Vec<_> = (0..1000).map(|nth| clock.stamp(5 + nth / 300, far)).collect();
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 1000);
    }

    #[test]
    fn a_clock_beyond_all_times_stands_at_the_last() {
        assert_eq!(at(u64::MAX), HYBRID_TIME_MAX);
        assert!(at((1 << 48) - 1) >= HYBRID_TIME_MAX);
        assert_eq!(HybridClock::starting_above(0).stamp(u64::MAX, None), HYBRID_TIME_MAX);
    }

    proptest! {
        #[test]
        fn stamps_rise_and_exceed_what_they_replace(
            steps in prop::collection::vec((0..1u64 << 20, prop::option::of(0..1u64 << 40)), 1..50)
        ) {
            let mut clock = HybridClock::starting_above(0);
            let mut last = 0;
            for (now, above) in steps {
                let above = above.map(|hlc| Version { hlc, node: NodeId(u64::MAX) });
                let stamp = clock.stamp(now, above);
                prop_assert!(above.is_none_or(|above| stamp > above.hlc));
                // Whatever is far ahead of it, the clock itself rises.
                prop_assert!(clock.last() > last);
                last = clock.last();
                let far = above.is_some_and(|above| is_far_ahead(above.hlc + 1, now));
                prop_assert!(stamp == last || far);
            }
        }
    }
}
