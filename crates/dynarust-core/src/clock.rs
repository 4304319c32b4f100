//! The hybrid logical clock that stamps writes (design section 2; Kulkarni et al., "Logical Physical
//! Clocks", 2014).
//!
//! Invariants:
//! - a stamp is above every stamp that this clock gave or observed before, and above the version it
//!   replaces;
//! - while the wall clock runs forward, a stamp's milliseconds are the wall clock's.

use crate::UnixMillis;
use crate::version::{COUNTER_BITS, Version};

/// Gives each write of one node its place in time. The wall clock is an argument.
#[derive(Debug, Clone)]
pub struct HybridClock {
    last: u64,
}

impl HybridClock {
    /// A clock that gives only stamps above `last`: the ceiling that an earlier start persisted.
    #[must_use]
    pub fn starting_above(last: u64) -> Self {
        Self { last }
    }

    /// The next stamp: `max(now, last + 1, above + 1)`.
    pub fn stamp(&mut self, now: UnixMillis, above: Option<Version>) -> u64 {
        let above = above.map_or(0, |version| version.hlc.saturating_add(1));
        self.last = at(now).max(self.last.saturating_add(1)).max(above);
        self.last
    }

    /// Another clock has given this stamp: the next one here is above it.
    pub fn observe(&mut self, stamp: u64) {
        self.last = self.last.max(stamp);
    }

    /// The newest stamp given or observed.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }
}

/// The first hybrid time of a millisecond.
#[must_use]
pub fn at(now: UnixMillis) -> u64 {
    now << COUNTER_BITS
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
        clock.observe(at(9));
        clock.observe(at(8));
        assert_eq!(clock.stamp(5, None), at(9) + 1);
    }

    proptest! {
        #[test]
        fn stamps_rise_and_exceed_what_they_replace(
            steps in prop::collection::vec((0..1u64 << 40, prop::option::of(0..1u64 << 56)), 1..50)
        ) {
            let mut clock = HybridClock::starting_above(0);
            let mut last = 0;
            for (now, above) in steps {
                let above = above.map(|hlc| Version { hlc, node: NodeId(u64::MAX) });
                let stamp = clock.stamp(now, above);
                prop_assert!(stamp > last);
                prop_assert!(above.is_none_or(|above| stamp > above.hlc));
                last = stamp;
            }
        }
    }
}
