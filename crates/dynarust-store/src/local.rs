//! The store of a node: the port, and the threads behind it (or the hands: [`crate::by_hand`]).
//!
//! ```text
//! write ─▶ submissions ─▶ writer thread ─▶ journal
//!                              │ publish
//!                              ▼
//! read ◀─ cache ◀─ recent ◀────┘
//!             ▲       │ applier thread
//!             └─ base ◀
//! ```

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use bytes::Bytes;
use dynarust_core::digest::Digests;
use dynarust_core::{
    Epoch, FeedPosition, HybridClock, NodeId, Partition, PartitionSet, RecordName, RequestKey, Seq,
    Stored, TableName, UnixMillis,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::applier::{Applier, PART_RECORDS_FIRST, upkeep_interval};
use crate::base::{DeadEntriesPosition, ReadBase, ScrubPosition};
use crate::clock::WallClock;
use crate::config::StoreConfig;
use crate::driver::{Bell, Driver};
use crate::expirer::Expirer;
use crate::folder::Folder;
use crate::journal::CompleteSegments;
use crate::journal::disk::{Disk, RealDisk};
use crate::note::NoteFile;
use crate::open::{Opened, open};
use crate::open_error::OpenError;
use crate::overlay;
use crate::port::{
    Answered, Arrival, Durability, FeedPage, FeedRead, Proposed, ReadError, Scan, ScanPage, Store,
    TableCount, TablesPage, TakenIn, Write, WriteError, Written,
};
use crate::readers::Readers;
use crate::shared::{Shared, base_error};
use crate::stats::StoreStats;
use crate::submission::{self, Refused, Submission, Waiter};
use crate::tables;
use crate::writer::Writer;

/// A node's store in a folder of this machine.
pub struct LocalStore {
    pub(crate) shared: Arc<Shared>,
    readers: Readers,
    node: NodeId,
    epoch: Epoch,
    incarnation: u64,
    /// Earlier starts, each with its last seq.
    known_epochs: HashMap<Epoch, Seq>,
    /// The writer thread, which ends the applier in turn. Joined by whoever closes.
    threads: Mutex<Option<JoinHandle<()>>>,
    pub(crate) folder: Arc<Folder>,
    note: Arc<NoteFile>,
    wall_clock: Arc<dyn WallClock>,
    /// The journal's segments that wait for the base.
    complete: CompleteSegments,
    driver: Driver,
}

impl LocalStore {
    /// Opens the folder of a node, or makes one, and starts the store's threads.
    ///
    /// # Errors
    /// [`OpenError`]; the folder is as it was.
    pub fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        Self::open_on(config, Arc::new(RealDisk))
    }

    pub(crate) fn open_on(config: &StoreConfig, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let (store, threads) = Self::assemble(config, disk, Driver::Threads)?;
        let threads = start(threads, Arc::clone(&store.folder))
            .map_err(|error| OpenError::io(store.folder.path(), error))?;
        *store.threads.lock() = Some(threads);
        Ok(store)
    }

    /// Opens the folder; what runs behind the store is yet to be started.
    pub(crate) fn assemble(
        config: &StoreConfig,
        disk: Arc<dyn Disk>,
        driver: Driver,
    ) -> Result<(Self, Threads), OpenError> {
        let opened = open(config, Arc::clone(&disk), driver)?;
        let base_path = opened.folder.base();
        let refused = |error| OpenError::base(&base_path, error);
        let readers = Readers::open(&base_path, driver).map_err(refused)?;
        let writers_base = ReadBase::open(&base_path).map_err(refused)?;
        let expirers_base = ReadBase::open(&base_path).map_err(refused)?;
        let forgotten = opened.base.meta().forgotten_seq;
        let digests = opened.base.meta().digests.clone();
        let inherited = opened.recent.live_versions();
        let Opened { folder, node, epoch, incarnation, known_epochs, base, note, .. } = opened;
        let last_seq = opened.recent.head();
        let (shared, published) = Shared::new(
            opened.recent,
            opened.answers,
            opened.journaled,
            config.cache_bytes,
            forgotten,
            digests,
            Bell::of(driver),
        );
        shared.trust_clock(config.trusts_clock);
        let shared = Arc::new(shared);
        let complete = Arc::clone(&opened.complete);
        let applier = Applier {
            shared: Arc::clone(&shared),
            checkpointed: 0,
            inherited,
            base,
            complete: opened.complete,
            disk,
            wall_clock: Arc::clone(&config.clock),
            interval: config.apply_interval,
            upkeep_interval: upkeep_interval(config.tombstone_age),
            upkeep_at: Instant::now() + upkeep_interval(config.tombstone_age),
            driver,
            truncated: false,
            scrubbed: ScrubPosition::default(),
            emptying: None,
            part_records: PART_RECORDS_FIRST,
            head_at_rest: 0,
            dead_entries: DeadEntriesPosition::default(),
        };
        let writer = Writer {
            shared: Arc::clone(&shared),
            published,
            journal: opened.journal,
            base: writers_base,
            wall_clock: Arc::clone(&config.clock),
            clock: HybridClock::starting_above(opened.clock_ceiling),
            node,
            last_seq,
            relaxed_flush: config.relaxed_flush,
            ceiling_synced: opened.clock_ceiling,
            flush_at: None,
        };
        let expirer = Expirer::new(Arc::clone(&shared), expirers_base, Arc::clone(&config.clock));
        let known_epochs = known_epochs.into_iter().collect();
        let (threads, folder) = (Mutex::new(None), Arc::new(folder));
        let note = Arc::new(NoteFile::new(Arc::clone(&folder), node, note));
        let store = Self {
            shared,
            readers,
            node,
            epoch,
            incarnation,
            known_epochs,
            threads,
            folder,
            note,
            wall_clock: Arc::clone(&config.clock),
            complete,
            driver,
        };
        applier.count_base().map_err(refused)?;
        Ok((store, Threads { writer, applier, expirer }))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// How many times this folder has been started, this time included.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    async fn read_record(&self, name: RecordName) -> Result<Option<Arc<Stored>>, ReadError> {
        if let Some(stored) = self.peek(&name) {
            return Ok(Some(stored));
        }
        let shared = Arc::clone(&self.shared);
        self.readers.with_if_free_soon(move |base| shared.find(base, &name)).await
    }

    /// Queues it before it returns, so that writes are taken in the order of the calls.
    fn submit<T>(
        &self,
        submission: impl FnOnce(Waiter<T>) -> Submission,
    ) -> impl Future<Output = Result<T, WriteError>> {
        let (waiter, answered) = oneshot::channel();
        let submitted = self.shared.submissions.submit([submission(waiter)]);
        async move {
            submitted.map_err(|refused| self.refused(refused))?;
            self.answer(answered).await
        }
    }

    /// As [`LocalStore::submit`].
    fn submit_arrivals(
        &self,
        arrivals: Vec<Arrival>,
        durability: Durability,
    ) -> impl Future<Output = Result<Vec<TakenIn>, WriteError>> + use<'_> {
        let parts = submission::parts(arrivals).into_iter().map(|part| {
            let (waiter, answered) = oneshot::channel();
            (Submission::Arrivals(part, durability, waiter), answered)
        });
        let (parts, answered): (Vec<_>, Vec<_>) = parts.unzip();
        let submitted = self.shared.submissions.submit(parts);
        async move {
            submitted.map_err(|refused| self.refused(refused))?;
            let mut taken_in = Vec::new();
            for answered in answered {
                taken_in.extend(self.answer(answered).await?);
            }
            Ok(taken_in)
        }
    }

    async fn answer<T>(
        &self,
        answered: oneshot::Receiver<Result<T, WriteError>>,
    ) -> Result<T, WriteError> {
        answered.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    fn refused(&self, refused: Refused) -> WriteError {
        match refused {
            Refused::Full => WriteError::Overloaded,
            Refused::Closed => self.stopped(),
        }
    }

    fn stopped(&self) -> WriteError {
        WriteError::Stopped(self.failure().unwrap_or_else(|| "it was closed".into()))
    }
}

