//! What a store holds and has done, by number: for `/stats` and `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dynarust_core::Seq;

use crate::base::Counts;

/// The numbers of a store, each as of a moment that is not long ago.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// How many times the folder was started.
    pub incarnation: u64,
    /// Records in the base that have a value.
    pub live_records: u64,
    /// Bytes of their keys and values.
    pub live_bytes: u64,
    /// Tombstones in the base.
    pub tombstones: u64,
    /// Expired records in the base.
    pub expired: u64,
    /// Writes with an idempotency key that are remembered.
    pub answers: u64,
    /// The newest seq.
    pub head_seq: Seq,
    /// The seq up to which everything is in the base.
    pub applied_seq: Seq,
    /// Bytes of the journal that are not in the base yet.
    pub recent_bytes: u64,
    /// Segments of the journal that wait for the base; the one that is written to is not among them.
    pub segments_waiting: u64,
    /// Bytes of the base's file.
    pub base_bytes: u64,
    /// Group commits.
    pub groups: u64,
    /// Records in them.
    pub group_records: u64,
    /// Writes that a concurrent one on another node has overwritten here.
    pub overwritten_writes: u64,
    /// Syncs of the journal.
    pub syncs: u64,
    /// Transactions that brought records into the base.
    pub applies: u64,
    /// How long the last of them took, its checkpoint not counted.
    pub last_apply: Duration,
    /// Records in the record cache.
    pub cache_records: u64,
    /// Bytes in the record cache.
    pub cache_bytes: u64,
    /// Reads that found their record in the cache.
    pub cache_hits: u64,
    /// Reads that did not.
    pub cache_misses: u64,
}

/// What the threads of a store count.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) groups: Count,
    pub(crate) group_records: Count,
    pub(crate) overwritten: Count,
    pub(crate) syncs: Count,
    pub(crate) applies: Count,
    last_apply_micros: Count,
    pub(crate) base_bytes: Count,
    live_records: Count,
    live_bytes: Count,
    tombstones: Count,
    expired: Count,
}

/// A number that one thread writes and others read now and then.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, to: u64) {
        self.0.store(to, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    /// The base is as this says now.
    pub(crate) fn set_counts(&self, counts: &Counts) {
        self.live_records.set(counts.live_records);
        self.live_bytes.set(counts.live_bytes);
        self.tombstones.set(counts.tombstones);
        self.expired.set(counts.expired);
    }

    /// A transaction brought records into the base.
    pub(crate) fn applied(&self, took: Duration) {
        self.applies.add(1);
        self.last_apply_micros.set(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// The numbers counted here; all else is zero.
    pub(crate) fn stats(&self) -> StoreStats {
        StoreStats {
            live_records: self.live_records.get(),
            live_bytes: self.live_bytes.get(),
            tombstones: self.tombstones.get(),
            expired: self.expired.get(),
            base_bytes: self.base_bytes.get(),
            groups: self.groups.get(),
            group_records: self.group_records.get(),
            overwritten_writes: self.overwritten.get(),
            syncs: self.syncs.get(),
            applies: self.applies.get(),
            last_apply: Duration::from_micros(self.last_apply_micros.get()),
            ..StoreStats::default()
        }
    }
}
