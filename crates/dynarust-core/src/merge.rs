//! The merge law (design section 2): the one function through which every record enters a store.
//!
//! With `a ∨ b` for what stays of two records of one key:
//! - commutative: `a ∨ b = b ∨ a`
//! - associative: `(a ∨ b) ∨ c = a ∨ (b ∨ c)`
//! - idempotent: `a ∨ a = a`
//!
//! because stamps are totally ordered and equal stamps are the same record. Hence copies that have met
//! the same records are equal, in whatever order they met them.
//!
//! A write has two forms: as it was written, and expired (`docs/adr/0008`). Equal versions are the same
//! write; of its two forms the expired one stays, so that no copy brings its value back.

use crate::Version;

/// What the order of two records of a key is read from: the version, and then whether it expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The write.
    pub version: Version,
    /// Its last form, without a value.
    pub expired: bool,
}

/// What becomes of a record that arrives at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// It is newer, or the first: it takes the place of what was there.
    Apply,
    /// It is older than, or the same as, what is there: nothing changes.
    Keep,
}

/// Which stays at a key: the record that is there, or the one that arrives. The higher stamp wins.
#[must_use]
pub fn merge(present: Option<Stamp>, arriving: Stamp) -> Merge {
    match present {
        Some(present) if present >= arriving => Merge::Keep,
        _ => Merge::Apply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;
    use proptest::prelude::*;

    fn join(a: Option<Stamp>, b: Option<Stamp>) -> Option<Stamp> {
        match b {
            Some(arriving) if merge(a, arriving) == Merge::Apply => b,
            _ => a,
        }
    }

    fn stamp() -> impl Strategy<Value = Option<Stamp>> {
        // Few different times and nodes, so that equal ones meet.
        prop::option::of((0..4u64, 0..3u64, any::<bool>())).prop_map(|parts| {
            parts.map(|(hlc, node, expired)| Stamp {
                version: Version { hlc, node: NodeId(node) },
                expired,
            })
        })
    }

    #[test]
    fn what_expired_stays_expired_until_it_is_written_again() {
        let version = Version { hlc: 1, node: NodeId(1) };
        let written = Stamp { version, expired: false };
        let expired = Stamp { version, expired: true };
        let newer = Stamp { version: Version { hlc: 2, ..version }, expired: false };
        assert_eq!(merge(Some(written), expired), Merge::Apply);
        assert_eq!(merge(Some(expired), written), Merge::Keep);
        assert_eq!(merge(Some(expired), newer), Merge::Apply);
        assert_eq!(merge(Some(newer), expired), Merge::Keep);
    }

    proptest! {
        #[test]
        fn is_commutative_associative_and_idempotent(a in stamp(), b in stamp(), c in stamp()) {
            prop_assert_eq!(join(a, b), join(b, a));
            prop_assert_eq!(join(join(a, b), c), join(a, join(b, c)));
            prop_assert_eq!(join(a, a), a);
        }

        #[test]
        fn the_highest_stamp_stays(all in prop::collection::vec(stamp(), 0..8)) {
            prop_assert_eq!(all.iter().copied().fold(None, join), all.iter().copied().max().flatten());
        }
    }
}
