//! Names of records that were found damaged, until the node asks for them: others may have the records.
//!
//! Who finds one tells its name: the scrub, or a read. A name says nothing for sure: the record may have been
//! written again since.

use std::collections::BTreeSet;

use dynarust_core::RecordName;
use dynarust_core::limits::DAMAGED_NAMES_MAX;
use parking_lot::Mutex;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Damaged(Mutex<BTreeSet<RecordName>>);

impl Damaged {
    /// What there is no room for is found again by a later pass of the scrub.
    pub(crate) fn add(&self, name: &RecordName) {
        let mut names = self.0.lock();
        if names.len() < DAMAGED_NAMES_MAX && !names.contains(name) {
            names.insert(name.clone());
        }
    }

    /// Hands over at most so many.
    pub(crate) fn take(&self, names_max: usize) -> Vec<RecordName> {
        let mut names = self.0.lock();
        std::iter::from_fn(|| names.pop_first()).take(names_max).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: usize) -> RecordName {
        RecordName::parse("t", &format!("{key:05}")).unwrap()
    }

    #[test]
    fn each_name_is_handed_over_once() {
        let damaged = Damaged::default();
        for key in [2, 1, 2, 3] {
            damaged.add(&name(key));
        }
        assert_eq!(damaged.take(2), [name(1), name(2)]);
        assert_eq!(damaged.take(2), [name(3)]);
        assert_eq!(damaged.take(2), []);
        damaged.add(&name(2));
        assert_eq!(damaged.take(2), [name(2)], "it is found again");
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let damaged = Damaged::default();
        (0..2 * DAMAGED_NAMES_MAX).for_each(|key| damaged.add(&name(key)));
        assert_eq!(damaged.take(usize::MAX).len(), DAMAGED_NAMES_MAX);
    }
}
