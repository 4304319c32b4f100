//! The record cache: hot records, a bounded number of bytes of them.
//!
//! Invariant: what it holds is the newest published record of its name. A publication replaces or
//! removes what is there. A reader that brings a record from the base can only fill the place that it
//! reserved *before* it read; a publication takes that place away.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::{Partition, PartitionSet, RecordName, Stored};
use quick_cache::sync::DefaultLifecycle;
use quick_cache::sync::{Cache, GuardResult};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::stats::StoreStats;

/// Parts of the cache, each with a lock and a share of the bytes of its own. Not more on machines with
/// more cores: a share must have room for many records.
const SHARDS: usize = 16;
/// Records above this part of a shard are not kept, so that one does not push out all others. (One
/// that the shard cannot hold at all would be refused in silence, and leave an older one in place.)
const SHARE_MAX: u64 = 4;
/// What one record costs on average, for the cache's own tables.
const RECORD_BYTES_ASSUMED: u64 = 640;

/// See the module.
pub(crate) struct RecordCache {
    records: Cache<RecordName, Arc<Stored>, ByBytes>,
    record_bytes_max: usize,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<RecordName, Arc<Stored>> for ByBytes {
    fn weight(&self, _: &RecordName, stored: &Arc<Stored>) -> u64 {
        stored.memory_bytes() as u64
    }
}

impl RecordCache {
    /// A cache of about so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / RECORD_BYTES_ASSUMED).unwrap_or(usize::MAX).max(16);
        let options = OptionsBuilder::new()
            .shards(SHARDS)
            .estimated_items_capacity(items)
            .weight_capacity(bytes)
            .build();
        // Fails where a capacity is missing, which none is.
        let records = match options {
            Ok(options) => Cache::with_options(
                options,
                ByBytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            Err(_) => Cache::with_weighter(items, bytes, ByBytes),
        };
        Self {
            record_bytes_max: usize::try_from(records.shard_capacity() / SHARE_MAX)
                .unwrap_or(usize::MAX),
            records,
        }
    }

    /// The record, if it is here.
    pub(crate) fn get(&self, name: &RecordName) -> Option<Arc<Stored>> {
        self.records.get(name)
    }

    /// Fills in what is to be told of it.
    pub(crate) fn tell(&self, stats: &mut StoreStats) {
        stats.cache_records = self.records.len() as u64;
        stats.cache_bytes = self.records.weight();
        stats.cache_hits = self.records.hits();
        stats.cache_misses = self.records.misses();
    }

    /// Takes in a publication.
    pub(crate) fn publish(&self, stored: &Arc<Stored>) {
        if self.admits(stored) {
            self.records.insert(stored.name.clone(), Arc::clone(stored));
        } else {
            // Takes the place of a reader away too.
            self.records.remove(&stored.name);
        }
    }

    /// Nothing of these partitions is kept.
    pub(crate) fn forget(&self, partitions: &PartitionSet) {
        self.records.retain(|name, _| !partitions.contains(Partition::of(name)));
    }

    /// The record from here, or else from `read`, kept if no publication came between.
    pub(crate) fn get_or_read<E>(
        &self,
        name: &RecordName,
        read: impl FnOnce() -> Result<Option<Arc<Stored>>, E>,
    ) -> Result<Option<Arc<Stored>>, E> {
        let place = match self.records.get_value_or_guard(name, Some(Duration::ZERO)) {
            GuardResult::Value(stored) => return Ok(Some(stored)),
            GuardResult::Guard(place) => Some(place),
            // Somebody else is reading it.
            GuardResult::Timeout => None,
        };
        let found = read()?;
        if let (Some(place), Some(stored)) = (place, &found)
            && self.admits(stored)
        {
            // Refused where a publication took the place away: that one is newer.
            let _ = place.insert(Arc::clone(stored));
        }
        Ok(found)
    }

    fn admits(&self, stored: &Stored) -> bool {
        stored.memory_bytes() <= self.record_bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use dynarust_core::{NodeId, Record, Version};

    fn stored(seq: u64, value_bytes: usize) -> Arc<Stored> {
        let record = Record {
            version: Version { hlc: seq, node: NodeId(1) },
            previous: None,
            expiry: None,
            tombstone: false,
            expired: false,
            value: Bytes::from(vec![b'1'; value_bytes]),
        };
        Arc::new(Stored { name: RecordName::parse("t", "k").unwrap(), seq, record })
    }

    fn read(cache: &RecordCache, found: Option<Arc<Stored>>) -> Option<Arc<Stored>> {
        cache.get_or_read::<()>(&stored(0, 0).name, || Ok(found)).unwrap()
    }

    #[test]
    fn a_record_that_was_read_is_kept() {
        let cache = RecordCache::new(1 << 20);
        read(&cache, Some(stored(1, 10)));
        assert_eq!(cache.get(&stored(1, 10).name).unwrap().seq, 1);
        assert_eq!(read(&cache, None).unwrap().seq, 1);
    }

    #[test]
    fn a_publication_during_a_read_wins() {
        for value_bytes in (10..24).map(|bits| 1 << bits) {
            let cache = RecordCache::new(16 << 20);
            let old = cache.get_or_read::<()>(&stored(0, 0).name, || {
                cache.publish(&stored(2, value_bytes));
                Ok(Some(stored(1, 10)))
            });
            assert_eq!(old.unwrap().unwrap().seq, 1);
            assert!(cache.get(&stored(0, 0).name).is_none_or(|stored| stored.seq == 2));
        }
    }

    #[test]
    fn a_record_too_large_to_keep_drives_out_the_older_one() {
        let cache = RecordCache::new(1 << 20);
        cache.publish(&stored(1, 10));
        cache.publish(&stored(2, 1 << 20));
        assert!(cache.get(&stored(0, 0).name).is_none());
    }
}
