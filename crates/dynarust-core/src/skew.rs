//! Skew: whether this node's wall clock can be trusted (design section 2).
//!
//! A node compares its clock with each member's, and judges itself alone:
//! - **fenced**, where a majority of all members is certainly off its clock: it is this node's that is
//!   wrong, and it refuses to stamp, to expire and to sweep;
//! - **unsure**, where some are off and no majority stands with either: of two nodes nobody can tell
//!   which is wrong. Nothing is refused, and it says so;
//! - **fine** otherwise.
//!
//! A majority is of all members, itself among them, so that a node which is cut off never fences itself.

use crate::UnixMillis;
use crate::limits::CLOCK_SKEW_MILLIS_MAX;
use crate::quorum::majority;

/// What a node makes of its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody says that it is off, or a majority says that it is not.
    Fine,
    /// Some member's clock and its own are apart, and no majority can tell which is off.
    Unsure,
    /// A majority of all members says that it is off.
    Fenced,
}

/// How far the own clock is ahead of a member's (behind: negative), at the least, in milliseconds. The
/// member read its clock, `theirs`, between the own clock's `sent` and `received`; what the way there
/// and back took is in nobody's disfavour.
#[must_use]
pub fn offset(sent: UnixMillis, theirs: UnixMillis, received: UnixMillis) -> i64 {
    let signed = |millis: UnixMillis| i64::try_from(millis).unwrap_or(i64::MAX);
    let (ahead_at_most, ahead_at_least) = (
        signed(received).saturating_sub(signed(theirs)),
        signed(sent).saturating_sub(signed(theirs)),
    );
    if ahead_at_least > 0 { ahead_at_least } else { ahead_at_most.min(0) }
}

/// The verdict of a node in a cluster of `members`, itself among them, of which it has measured some:
/// one `offset` ([`offset`]) for each.
#[must_use]
pub fn verdict(members: usize, offsets: impl IntoIterator<Item = i64>) -> Verdict {
    let (mut off, mut with) = (0, 1);
    for offset in offsets {
        if offset.unsigned_abs() > CLOCK_SKEW_MILLIS_MAX { off += 1 } else { with += 1 }
    }
    if off >= majority(members) {
        Verdict::Fenced
    } else if off == 0 || with >= majority(members) {
        Verdict::Fine
    } else {
        Verdict::Unsure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn as_the_design_has_it() {
        use Verdict::{Fenced, Fine, Unsure};
        let cases: &[(usize, &[i64], Verdict)] = &[
            (1, &[], Fine),
            (2, &[], Fine),
            (2, &[500], Fine),
            (2, &[-500], Fine),
            (2, &[501], Unsure),
            (2, &[-HOUR], Unsure),
            // Of three, the one that is an hour off, and what the others see.
            (3, &[HOUR, HOUR], Fenced),
            (3, &[HOUR, -HOUR], Fenced),
            (3, &[0, -HOUR], Fine),
            // One of them is away.
            (3, &[HOUR], Unsure),
            (3, &[3], Fine),
            (4, &[HOUR, HOUR, 0], Unsure),
            (4, &[HOUR, HOUR, HOUR], Fenced),
            (5, &[HOUR, HOUR, 0, 0], Fine),
            (5, &[HOUR, HOUR, HOUR, 0], Fenced),
            (5, &[HOUR, HOUR], Unsure),
        ];
        for (members, offsets, expected) in cases {
            let got = verdict(*members, offsets.iter().copied());
            assert_eq!(got, *expected, "{members} members, {offsets:?}");
        }
    }

    #[test]
    fn an_offset_is_what_is_certain() {
        // Their clock was read somewhere between: from 0 to 200 ms are explained by the way.
        assert_eq!(offset(1_000, 1_000, 1_200), 0);
        assert_eq!(offset(1_000, 1_200, 1_200), 0);
        assert_eq!(offset(1_000, 900, 1_200), 100);
        assert_eq!(offset(1_000, 1_250, 1_200), -50);
        assert_eq!(offset(1_000, 1_100, 1_000), -100);
        assert_eq!(offset(u64::MAX, 0, u64::MAX), i64::MAX);
        assert_eq!(offset(0, u64::MAX, 0), -i64::MAX);
    }

    proptest! {
        #[test]
        fn an_offset_never_says_more_than_there_is(
            sent in 0..1_000_000u64, there in 0..10_000u64, back in 0..10_000u64, ahead in -500_000..500_000i64
        ) {
            let sent = sent + 1_000_000;
            let theirs = (sent + there).checked_add_signed(-ahead).unwrap();
            let told = offset(sent, theirs, sent + there + back);
            prop_assert!(told.unsigned_abs() <= ahead.unsigned_abs());
            prop_assert!(told.abs_diff(ahead) <= there.max(back));
            prop_assert!(told == 0 || told.signum() == ahead.signum());
        }

        #[test]
        fn a_majority_whose_clocks_agree_never_fences_itself(
            agreeing in 1..6usize, others in prop::collection::vec(any::<i64>(), 0..5)
        ) {
            prop_assume!(agreeing > others.len());
            let members = agreeing + others.len();
            let seen = std::iter::repeat_n(0, agreeing - 1).chain(others);
            prop_assert_eq!(verdict(members, seen), Verdict::Fine);
        }

        #[test]
        fn who_is_cut_off_never_fences_itself(
            members in 2..10usize, offsets in prop::collection::vec(any::<i64>(), 0..10)
        ) {
            let seen = offsets.into_iter().take(majority(members) - 1);
            prop_assert_ne!(verdict(members, seen), Verdict::Fenced);
        }
    }
}