/// What runs behind a store, each on a thread of its own.
pub(crate) struct Threads {
    pub(crate) writer: Writer,
    pub(crate) applier: Applier,
    pub(crate) expirer: Expirer,
}

/// Starts the threads; the handle is the writer's, which waits for the others. The folder stays locked
/// until all have ended. A panic in any of them stops the store.
fn start(threads: Threads, folder: Arc<Folder>) -> std::io::Result<JoinHandle<()>> {
    let Threads { writer, applier, expirer } = threads;
    let shared = Arc::clone(&writer.shared);
    let applying = spawn(&shared, "applier", || applier.run())?;
    let expiring = spawn(&shared, "expirer", || expirer.run())?;
    let theirs = Arc::clone(&shared);
    let write = move || {
        match catch_unwind(AssertUnwindSafe(|| writer.run())) {
            Ok(clock) => theirs.pressure.lock().closing = Some(clock),
            Err(_) => theirs.fail("the writer panicked: this is a bug"),
        }
        theirs.pressure_changed.notify_all();
        // They catch their panics.
        let _ = expiring.join();
        let _ = applying.join();
        drop(folder);
    };
    spawn(&shared, "writer", write)
}

fn spawn(
    shared: &Arc<Shared>,
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let theirs = Arc::clone(shared);
    let spawned = thread::Builder::new().name(format!("store-{name}")).spawn(move || {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            theirs.fail(&format!("the {name} panicked: this is a bug"));
        }
    });
    spawned.inspect_err(|error| shared.fail(&format!("starting a thread: {error}")))
}

