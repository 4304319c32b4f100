//! A real store, while which works paused time stands still; and that takes nothing in, or has no room for it, or
//! keeps no note, while a test says so.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::digest::Digests;
use dynarust_core::{
    FeedPosition, Partition, PartitionSet, RecordName, RequestKey, Seq, Stored, TableName,
    UnixMillis,
};
use dynarust_store::{
    Answered, Arrival, Durability, FeedPage, FeedRead, LocalStore, Proposed, ReadError, Scan,
    ScanPage, Store, StoreConfig, StoreStats, TableCount, TablesPage, TakenIn, WallClock, Write,
    WriteError, Written,
};
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::standstill::Standstill;

/// See the module.
pub(super) struct TestStore {
    inner: LocalStore,
    /// Arrivals wait.
    held: watch::Sender<bool>,
    /// There is no room for arrivals.
    full: AtomicBool,
    nothing_in_memory: AtomicBool,
    /// Notes wait.
    notes_held: watch::Sender<bool>,
    /// Its process is no more.
    killed: AtomicBool,
    /// What the node says of its clock.
    trusts_clock: AtomicBool,
    /// Behind which seqs others asked for its feed.
    feeds_read: Mutex<Vec<Seq>>,
    /// Up to where it was told that tombstones may go.
    forgets_up_to: AtomicU64,
}

impl TestStore {
    pub(super) fn open(
        folder: &Path,
        clock: Arc<dyn WallClock>,
        tombstone_age: Duration,
    ) -> Arc<Self> {
        let config = StoreConfig {
            clock,
            tombstone_age,
            trusts_clock: false,
            apply_interval: Duration::from_millis(50),
            ..StoreConfig::new(folder.to_owned())
        };
        Arc::new(Self {
            inner: LocalStore::open(&config).unwrap(),
            held: watch::Sender::new(false),
            full: AtomicBool::new(false),
            nothing_in_memory: AtomicBool::new(false),
            notes_held: watch::Sender::new(false),
            killed: AtomicBool::new(false),
            trusts_clock: AtomicBool::new(false),
            feeds_read: Mutex::default(),
            forgets_up_to: AtomicU64::new(Seq::MAX),
        })
    }

    /// Whether records that come from others wait from now on.
    pub(super) fn hold_arrivals(&self, hold: bool) {
        self.held.send_replace(hold);
    }

    /// Whether records that come from others are refused from now on, as by a disk that is full.
    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Whether it tells of no record, from now on, that it is in memory.
    pub(super) fn have_nothing_in_memory(&self, nothing: bool) {
        self.nothing_in_memory.store(nothing, Ordering::Relaxed);
    }

    /// Whether what is due by the clock is done.
    pub(super) fn trusts_clock(&self) -> bool {
        self.trusts_clock.load(Ordering::Relaxed)
    }

    /// Whether notes wait from now on.
    pub(super) fn hold_notes(&self, hold: bool) {
        self.notes_held.send_replace(hold);
    }

    /// Behind which seqs others have asked for its feed, in order.
    pub(super) fn feeds_read(&self) -> Vec<Seq> {
        self.feeds_read.lock().clone()
    }

    pub(super) fn forget_feeds_read(&self) {
        self.feeds_read.lock().clear();
    }

    /// Up to where tombstones may go, however old others are.
    pub(super) fn forgets_up_to(&self) -> Seq {
        self.forgets_up_to.load(Ordering::Relaxed)
    }

    /// Nothing reaches it any more.
    pub(super) fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
    }

    fn dead<T: Send + 'static>(&self) -> Option<BoxFuture<'static, Result<T, WriteError>>> {
        let killed = self.killed.load(Ordering::Relaxed);
        killed.then(|| future::ready(Err(WriteError::Stopped("it was killed".into()))).boxed())
    }
}

fn standstill<'a, T: Send + 'a>(work: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    Standstill::during(work).boxed()
}

impl Store for TestStore {
    fn position(&self) -> FeedPosition {
        self.inner.position()
    }

    fn published(&self) -> watch::Receiver<Seq> {
        self.inner.published()
    }

    fn peek(&self, name: &RecordName) -> Option<Arc<Stored>> {
        let in_memory = !self.nothing_in_memory.load(Ordering::Relaxed);
        in_memory.then(|| self.inner.peek(name)).flatten()
    }

