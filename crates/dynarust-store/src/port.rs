//! The port: all that the rest of the node knows of a store.
//!
//! It is narrow so that a simulator can bring another one. What comes out is raw: tombstones and
//! expired records too. Whether a reader sees a value is [`Record::is_live`]'s word, on the node's
//! clock.
//!
//! Contract:
//! - a write that was answered is visible to every read that begins after the answer;
//! - seqs are visible in order: whoever sees `n` can see everything up to `n`;
//! - with [`Durability::Sync`] the answer comes after stable storage has it, and nobody sees it
//!   before;
//! - a write that was refused changed nothing;
//! - writes and arrivals are taken in the order in which [`Store::write`] and [`Store::take_in`] were
//!   called, whenever their futures are polled: who calls them several times before awaiting has them all
//!   in as few groups as they fit.
//!
//! [`Record::is_live`]: dynarust_core::Record::is_live

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::digest::Digests;
use dynarust_core::{
    Condition, FeedPosition, KeyRange, Partition, PartitionSet, Record, RecordName, RequestKey,
    Seq, Stamp, Stored, TableName, UnixMillis, Version,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::stats::StoreStats;

/// When a write counts as done (API.md section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Once it is in memory and in the journal's file; a power cut may lose the last
    /// `--relaxed-flush-ms`.
    Relaxed,
    /// Once it is on stable storage.
    Sync,
}

/// What a write makes of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The JSON text becomes the value.
    Put {
        /// The value's JSON text, valid and within the limits.
        value: Bytes,
        /// When the record expires.
        expiry: Option<UnixMillis>,
    },
    /// The record goes, if there is a live one.
    Delete,
}

/// One write of a client.
#[derive(Debug, Clone)]
pub struct Write {
    /// The record.
    pub name: RecordName,
    /// What becomes of it.
    pub change: Change,
    /// What must hold before.
    pub condition: Condition,
    /// When to answer.
    pub durability: Durability,
    /// By what a repeat of it is known; looked at before the condition.
    pub request: Option<RequestKey>,
    /// The stamp is above this version, too: another node holds it.
    pub above: Option<Version>,
}

/// A record that comes from another node.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The record's name.
    pub name: RecordName,
    /// The record, as it is there. Its value is owned alone: a slice of a larger buffer would keep all
    /// of that in memory.
    pub record: Record,
    /// By what a repeat of the request is known that became this record.
    pub request: Option<RequestKey>,
    /// A write of this moment: the clock is set above its stamp. Not so for what is caught up with.
    pub fresh: bool,
    /// What it may take the place of.
    pub over: Over,
}

/// What an arrival may take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Whatever is older, by the merge law.
    Older,
    /// This version, or one older than it; nothing, where it is none. The record is a write that was judged
    /// on it ([`dynarust_core::acceptance`]).
    Judged(Option<Version>),
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenIn {
    /// It stands at its key now, with a seq in this node's feed.
    Applied {
        /// In place of this version, which is none that it was written over.
        unseen: Option<Version>,
    },
    /// What stands there, with this stamp, is as new or newer, or stands in the way. Nothing changed.
    Kept(Stamp),
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposed {
    /// The condition holds. Nothing changed: the record is to be taken in ([`Store::take_in`]), here last.
    Stamped {
        /// The record, as the write makes it.
        record: Record,
        /// The version that stands at the key, on which it was judged.
        over: Option<Version>,
    },
    /// It is decided without that: anything but [`Written::Done`].
    Decided(Written),
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It took.
    Done {
        /// The key's version now.
        version: Version,
        /// Its place in this node's feed.
        seq: Seq,
    },
    /// The condition did not hold; the live version, if there is one. Nothing changed.
    Refused(Option<Version>),
    /// A delete found no live record. Nothing changed.
    Absent,
    /// The request was carried out before, as this version. Nothing changed now.
    Repeated(Version),
    /// Its key was given to another request before. Nothing changed.
    KeyReused,
}

/// What is known of a request with an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It was carried out, as this version.
    Done(Version),
    /// Another request came with its key.
    KeyReused,
}

/// Why a write did not take. Nothing changed, but where a variant says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// No space for the journal. Writes go on once there is some; no restart is needed.
    #[error("the disk is full: free some space, then write again")]
    Full,
    /// The key's record cannot be read, so the condition cannot be judged. Nothing changed.
    #[error("{0}")]
    Unreadable(ReadError),
    /// More waits than [`dynarust_core::limits`] allows.
    #[error("more writes wait than this node takes on: try again later")]
    Overloaded,
    /// The store has stopped, for this reason. Whether the write survives is not known: it may have
    /// reached the disk.
    #[error("the store has stopped: {0}")]
    Stopped(Arc<str>),
}

