//! What the threads of a store share: the published state, and whether the store still runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use dynarust_core::digest::Digests;
use dynarust_core::limits::{APPLY_BYTES, APPLY_RECORDS_MIN, RECENT_RECORDS_MAX};
use dynarust_core::{Partition, PartitionSet, Record, RecordName, Seq, Stored, Version};
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::watch;

use crate::answers::{Kept, RecentAnswers};
use crate::base::{BaseError, ReadBase, ReadFailure};
use crate::cache::RecordCache;
use crate::damaged::Damaged;
use crate::driver::Bell;
use crate::emptying::ToEmpty;
use crate::group::Standing;
use crate::journal::{LoadError, Place};
use crate::port::ReadError;
use crate::recent::{Entry, Recent};
use crate::stats::Tally;
use crate::submission::Submissions;

/// A small cache: with no more, only the least is kept of what is recent.
const CACHE_BYTES_ALONE: u64 = 5 << 20;
/// What a recent record costs in memory.
const RECENT_RECORD_BYTES_ASSUMED: u64 = 150;

/// See the module.
pub(crate) struct Shared {
    /// Written by the writer thread (publications) and the applier (what has gone into the base).
    pub(crate) recent: RwLock<Recent>,
    /// The writer thread adds; the applier takes away what is in the base.
    pub(crate) answers: Mutex<RecentAnswers>,
    pub(crate) cache: RecordCache,
    /// What waits for the writer thread.
    pub(crate) submissions: Submissions,
    /// The newest published seq. The writer thread sends; it closes with that thread.
    pub(crate) published: watch::Receiver<Seq>,
    /// The highest seq of a tombstone that was forgotten.
    forgotten: AtomicU64,
    /// Those behind it stay.
    forgettable: AtomicU64,
    /// Of each partition, by number: nothing that is published lies behind this seq.
    newest: Box<[AtomicU64]>,
    /// Nothing is done by the wall clock while it is not.
    clock_trusted: AtomicBool,
    /// Of what is published. The writer thread changes it, and the applier once.
    digests: Mutex<Digests>,
    /// They tell of what the journal had at opening, too.
    digests_whole: AtomicBool,
    /// Partitions that the applier is to empty.
    pub(crate) to_empty: ToEmpty,
    /// What was found damaged, until the node takes note.
    pub(crate) damaged: Damaged,
    /// With so many writes recent the applier does not wait for its interval.
    pub(crate) apply_records: usize,
    /// Bytes of the journal that the applier has not turned to yet.
    pub(crate) journaled: AtomicUsize,
    /// Bytes of the journal that the applier is bringing into the base.
    pub(crate) applying: AtomicUsize,
    /// Everything up to this seq is on stable storage in the journal, or more.
    synced: AtomicU64,
    /// What the threads count.
    pub(crate) tally: Tally,
    /// The clock ceiling of the newest frame.
    clock_ceiling: AtomicU64,
    /// Why the store stopped by itself.
    failure: Mutex<Option<Arc<str>>>,
    /// The applier waits here for work, the writer for room.
    pub(crate) pressure: Mutex<Pressure>,
    pub(crate) pressure_changed: Condvar,
    /// Where no thread waits for work, somebody else does.
    pub(crate) bell: Bell,
}

/// What the writer thread and the applier tell each other.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    /// Enough is recent that the applier should not wait for its interval.
    pub(crate) apply_now: bool,
    /// The last try to bring what is recent into the base found the disk full.
    pub(crate) base_full: bool,
    /// The writer thread has ended, with this as the newest hybrid time that it gave: apply what is
    /// left, and end.
    pub(crate) closing: Option<u64>,
}

impl Shared {
    /// With the sender for the writer thread.
    pub(crate) fn new(
        recent: Recent,
        answers: RecentAnswers,
        journaled: usize,
        cache_bytes: u64,
        forgotten: Seq,
        digests: Digests,
        bell: Bell,
    ) -> (Self, watch::Sender<Seq>) {
        let head = recent.head();
        let (sender, published) = watch::channel(head);
        let shared = Self {
            recent: RwLock::new(recent),
            answers: Mutex::new(answers),
            cache: RecordCache::new(cache_bytes),
            submissions: Submissions::new(bell.clone()),
            published,
            forgotten: AtomicU64::new(forgotten),
            forgettable: AtomicU64::new(Seq::MAX),
            // What was published before is not looked through.
            newest: Partition::all().map(|_| AtomicU64::new(head)).collect(),
            clock_trusted: AtomicBool::new(true),
            digests: Mutex::new(digests),
            digests_whole: AtomicBool::new(false),
            to_empty: ToEmpty::default(),
            damaged: Damaged::default(),
            apply_records: apply_records(cache_bytes),
            journaled: AtomicUsize::new(journaled),
            applying: AtomicUsize::new(0),
            synced: AtomicU64::new(head),
            tally: Tally::default(),
            clock_ceiling: AtomicU64::new(0),
            failure: Mutex::new(None),
            // What an earlier start left is brought into the base at once: short lives must not pile up.
            pressure: Mutex::new(Pressure { apply_now: true, ..Pressure::default() }),
            pressure_changed: Condvar::new(),
            bell,
        };
        (shared, sender)
    }

