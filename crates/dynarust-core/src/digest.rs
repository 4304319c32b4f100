//! Digests: one number a partition that two copies compare (design sections 3 and 7).
//!
//! A digest is the sum, modulo 2^64, of a hash of each live record's name and version. Sums are
//! commutative, so the order in which records came does not show; a record leaves as it entered.

use twox_hash::XxHash3_64;

use crate::partition::{PARTITIONS, name_hash};
use crate::{Partition, RecordName, Version};

/// The digests of all partitions of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests(Vec<u64>);

impl Default for Digests {
    fn default() -> Self {
        Self(vec![0; usize::from(PARTITIONS)])
    }
}

impl Digests {
    /// Counts a live record in.
    pub fn add(&mut self, name: &RecordName, version: Version) {
        self.replace(name, None, Some(version));
    }

    /// Counts a record out that is live no more.
    pub fn remove(&mut self, name: &RecordName, version: Version) {
        self.replace(name, Some(version), None);
    }

    /// A record takes another's place at a key: each counts where it has a value.
    pub fn replace(&mut self, name: &RecordName, before: Option<Version>, after: Option<Version>) {
        let hash = name_hash(name);
        let sum = |version: Option<Version>| version.map_or(0, |version| entry_of(hash, version));
        let change = sum(after).wrapping_sub(sum(before));
        let at = usize::from(Partition::of_hash(hash).number());
        if let Some(sum) = self.0.get_mut(at) {
            *sum = sum.wrapping_add(change);
        }
    }

    /// Nothing is in the partition.
    pub fn clear(&mut self, partition: Partition) {
        if let Some(sum) = self.0.get_mut(usize::from(partition.number())) {
            *sum = 0;
        }
    }

    /// The digest of one partition.
    #[must_use]
    pub fn of(&self, partition: Partition) -> u64 {
        self.0.get(usize::from(partition.number())).copied().unwrap_or(0)
    }

    /// All of them, little-endian, in order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|sum| sum.to_le_bytes()).collect()
    }

    /// The inverse of [`Digests::to_bytes`]; `None` where the length is wrong.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (sums, rest) = bytes.as_chunks::<8>();
        let whole = rest.is_empty() && sums.len() == usize::from(PARTITIONS);
        whole.then(|| Self(sums.iter().map(|sum| u64::from_le_bytes(*sum)).collect()))
    }
}

/// What a record adds to the sum.
fn entry_of(name_hash: u64, version: Version) -> u64 {
    XxHash3_64::oneshot_with_seed(name_hash, &version.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_does_not_show_and_what_entered_leaves(
            keys in prop::collection::vec("[a-z]{1,3}", 1..20), hlc: u64
        ) {
            let entries: Vec<_> = keys.iter().enumerate().map(|(nth, key)| {
                let version = Version { hlc: hlc.wrapping_add(nth as u64), node: NodeId(1) };
                (RecordName::parse("t", key).unwrap(), version)
            }).collect();
            let (mut forward, mut backward) = (Digests::default(), Digests::default());
            entries.iter().for_each(|(name, version)| forward.add(name, *version));
            entries.iter().rev().for_each(|(name, version)| backward.add(name, *version));
            prop_assert_eq!(&forward, &backward);
            prop_assert_eq!(Digests::from_bytes(&forward.to_bytes()), Some(forward.clone()));
            entries.iter().for_each(|(name, version)| forward.remove(name, *version));
            prop_assert_eq!(forward, Digests::default());
            let (mut replaced, next) = (backward.clone(), Version { hlc: 1, node: NodeId(2) });
            for (name, version) in &entries {
                replaced.replace(name, Some(*version), Some(next));
                backward.remove(name, *version);
                backward.add(name, next);
            }
            prop_assert_eq!(replaced, backward);
        }
    }
}