/// Why a read has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More waits than [`dynarust_core::limits`] allows.
    #[error("more reads wait than this node takes on: try again later")]
    Overloaded,
    /// The record's bytes on disk are not what was written. Writing or deleting the key mends it.
    #[error("the record {0} is damaged on disk: write or delete it, or restore it from a copy")]
    CorruptRecord(RecordName),
    /// The base cannot be read.
    #[error("the base cannot be read: {0}")]
    Base(Arc<str>),
}

/// A part of a table's records.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Which.
    pub range: KeyRange,
    /// From the last to the first.
    pub reverse: bool,
    /// At most so many records (at least one).
    pub records_max: usize,
    /// Stops once so many bytes of values are together.
    pub bytes_max: usize,
    /// Only records of these partitions.
    pub partitions: Option<Arc<PartitionSet>>,
    /// With their values; else values are empty, nobody has looked whether they are sound, and a record
    /// counts for what it says of itself: name, stamp, expiry, seq.
    pub values: bool,
}

/// A part of the feed to read.
#[derive(Debug, Clone)]
pub struct FeedRead {
    /// What lies behind this.
    pub after: Seq,
    /// At most about so many entries (at least one).
    pub records_max: usize,
    /// At most about so many bytes of values.
    pub bytes_max: usize,
    /// Only records of these partitions. The others are passed over, a bounded number in one read.
    pub partitions: Option<Arc<PartitionSet>>,
    /// As in [`Scan`].
    pub values: bool,
    /// Only what was deleted or has expired is wanted: of what has a value most is left out.
    pub gone: bool,
}

impl FeedRead {
    /// Whole records, of all partitions.
    #[must_use]
    pub fn behind(after: Seq, records_max: usize, bytes_max: usize) -> Self {
        Self { after, records_max, bytes_max, partitions: None, values: true, gone: false }
    }
}

/// What a scan found.
#[derive(Debug, Clone, Default)]
pub struct ScanPage {
    /// In key order, or in reverse; tombstones and expired records included.
    pub records: Vec<Arc<Stored>>,
    /// The range holds more: go on behind (in reverse: before) the last record.
    pub more: bool,
}

/// A part of the feed.
#[derive(Debug, Clone, Default)]
pub struct FeedPage {
    /// The newest record of each name, in seq order, as of some moment during the call: an entry
    /// whose record has since moved on is left out.
    pub records: Vec<Arc<Stored>>,
    /// Everything up to this was looked at: go on from here. At least what was asked for.
    pub through: Seq,
    /// Corrupt records, which are left out and logged: their names, where those can be read.
    pub left_out: Vec<Option<RecordName>>,
}

/// What a table holds, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableCount {
    /// The table.
    pub table: TableName,
    /// Its records that are neither deleted nor expired.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// Some of the tables, in name order.
#[derive(Debug, Clone, Default)]
pub struct TablesPage {
    /// Those that hold a live record.
    pub tables: Vec<TableName>,
    /// There may be more: go on behind this one.
    pub next: Option<TableName>,
}