    fn get(&self, name: RecordName) -> BoxFuture<'_, Result<Option<Arc<Stored>>, ReadError>> {
        standstill(self.inner.get(name))
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Written, WriteError>> {
        self.dead().unwrap_or_else(|| standstill(self.inner.write(write)))
    }

    fn propose(&self, write: Write) -> BoxFuture<'_, Result<Proposed, WriteError>> {
        self.dead().unwrap_or_else(|| standstill(self.inner.propose(write)))
    }

    fn take_in(
        &self,
        arrivals: Vec<Arrival>,
        durability: Durability,
    ) -> BoxFuture<'_, Result<Vec<TakenIn>, WriteError>> {
        if let Some(dead) = self.dead() {
            return dead;
        }
        if self.full.load(Ordering::Relaxed) {
            return future::ready(Err(WriteError::Full)).boxed();
        }
        if !*self.held.borrow() {
            return standstill(self.inner.take_in(arrivals, durability));
        }
        async move {
            // Its sender is in `self`.
            let _ = self.held.subscribe().wait_for(|held| !held).await;
            standstill(self.inner.take_in(arrivals, durability)).await
        }
        .boxed()
    }

    fn answered(&self, request: RequestKey) -> BoxFuture<'_, Result<Option<Answered>, ReadError>> {
        standstill(self.inner.answered(request))
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<ScanPage, ReadError>> {
        standstill(self.inner.scan(scan))
    }

    fn tables(
        &self,
        after: Option<TableName>,
        tables_max: usize,
        now: UnixMillis,
    ) -> BoxFuture<'_, Result<TablesPage, ReadError>> {
        standstill(self.inner.tables(after, tables_max, now))
    }

    fn table_counts(
        &self,
        after: Option<TableName>,
        tables_max: usize,
    ) -> BoxFuture<'_, Result<Vec<TableCount>, ReadError>> {
        standstill(self.inner.table_counts(after, tables_max))
    }

    fn feed(&self, read: FeedRead) -> BoxFuture<'_, Result<FeedPage, ReadError>> {
        // Only others ask for some partitions alone.
        if read.partitions.is_some() {
            self.feeds_read.lock().push(read.after);
        }
        standstill(self.inner.feed(read))
    }

    fn tail(&self, after: Seq, records_max: usize) -> Option<Vec<Arc<Stored>>> {
        self.inner.tail(after, records_max)
    }

    fn resume(&self, position: FeedPosition) -> Option<Seq> {
        self.inner.resume(position)
    }

    fn follow_from(&self, position: FeedPosition) -> Seq {
        self.inner.follow_from(position)
    }

    fn synced(&self) -> Seq {
        self.inner.synced()
    }

    fn request_at(&self, seq: Seq) -> Option<RequestKey> {
        self.inner.request_at(seq)
    }

    fn keep(&self, note: Bytes) -> BoxFuture<'_, Result<(), WriteError>> {
        async move {
            // Its sender is in `self`.
            let _ = self.notes_held.subscribe().wait_for(|held| !held).await;
            match self.dead() {
                Some(dead) => dead.await,
                None => standstill(self.inner.keep(note)).await,
            }
        }
        .boxed()
    }

    fn kept(&self) -> Option<Bytes> {
        self.inner.kept()
    }

    fn forget_up_to(&self, seq: Seq) {
        self.forgets_up_to.store(seq, Ordering::Relaxed);
        self.inner.forget_up_to(seq);
    }

    fn trust_clock(&self, right: bool) {
        self.trusts_clock.store(right, Ordering::Relaxed);
        self.inner.trust_clock(right);
    }

    fn empty(&self, partitions: PartitionSet) -> BoxFuture<'_, Result<u64, WriteError>> {
        self.dead().unwrap_or_else(|| standstill(self.inner.empty(partitions)))
    }

    fn newest_in(&self, partition: Partition) -> Seq {
        self.inner.newest_in(partition)
    }

    fn digests(&self) -> Option<Digests> {
        self.inner.digests()
    }

    fn take_damaged(&self, names_max: usize) -> Vec<RecordName> {
        self.inner.take_damaged(names_max)
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }

    fn failure(&self) -> Option<Arc<str>> {
        self.inner.failure()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        standstill(self.inner.close())
    }
}
