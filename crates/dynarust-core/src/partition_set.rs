//! Sets of partitions: which ones a member serves, or has dropped (design section 4).
//!
//! One bit a partition, so that a set has the same size whatever is in it, on the wire too: 128 bytes,
//! partition `n` at bit `n % 8` (the lowest is 0) of byte `n / 8`.

use std::fmt;

use crate::Partition;
use crate::partition::PARTITIONS;

/// A word for each 64 partitions.
const WORDS: usize = PARTITIONS as usize / 64;

/// A set of partitions.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PartitionSet([u64; WORDS]);

impl PartitionSet {
    /// The length of a set's bytes.
    pub const BYTES: usize = PARTITIONS as usize / 8;

    /// All partitions.
    #[must_use]
    pub fn all() -> Self {
        Self([u64::MAX; WORDS])
    }

    /// Puts one in; tells whether it is new.
    pub fn insert(&mut self, partition: Partition) -> bool {
        let absent = !self.contains(partition);
        let (word, bit) = place(partition);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
        absent
    }

    /// Takes one out; tells whether it was there.
    pub fn remove(&mut self, partition: Partition) -> bool {
        let present = self.contains(partition);
        let (word, bit) = place(partition);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
        present
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn contains(&self, partition: Partition) -> bool {
        let (word, bit) = place(partition);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combined(other, |here, there| here | there)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combined(other, |here, there| here & there)
    }

    /// What is in this one and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combined(other, |here, there| here & !there)
    }

    /// How many are in the set.
    #[must_use]
    pub fn len(&self) -> u16 {
        #[expect(clippy::cast_possible_truncation, reason = "at most PARTITIONS")]
        self.0.iter().map(|word| word.count_ones() as u16).sum()
    }

    /// Whether none is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Those in the set, by number.
    pub fn iter(&self) -> impl Iterator<Item = Partition> + '_ {
        Partition::all().filter(|partition| self.contains(*partition))
    }

    /// One bit a partition, as the module's header has them.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    /// The inverse of [`PartitionSet::to_bytes`]; `None` where the length is wrong.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let mut set = Self::default();
        for (word, from) in set.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*from);
        }
        Some(set)
    }

    fn combined(&self, other: &Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        let mut set = self.clone();
        for (word, other) in set.0.iter_mut().zip(other.0) {
            *word = combine(*word, other);
        }
        set
    }
}

/// In which word a partition is, and which bit of it.
fn place(partition: Partition) -> (usize, u64) {
    let number = usize::from(partition.number());
    (number / 64, 1 << (number % 64))
}

impl FromIterator<Partition> for PartitionSet {
    fn from_iter<I: IntoIterator<Item = Partition>>(partitions: I) -> Self {
        let mut set = Self::default();
        set.extend(partitions);
        set
    }
}

impl Extend<Partition> for PartitionSet {
    fn extend<I: IntoIterator<Item = Partition>>(&mut self, partitions: I) {
        for partition in partitions {
            self.insert(partition);
        }
    }
}

impl fmt::Debug for PartitionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Partition::number)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn set(numbers: &BTreeSet<u16>) -> PartitionSet {
        numbers.iter().filter_map(|number| Partition::new(*number)).collect()
    }

    fn numbers(set: &PartitionSet) -> BTreeSet<u16> {
        set.iter().map(Partition::number).collect()
    }

    #[test]
    fn golden_bytes() {
        let mut expected = [0; PartitionSet::BYTES];
        expected[0] = 0b0000_0011;
        expected[1] = 0b1000_0000;
        expected[127] = 0b1000_0000;
        assert_eq!(set(&BTreeSet::from([0, 1, 15, 1023])).to_bytes(), expected);
        assert_eq!(PartitionSet::all().to_bytes(), [0xff; PartitionSet::BYTES]);
        assert_eq!(PartitionSet::default().to_bytes(), [0; PartitionSet::BYTES]);
    }

    #[test]
    fn other_lengths_are_no_set() {
        for length in [0, 127, 129, 256] {
            assert_eq!(PartitionSet::from_bytes(&vec![0; length]), None);
        }
    }

    #[test]
    fn all_holds_each() {
        assert_eq!(PartitionSet::all().len(), PARTITIONS);
        assert_eq!(numbers(&PartitionSet::all()), (0..PARTITIONS).collect());
        assert!(PartitionSet::default().is_empty());
    }

    proptest! {
        #[test]
        fn is_a_set(
            a in prop::collection::btree_set(0..PARTITIONS, 0..200),
            b in prop::collection::btree_set(0..PARTITIONS, 0..200),
        ) {
            prop_assert_eq!(numbers(&set(&a)), a.clone());
            prop_assert_eq!(usize::from(set(&a).len()), a.len());
            prop_assert_eq!(set(&a).is_empty(), a.is_empty());
            prop_assert_eq!(numbers(&set(&a).union(&set(&b))), &a | &b);
            prop_assert_eq!(numbers(&set(&a).intersection(&set(&b))), &a & &b);
            prop_assert_eq!(numbers(&set(&a).difference(&set(&b))), &a - &b);
            prop_assert_eq!(PartitionSet::from_bytes(&set(&a).to_bytes()), Some(set(&a)));
        }

        #[test]
        fn tells_what_changed(
            mut a in prop::collection::btree_set(0..PARTITIONS, 0..200), number in 0..PARTITIONS
        ) {
            let (mut changed, partition) = (set(&a), Partition::new(number).unwrap());
            prop_assert_eq!(changed.contains(partition), a.contains(&number));
            prop_assert_eq!(changed.insert(partition), a.insert(number));
            prop_assert!(!changed.insert(partition));
            prop_assert_eq!(numbers(&changed), a.clone());
            prop_assert!(changed.remove(partition));
            prop_assert!(!changed.remove(partition));
            a.remove(&number);
            prop_assert_eq!(numbers(&changed), a);
        }
    }
}
