//! The merge law (design section 2): the one function through which every record enters a store.
//!
//! With `a ∨ b` for what stays of two records of one key:
//! - commutative: `a ∨ b = b ∨ a`
//! - associative: `(a ∨ b) ∨ c = a ∨ (b ∨ c)`
//! - idempotent: `a ∨ a = a`
//!
//! because versions are totally ordered and equal versions are the same write. Hence copies that have
//! met the same records are equal, in whatever order they met them.

use crate::Version;

/// What becomes of a record that arrives at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// It is newer, or the first: it takes the place of what was there.
    Apply,
    /// It is older than, or the same as, what is there: nothing changes.
    Keep,
}

/// Which stays at a key: the record that is there, or the one that arrives. The higher version wins.
#[must_use]
pub fn merge(present: Option<Version>, arriving: Version) -> Merge {
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

    fn join(a: Option<Version>, b: Option<Version>) -> Option<Version> {
        match b {
            Some(arriving) if merge(a, arriving) == Merge::Apply => b,
            _ => a,
        }
    }

    fn version() -> impl Strategy<Value = Option<Version>> {
        // Few different times and nodes, so that equal ones meet.
        prop::option::of((0..4u64, 0..3u64))
            .prop_map(|pair| pair.map(|(hlc, node)| Version { hlc, node: NodeId(node) }))
    }

    proptest! {
        #[test]
        fn is_commutative_associative_and_idempotent(a in version(), b in version(), c in version()) {
            prop_assert_eq!(join(a, b), join(b, a));
            prop_assert_eq!(join(join(a, b), c), join(a, join(b, c)));
            prop_assert_eq!(join(a, a), a);
        }

        #[test]
        fn the_highest_version_stays(all in prop::collection::vec(version(), 0..8)) {
            prop_assert_eq!(all.iter().copied().fold(None, join), all.iter().copied().max().flatten());
        }
    }
}
