//! Partitions: which part of the key space a record belongs to (design section 4).
//!
//! The hash is part of the on-disk format and of the protocol between nodes: the same on every
//! machine and in every release.

use twox_hash::XxHash3_64;

use crate::RecordName;

/// How many partitions the key space has.
pub const PARTITIONS: u16 = 1024;

/// The number of a partition, below [`PARTITIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u16);

impl Partition {
    /// The partition of a record: XXH3-64 of its name, modulo [`PARTITIONS`].
    #[must_use]
    pub fn of(name: &RecordName) -> Self {
        Self::of_hash(name_hash(name))
    }

    /// That of a name with this [`name_hash`].
    pub(crate) fn of_hash(hash: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "below PARTITIONS")]
        Self((hash % u64::from(PARTITIONS)) as u16)
    }

    /// The partition of that number, if there is one.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (number < PARTITIONS).then_some(Self(number))
    }

    /// All of them, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }

    /// Its number, from 0.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

/// XXH3-64 of a name.
#[must_use]
pub fn name_hash(name: &RecordName) -> u64 {
    XxHash3_64::oneshot(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_partitions() {
        let cases = [
            ("default", "mykey", 872),
            ("default", "ключ", 353),
            ("a", "b", 849),
            ("a.b", "c", 303),
        ];
        for (table, key, partition) in cases {
            let name = RecordName::parse(table, key).unwrap();
            assert_eq!(Partition::of(&name).number(), partition, "{name}");
        }
    }

    #[test]
    fn there_are_as_many_as_told() {
        assert_eq!(Partition::all().count(), usize::from(PARTITIONS));
        assert_eq!(Partition::new(PARTITIONS - 1), Partition::all().last());
        assert_eq!(Partition::new(PARTITIONS), None);
    }
}