/// Tables, records and the feed of one node.
pub trait Store: Send + Sync + 'static {
    /// This node, this start, and the newest published seq.
    fn position(&self) -> FeedPosition;

    /// The newest seq of a record of the partition that anybody may have seen here, or one above it.
    fn newest_in(&self, partition: Partition) -> Seq;

    /// Rises with every publication; closes when the store stops.
    fn published(&self) -> watch::Receiver<Seq>;

    /// The record if it is in memory. `None` says nothing: ask [`Store::get`].
    fn peek(&self, name: &RecordName) -> Option<Arc<Stored>>;

    /// The record, a tombstone too; `None` where this node never took one in.
    fn get(&self, name: RecordName) -> BoxFuture<'_, Result<Option<Arc<Stored>>, ReadError>>;

    /// Stamps, decides, keeps and publishes one write. The call itself submits it; the future waits
    /// for the answer. Dropping the future does not undo it.
    fn write(&self, write: Write) -> BoxFuture<'_, Result<Written, WriteError>>;

    /// As [`Store::write`], but the write is only judged and stamped. No other write gets its stamp, in a
    /// later start either.
    fn propose(&self, write: Write) -> BoxFuture<'_, Result<Proposed, WriteError>>;

    /// Takes records of other nodes in, in order, through the merge law. Answered, one for one, once all
    /// of them, and what stands where one was kept, are as durable as asked. The call submits; the future
    /// waits. No arrivals at all make a barrier: what was published before is as durable as asked then.
    ///
    /// A damaged record at the key is mended, but by a record that was judged on another, and by one that is older
    /// than the damaged one claims to be: that is kept, unless it was this very record, or no clock that is right can
    /// have given it yet. The request of an arrival is remembered as if it had been
    /// carried out here, unless there is no room for more of them.
    ///
    /// # Errors
    /// [`WriteError`]; some of the arrivals may have been taken in all the same. Overloaded is also who
    /// submits more at a time than [`dynarust_core::limits`] lets wait.
    fn take_in(
        &self,
        arrivals: Vec<Arrival>,
        durability: Durability,
    ) -> BoxFuture<'_, Result<Vec<TakenIn>, WriteError>>;

    /// Whether a request with this key was carried out in the last
    /// [`ANSWERS_KEPT_MILLIS`](dynarust_core::limits::ANSWERS_KEPT_MILLIS). One that is still queued is
    /// known to [`Store::write`] alone.
    fn answered(&self, request: RequestKey) -> BoxFuture<'_, Result<Option<Answered>, ReadError>>;

    /// A part of a table in key order, each record as it was at some moment during the call.
    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<ScanPage, ReadError>>;

    /// The tables behind `after` that hold a record that is live at `now`, exact as of some moment
    /// during the call; about `tables_max` are looked at.
    fn tables(
        &self,
        after: Option<TableName>,
        tables_max: usize,
        now: UnixMillis,
    ) -> BoxFuture<'_, Result<TablesPage, ReadError>>;

    /// The tables behind `after`, at most `tables_max`, with what the base counts in them: as it was
    /// some moments ago. Those that hold nothing are left out.
    fn table_counts(
        &self,
        after: Option<TableName>,
        tables_max: usize,
    ) -> BoxFuture<'_, Result<Vec<TableCount>, ReadError>>;

    /// A part of the feed.
    fn feed(&self, read: FeedRead) -> BoxFuture<'_, Result<FeedPage, ReadError>>;

    /// Every publication behind `after`, one by one and without a gap, also those that have since
    /// been overwritten; at most `records_max`. `None` where memory does not reach back so far: read
    /// [`Store::feed`].
    fn tail(&self, after: Seq, records_max: usize) -> Option<Vec<Arc<Stored>>>;

    /// Where this node's feed must be read on from for a reader that has everything up to
    /// `position`; `None` where that cannot be told, or deletes behind it are already forgotten.
    fn resume(&self, position: FeedPosition) -> Option<Seq>;

    /// Where a follower that has everything up to `position` of this node's feed reads on: at its seq, or
    /// at the end of its epoch where it lies beyond that (what it has from there was lost here); at 0, the
    /// beginning, where the epoch is not known.
    fn follow_from(&self, position: FeedPosition) -> Seq;

    /// Everything published up to this seq is on stable storage.
    fn synced(&self) -> Seq;

    /// The idempotency key that the record came with which this node took in as `seq` a moment ago; none
    /// where it came without one, or is long in the base.
    fn request_at(&self, seq: Seq) -> Option<RequestKey>;

    /// Saves the node's note beside the records, in place of the one before: whole or not at all, after
    /// all that is published now is on stable storage. So it may tell how far others' feeds have been
    /// taken in. Of several at a time the last call counts.
    ///
    /// # Errors
    /// [`WriteError`]: the note before stands. A note above
    /// [`NOTE_BYTES_MAX`](dynarust_core::limits::NOTE_BYTES_MAX), and a disk that refuses, count as
    /// overloaded; the log says why.
    fn keep(&self, note: Bytes) -> BoxFuture<'_, Result<(), WriteError>>;

    /// The note that was kept last, in an earlier start too.
    fn kept(&self) -> Option<Bytes>;

    /// Tombstones and expired records behind this seq of the own feed are not forgotten, however old they
    /// are: followers have not come so far. [`Seq::MAX`], where a store begins: only their age counts.
    fn forget_up_to(&self, seq: Seq);

    /// Takes all records of these partitions out, deleted ones too, with no trace of them in the feed; how
    /// many there were. Answered once that is on stable storage; dropping the future does not undo it. The
    /// caller sees to it that nobody reads or writes them meanwhile, and asks again where it had no answer.
    ///
    /// # Errors
    /// [`WriteError::Stopped`]: some of them may have gone.
    fn empty(&self, partitions: PartitionSet) -> BoxFuture<'_, Result<u64, WriteError>>;

    /// Whether the wall clock is right, as far as the node can tell. While it is not, no record is marked as
    /// expired and no tombstone forgotten: others would take that over.
    fn trust_clock(&self, right: bool);

    /// For each partition a sum over its records with a value: all that are published, and at most such
    /// as are about to be. `None` in the first moments behind a start that found a journal, until what came from
    /// that is counted.
    fn digests(&self) -> Option<Digests>;

    /// Names of records that were found damaged on disk, by reads and by the scrub; at most so many. Each is
    /// handed over once, and again where it is found again. The record may be whole by now: [`Store::get`] tells.
    fn take_damaged(&self, names_max: usize) -> Vec<RecordName>;

    /// What the store holds and has done, by number. Costs next to nothing.
    fn stats(&self) -> StoreStats;

    /// Why the store stopped by itself; `None` while it runs.
    fn failure(&self) -> Option<Arc<str>>;

    /// Finishes what was submitted, syncs, brings everything into the base, and stops.
    fn close(&self) -> BoxFuture<'_, ()>;
}
