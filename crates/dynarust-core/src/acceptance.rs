//! Acceptance: what an owner answers to a conditional write, before that stands anywhere (design section 7,
//! `docs/adr/0014`).
//!
//! The coordinator has judged the condition on one version, and stamped the write above it. An owner takes
//! the write in where nothing newer than that version stands, and refuses it otherwise. Of several writes
//! that were judged on one version an owner accepts one, since each is newer than what it was judged on; so
//! at most one of them is accepted by a majority.
//!
//! What is accepted obeys the merge law as well: it is newer than what was there.

use crate::Version;

/// What an owner makes of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It takes the place of what was there.
    Apply,
    /// It stands there already: it was accepted before.
    Stands,
    /// Something newer than what it was judged on stands there.
    Refuse,
}

/// What becomes of a write, stamped `arriving`, that was judged on the version `over` (none: on a key that
/// held nothing), where `present` stands.
#[must_use]
pub fn accept(present: Option<Version>, over: Option<Version>, arriving: Version) -> Acceptance {
    if present == Some(arriving) {
        Acceptance::Stands
    } else if present <= over && present < Some(arriving) {
        Acceptance::Apply
    } else {
        Acceptance::Refuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;
    use crate::merge::{Merge, Stamp, merge};
    use crate::quorum::majority;
    use proptest::prelude::*;

    fn version(hlc: u64, node: u64) -> Version {
        Version { hlc, node: NodeId(node) }
    }

    #[test]
    fn only_what_it_was_judged_on_or_older_may_stand_there() {
        use Acceptance::{Apply, Refuse, Stands};
        let [one, two, three] = [1, 2, 3].map(|hlc| version(hlc, 1));
        let cases = [
            (None, None, one, Apply),
            (None, Some(one), two, Apply),
            (Some(one), Some(one), two, Apply),
            (Some(one), Some(two), three, Apply),
            (Some(two), Some(one), two, Stands),
            (Some(one), None, two, Refuse),
            (Some(two), Some(one), three, Refuse),
            (Some(three), Some(one), two, Refuse),
            // Judged on what is newer than itself: no coordinator does that.
            (Some(two), Some(three), one, Refuse),
        ];
        for (present, over, arriving, expected) in cases {
            assert_eq!(
                accept(present, over, arriving),
                expected,
                "{present:?} {over:?} {arriving:?}"
            );
        }
    }

    fn any_version() -> impl Strategy<Value = Version> {
        (0..4u64, 0..3u64).prop_map(|(hlc, node)| version(hlc, node))
    }

    proptest! {
        #[test]
        fn what_is_applied_obeys_the_merge_law(
            present in prop::option::of(any_version()),
            over in prop::option::of(any_version()),
            arriving in any_version(),
        ) {
            let stamp = |version| Stamp { version, expired: false };
            if accept(present, over, arriving) == Acceptance::Apply {
                prop_assert_eq!(merge(present.map(stamp), stamp(arriving)), Merge::Apply);
            }
        }

        /// Coordinators ask owners, each as often as it likes, in whatever order their requests come.
        #[test]
        fn of_writes_judged_on_one_version_a_majority_accepts_one(
            owners in 1..6usize,
            asked in prop::collection::vec((0..4u64, 0..6usize), 0..60),
        ) {
            let judged = Some(version(1, 0));
            let mut standing = vec![judged; owners];
            let mut accepted = vec![std::collections::BTreeSet::new(); 4];
            for (writer, owner) in asked {
                let owner = owner % owners;
                let write = version(2 + writer % 2, writer);
                match accept(standing[owner], judged, write) {
                    Acceptance::Apply => {
                        standing[owner] = Some(write);
                        accepted[usize::try_from(writer).unwrap()].insert(owner);
                    }
                    Acceptance::Stands => prop_assert_eq!(standing[owner], Some(write)),
                    Acceptance::Refuse => prop_assert!(standing[owner] > judged),
                }
            }
            let won = accepted.iter().filter(|by| by.len() >= majority(owners)).count();
            prop_assert!(won <= 1);
        }
    }
}