    /// Makes a group visible: all of it for those who look here, in seq order for those who look into
    /// the cache. Holding the lock while the cache is filled keeps a reader that misses the cache from
    /// seeing less than one that hits it.
    pub(crate) fn publish(
        &self,
        records: &[Arc<Stored>],
        places: &[Place],
        published: &watch::Sender<Seq>,
    ) {
        let mut recent = self.recent.write();
        for (stored, place) in records.iter().zip(places) {
            // Before anybody can see the record.
            if let Some(newest) = self.newest.get(slot(Partition::of(&stored.name))) {
                newest.store(stored.seq, Ordering::Release);
            }
            recent.publish(stored, place);
            self.cache.publish(stored);
        }
        published.send_replace(recent.head());
    }

    /// The newest published record of a name: from the cache, what is recent, or the base.
    pub(crate) fn find(
        &self,
        base: &ReadBase,
        name: &RecordName,
    ) -> Result<Option<Arc<Stored>>, ReadError> {
        self.cache.get_or_read(name, || {
            let recent = self.recent.read().get(name);
            match recent {
                Some(entry) => load(name, &entry).map(Some),
                None => base
                    .get(name)
                    .map(|found| found.map(Arc::new))
                    .inspect_err(|failure| self.note_damage(failure))
                    .map_err(read_error),
            }
        })
    }

    /// A read that fails over one record tells the node, as the scrub does.
    fn note_damage(&self, failure: &ReadFailure) {
        if let ReadFailure::Corrupt(name) = failure {
            self.damaged.add(name);
        }
    }

    /// What the newest request with this key became.
    pub(crate) fn answer(&self, base: &ReadBase, key: &str) -> Result<Option<Kept>, ReadError> {
        let recent = self.answers.lock().get(key);
        match recent {
            Some(kept) => Ok(Some(kept)),
            None => base.answer(key).map_err(|error| base_error(&error)),
        }
    }

    /// A record that is recent, as it was when the entry was found; with its value or without.
    pub(crate) fn record(
        &self,
        name: &RecordName,
        entry: &Entry,
        values: bool,
    ) -> Result<Arc<Stored>, ReadError> {
        if !values {
            return Ok(Arc::new(without_value(name, entry)));
        }
        match self.cache.get(name) {
            Some(stored) if stored.seq == entry.seq => Ok(stored),
            _ => load(name, entry),
        }
    }

    /// Bytes of the journal that wait for the base.
    pub(crate) fn unapplied_bytes(&self) -> usize {
        self.journaled.load(Ordering::Relaxed) + self.applying.load(Ordering::Relaxed)
    }

    /// How much is recent: at 1 a round of the applier is due.
    pub(crate) fn fullness(&self) -> f64 {
        let records = self.recent.read().len() as f64 / self.apply_records as f64;
        let bytes = self.unapplied_bytes() as f64 / APPLY_BYTES as f64;
        records.max(bytes)
    }

    /// Has the applier come without waiting for its interval.
    pub(crate) fn press(&self) {
        let mut pressure = self.pressure.lock();
        if !std::mem::replace(&mut pressure.apply_now, true) {
            self.pressure_changed.notify_all();
            self.bell.ring();
        }
    }

    /// The applier turns to all that has been counted so far.
    pub(crate) fn turn_to_journaled(&self) {
        let journaled = self.journaled.swap(0, Ordering::Relaxed);
        self.applying.fetch_add(journaled, Ordering::Relaxed);
    }

    /// Everything up to here is on stable storage in the journal.
    pub(crate) fn synced(&self) -> Seq {
        self.synced.load(Ordering::Acquire)
    }

    pub(crate) fn raise_synced(&self, to: Seq) {
        self.synced.fetch_max(to, Ordering::AcqRel);
    }

    /// The store stops, for this reason; the first one counts.
    pub(crate) fn fail(&self, reason: &str) {
        tracing::error!(reason, "the store stops");
        self.failure.lock().get_or_insert_with(|| reason.into());
        self.submissions.abandon();
        self.to_empty.close();
        // With the lock, so that nobody is between looking and waiting.
        drop(self.pressure.lock());
        self.pressure_changed.notify_all();
    }