impl Store for LocalStore {
    fn position(&self) -> FeedPosition {
        let seq = *self.shared.published.borrow();
        FeedPosition { node: self.node, epoch: self.epoch, seq }
    }

    fn published(&self) -> watch::Receiver<Seq> {
        self.shared.published.clone()
    }

    fn peek(&self, name: &RecordName) -> Option<Arc<Stored>> {
        self.shared.cache.get(name)
    }

    fn get(&self, name: RecordName) -> BoxFuture<'_, Result<Option<Arc<Stored>>, ReadError>> {
        self.read_record(name).boxed()
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Written, WriteError>> {
        self.submit(|waiter| Submission::Write(write, waiter)).boxed()
    }

    fn propose(&self, write: Write) -> BoxFuture<'_, Result<Proposed, WriteError>> {
        self.submit(|waiter| Submission::Proposal(write, waiter)).boxed()
    }

    fn take_in(
        &self,
        arrivals: Vec<Arrival>,
        durability: Durability,
    ) -> BoxFuture<'_, Result<Vec<TakenIn>, WriteError>> {
        self.submit_arrivals(arrivals, durability).boxed()
    }

    fn answered(&self, request: RequestKey) -> BoxFuture<'_, Result<Option<Answered>, ReadError>> {
        let shared = Arc::clone(&self.shared);
        let now = self.wall_clock.now();
        let answered = move |base: &ReadBase| {
            let kept = shared.answer(base, &request.key)?;
            Ok(kept.and_then(|kept| kept.answered(&request, now)))
        };
        self.readers.with(answered).boxed()
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<ScanPage, ReadError>> {
        let shared = Arc::clone(&self.shared);
        self.readers.with(move |base| overlay::scan(&shared, base, &scan)).boxed()
    }

    fn tables(
        &self,
        after: Option<TableName>,
        tables_max: usize,
        now: UnixMillis,
    ) -> BoxFuture<'_, Result<TablesPage, ReadError>> {
        let shared = Arc::clone(&self.shared);
        self.readers
            .with(move |base| tables::tables(&shared, base, after.as_ref(), tables_max, now))
            .boxed()
    }

    fn table_counts(
        &self,
        after: Option<TableName>,
        tables_max: usize,
    ) -> BoxFuture<'_, Result<Vec<TableCount>, ReadError>> {
        self.readers
            .with(move |base| {
                base.tables(after.as_ref(), tables_max).map_err(|error| base_error(&error))
            })
            .boxed()
    }

    fn feed(&self, read: FeedRead) -> BoxFuture<'_, Result<FeedPage, ReadError>> {
        let shared = Arc::clone(&self.shared);
        self.readers.with(move |base| overlay::feed(&shared, base, &read)).boxed()
    }

    fn tail(&self, after: Seq, records_max: usize) -> Option<Vec<Arc<Stored>>> {
        self.shared.recent.read().tail(after, records_max)
    }

    fn resume(&self, position: FeedPosition) -> Option<Seq> {
        let last = if position.epoch == self.epoch {
            self.position().seq
        } else {
            *self.known_epochs.get(&position.epoch)?
        };
        let known = position.node == self.node
            && position.seq <= last
            && position.seq >= self.shared.forgotten();
        known.then_some(position.seq)
    }

    fn follow_from(&self, position: FeedPosition) -> Seq {
        let end = match self.known_epochs.get(&position.epoch) {
            _ if position.node != self.node => 0,
            _ if position.epoch == self.epoch => self.position().seq,
            Some(last) => *last,
            None => 0,
        };
        position.seq.min(end)
    }

    fn synced(&self) -> Seq {
        self.shared.synced()
    }

    fn request_at(&self, seq: Seq) -> Option<RequestKey> {
        self.shared.answers.lock().request_at(seq)
    }

    fn keep(&self, note: Bytes) -> BoxFuture<'_, Result<(), WriteError>> {
        let number = self.note.number();
        // Behind all that is published now.
        let synced = self.submit_arrivals(Vec::new(), Durability::Sync);
        async move {
            synced.await?;
            if self.driver == Driver::Hands {
                return self.note.save(number, note);
            }
            let file = Arc::clone(&self.note);
            let saved = tokio::task::spawn_blocking(move || file.save(number, note)).await;
            saved.unwrap_or_else(|_| Err(self.stopped()))
        }
        .boxed()
    }

    fn newest_in(&self, partition: Partition) -> Seq {
        self.shared.newest_in(partition)
    }

    fn kept(&self) -> Option<Bytes> {
        self.note.note()
    }

    fn forget_up_to(&self, seq: Seq) {
        self.shared.forget_up_to(seq);
    }

    fn empty(&self, partitions: PartitionSet) -> BoxFuture<'_, Result<u64, WriteError>> {
        let emptied = self.shared.empty(partitions);
        async move { emptied.await.map_err(|_| self.stopped()) }.boxed()
    }

    fn trust_clock(&self, right: bool) {
        self.shared.trust_clock(right);
    }

    fn digests(&self) -> Option<Digests> {
        self.shared.digests()
    }

    fn take_damaged(&self, names_max: usize) -> Vec<RecordName> {
        self.shared.damaged.take(names_max)
    }

    fn stats(&self) -> StoreStats {
        let mut stats = self.shared.tally.stats();
        stats.incarnation = self.incarnation;
        let recent = self.shared.recent.read();
        stats.head_seq = recent.head();
        stats.applied_seq = recent.applied();
        drop(recent);
        stats.recent_bytes = self.shared.unapplied_bytes() as u64;
        stats.answers = self.shared.answers.lock().len() as u64;
        stats.segments_waiting = self.complete.lock().len() as u64;
        self.shared.cache.tell(&mut stats);
        stats
    }

    fn failure(&self) -> Option<Arc<str>> {
        self.shared.failure()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shared.submissions.close();
        let threads = self.threads.lock().take();
        let readers = self.readers.clone();
        let by_hand = (self.driver == Driver::Hands).then(|| self.published());
        async move {
            if let Some(mut published) = by_hand {
                // Until the hands have let go.
                while published.changed().await.is_ok() {}
            }
            if let Some(threads) = threads {
                let joined = tokio::task::spawn_blocking(move || threads.join()).await;
                if !matches!(joined, Ok(Ok(()))) {
                    tracing::error!("a thread of the store panicked");
                }
            }
            readers.close();
        }
        .boxed()
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.shared.submissions.close();
        if let Some(threads) = self.threads.lock().take() {
            // A panic there has been printed.
            let _ = threads.join();
        }
    }
}