    /// No version that has been handed out is above it.
    pub(crate) fn clock_ceiling(&self) -> u64 {
        self.clock_ceiling.load(Ordering::Acquire)
    }

    pub(crate) fn raise_clock_ceiling(&self, to: u64) {
        self.clock_ceiling.fetch_max(to, Ordering::AcqRel);
    }

    /// Deletes up to this seq may be missing from the feed.
    pub(crate) fn forgotten(&self) -> Seq {
        self.forgotten.load(Ordering::Acquire)
    }

    pub(crate) fn forget(&self, through: Seq) {
        self.forgotten.fetch_max(through, Ordering::AcqRel);
    }

    /// Tombstones up to here may be forgotten, once they are old enough.
    pub(crate) fn forgettable(&self) -> Seq {
        self.forgettable.load(Ordering::Acquire)
    }

    pub(crate) fn forget_up_to(&self, seq: Seq) {
        self.forgettable.store(seq, Ordering::Release);
    }

    pub(crate) fn trust_clock(&self, right: bool) {
        self.clock_trusted.store(right, Ordering::Release);
    }

    /// Whether what is due by the wall clock is due.
    pub(crate) fn trusts_clock(&self) -> bool {
        self.clock_trusted.load(Ordering::Acquire)
    }

    /// The newest published seq of the partition, or one above it.
    pub(crate) fn newest_in(&self, partition: Partition) -> Seq {
        self.newest.get(slot(partition)).map_or(Seq::MAX, |newest| newest.load(Ordering::Acquire))
    }

    pub(crate) fn digests(&self) -> Option<Digests> {
        self.digests_whole.load(Ordering::Acquire).then(|| self.digests.lock().clone())
    }

    /// What the journal had at opening is counted.
    pub(crate) fn digests_are_whole(&self) {
        self.digests_whole.store(true, Ordering::Release);
    }

    /// Records have taken the places of others: of each the name, and the version before and after where
    /// it has a value.
    pub(crate) fn count_replaced<'a>(
        &self,
        replaced: impl Iterator<Item = (&'a RecordName, Option<Version>, Option<Version>)>,
    ) {
        let mut digests = self.digests.lock();
        replaced.for_each(|(name, before, after)| digests.replace(name, before, after));
    }

    /// The base holds nothing of these partitions any more: neither do the cache and the digests.
    pub(crate) fn clear(&self, partitions: &PartitionSet) {
        self.cache.forget(partitions);
        let mut digests = self.digests.lock();
        partitions.iter().for_each(|partition| digests.clear(partition));
    }

    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        self.failure.lock().clone()
    }
}

/// Where a partition's number stands.
fn slot(partition: Partition) -> usize {
    usize::from(partition.number())
}

/// What is recent may take as much memory as the cache has beyond [`CACHE_BYTES_ALONE`].
fn apply_records(cache_bytes: u64) -> usize {
    let bytes = cache_bytes.saturating_sub(CACHE_BYTES_ALONE);
    let records = usize::try_from(bytes / RECENT_RECORD_BYTES_ASSUMED).unwrap_or(usize::MAX);
    records.clamp(APPLY_RECORDS_MIN, RECENT_RECORDS_MAX / 2)
}

/// What memory has of a record.
fn without_value(name: &RecordName, entry: &Entry) -> Stored {
    let Standing { version, expiry, holds_value, expired } = entry.standing;
    let (previous, tombstone, value) = (None, !holds_value && !expired, Bytes::new());
    let record = Record { version, previous, expiry, tombstone, expired, value };
    Stored { name: name.clone(), seq: entry.seq, record }
}

/// Reads a record from the journal.
fn load(name: &RecordName, entry: &Entry) -> Result<Arc<Stored>, ReadError> {
    match entry.place.load(name) {
        Ok(record) => Ok(Arc::new(Stored { name: name.clone(), seq: entry.seq, record })),
        Err(LoadError::Changed) => Err(ReadError::CorruptRecord(name.clone())),
        Err(LoadError::Io(error)) => Err(ReadError::Base(error.to_string().into())),
    }
}

/// What a reader is told of a failed read of the base.
pub(crate) fn read_error(failure: ReadFailure) -> ReadError {
    match failure {
        ReadFailure::Corrupt(name) => ReadError::CorruptRecord(name),
        ReadFailure::Base(error) => base_error(&error),
    }
}

/// What a reader is told of a base that does not answer.
pub(crate) fn base_error(error: &BaseError) -> ReadError {
    ReadError::Base(error.to_string().into())
}
