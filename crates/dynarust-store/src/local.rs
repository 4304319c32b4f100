//! The store of a node: the port, and the threads behind it.
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
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use dynarust_core::{Epoch, FeedPosition, HybridClock, NodeId, RecordName, Seq, Stored};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::applier::Applier;
use crate::base::{Bounds, ReadBase};
use crate::config::StoreConfig;
use crate::folder::Folder;
use crate::journal::disk::{Disk, RealDisk};
use crate::open::{OpenError, Opened, base_error, io, open};
use crate::overlay;
use crate::port::{FeedPage, ReadError, Scan, ScanPage, Store, Write, WriteError, Written};
use crate::readers::Readers;
use crate::shared::Shared;
use crate::submission::{Refused, Submission};
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
    folder: Folder,
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
        let (store, writer, applier) = Self::assemble(config, disk)?;
        let threads = start(writer, applier).map_err(|error| io(&store.folder, error))?;
        *store.threads.lock() = Some(threads);
        Ok(store)
    }

    /// Opens the folder; the threads are yet to be started.
    pub(crate) fn assemble(
        config: &StoreConfig,
        disk: Arc<dyn Disk>,
    ) -> Result<(Self, Writer, Applier), OpenError> {
        let opened = open(config, Arc::clone(&disk))?;
        let base_path = opened.folder.base();
        let refused = |error| base_error(&base_path, error);
        let readers = Readers::open(&base_path).map_err(refused)?;
        let writers_base = ReadBase::open(&base_path).map_err(refused)?;
        let forgotten = opened.base.meta().forgotten_seq;
        let Opened { folder, node, epoch, incarnation, known_epochs, base, .. } = opened;
        let last_seq = opened.recent.head();
        let (shared, published) = Shared::new(opened.recent, config.cache_bytes, forgotten);
        let shared = Arc::new(shared);
        let applier = Applier {
            shared: Arc::clone(&shared),
            checkpointed: base.meta().applied_seq,
            base,
            complete: opened.complete,
            disk,
            wall_clock: Arc::clone(&config.clock),
            interval: config.apply_interval,
            truncated: true,
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
        };
        let known_epochs = known_epochs.into_iter().collect();
        let threads = Mutex::new(None);
        let store =
            Self { shared, readers, node, epoch, incarnation, known_epochs, threads, folder };
        Ok((store, writer, applier))
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
        self.readers.with(move |base| shared.find(base, &name)).await
    }

    async fn submit(&self, write: Write) -> Result<Written, WriteError> {
        let (answer, answered) = oneshot::channel();
        match self.shared.submissions.submit(Submission { write, answer }) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(self.stopped())),
            Err(Refused::Full) => Err(WriteError::Overloaded),
            Err(Refused::Closed) => Err(self.stopped()),
        }
    }

    fn stopped(&self) -> WriteError {
        WriteError::Stopped(self.failure().unwrap_or_else(|| "it was closed".into()))
    }
}

/// Starts the two threads; the handle is the writer's, which waits for the applier's.
fn start(writer: Writer, applier: Applier) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(&writer.shared);
    let applying =
        thread::Builder::new().name("store-applier".to_owned()).spawn(move || applier.run())?;
    thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        let clock = writer.run();
        shared.pressure.lock().closing = Some(clock);
        shared.pressure_changed.notify_all();
        if applying.join().is_err() {
            shared.fail("the applier panicked");
        }
    })
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
        self.submit(write).boxed()
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<ScanPage, ReadError>> {
        let shared = Arc::clone(&self.shared);
        self.readers.with(move |base| overlay::scan(&shared.recent, base, &scan)).boxed()
    }

    fn feed(
        &self,
        after: Seq,
        records_max: usize,
        bytes_max: usize,
    ) -> BoxFuture<'_, Result<FeedPage, ReadError>> {
        let shared = Arc::clone(&self.shared);
        let bounds = Bounds { records: records_max.max(1), bytes: bytes_max };
        self.readers.with(move |base| overlay::feed(&shared.recent, base, after, bounds)).boxed()
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

    fn failure(&self) -> Option<Arc<str>> {
        self.shared.failure()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shared.submissions.close();
        let threads = self.threads.lock().take();
        let readers = self.readers.clone();
        async move {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{Change, Durability};
    use bytes::Bytes;
    use dynarust_core::{Condition, KeyRange, TableName};
    use std::time::Duration;

    fn config(folder: &std::path::Path) -> StoreConfig {
        StoreConfig {
            apply_interval: Duration::from_millis(20),
            ..StoreConfig::new(folder.join("node"))
        }
    }

    fn name(key: &str) -> RecordName {
        RecordName::parse("t", key).unwrap()
    }

    fn put(key: &str, value: &str, durability: Durability) -> Write {
        Write {
            name: name(key),
            change: Change::Put { value: Bytes::copy_from_slice(value.as_bytes()), expiry: None },
            condition: Condition::default(),
            durability,
        }
    }

    async fn value(store: &LocalStore, key: &str) -> Option<Bytes> {
        store.get(name(key)).await.unwrap().map(|stored| stored.record.value.clone())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_write_is_read_back_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        for durability in [Durability::Sync, Durability::Relaxed] {
            let store = LocalStore::open(&config(folder.path())).unwrap();
            store.write(put("a", "1", durability)).await.unwrap();
            assert_eq!(value(&store, "a").await.unwrap(), "1");
            assert_eq!(value(&store, "b").await, None);
            store.close().await;
            drop(store);
            let store = LocalStore::open(&config(folder.path())).unwrap();
            assert_eq!(value(&store, "a").await.unwrap(), "1");
        }
        let report = crate::verify::verify(&folder.path().join("node")).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!((report.records, report.journal_frames), (1, 0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn scans_and_the_feed_see_base_and_recent_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&config(folder.path())).unwrap();
        for round in 0..3 {
            for key in 0..50 {
                let write = put(&format!("{key:02}"), &round.to_string(), Durability::Relaxed);
                store.write(write).await.unwrap();
            }
            let range = KeyRange::table(TableName::parse("t").unwrap());
            let mut seen = Vec::new();
            let mut rest = range.clone();
            loop {
                let scan = Scan { range: rest, reverse: false, records_max: 7, bytes_max: 1 << 20 };
                let page = store.scan(scan).await.unwrap();
                seen.extend(page.records);
                if !page.more {
                    break;
                }
                rest = range.clone().starting_after(seen.last().unwrap().name.key());
            }
            assert_eq!(seen.len(), 50);
            assert!(seen.is_sorted_by_key(|stored| stored.name.clone()));
            assert!(seen.iter().all(|stored| stored.record.value == round.to_string()));

            let (mut after, mut feed) = (0, Vec::new());
            while after < store.position().seq {
                let page = store.feed(after, 7, 1 << 20).await.unwrap();
                after = page.through;
                feed.extend(page.records);
            }
            assert!(feed.is_sorted_by_key(|stored| stored.seq));
            let newest: Vec<_> =
                feed.iter().filter(|s| s.record.value == round.to_string()).collect();
            assert_eq!(newest.len(), 50);
            while store.shared.recent.read().bytes() > 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_position_is_resumed_in_its_own_epoch_and_not_beyond_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&config(folder.path())).unwrap();
        store.write(put("a", "1", Durability::Sync)).await.unwrap();
        let first = store.position();
        drop(store);
        let store = LocalStore::open(&config(folder.path())).unwrap();
        assert_eq!(store.incarnation(), 2);
        assert_eq!(store.resume(first), Some(1));
        assert_eq!(store.resume(FeedPosition { seq: 2, ..first }), None);
        assert_eq!(store.resume(FeedPosition { epoch: Epoch(1), ..first }), None);
        assert_eq!(store.resume(FeedPosition { node: NodeId(1), ..first }), None);
        assert_eq!(store.resume(FeedPosition { seq: 2, ..store.position() }), None);
    }

    #[test]
    fn a_folder_has_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let _store = LocalStore::open(&config(folder.path())).unwrap();
        let second = LocalStore::open(&config(folder.path())).err().unwrap();
        assert!(matches!(second, OpenError::Locked { .. }), "{second}");
    }

    #[test]
    fn a_lost_base_is_never_taken_for_a_new_folder() {
        let lost: [Option<Vec<u8>>; 3] = [None, Some(vec![]), Some(vec![7; 100_000])];
        for contents in lost {
            let folder = tempfile::tempdir().unwrap();
            drop(LocalStore::open(&config(folder.path())).unwrap());
            let base = folder.path().join("node/base.sqlite");
            match contents {
                None => std::fs::remove_file(base).unwrap(),
                Some(contents) => std::fs::write(base, contents).unwrap(),
            }
            let refused = LocalStore::open(&config(folder.path())).err().unwrap();
            assert!(matches!(refused, OpenError::Base { .. }), "{refused}");
        }
    }

    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(LocalStore::open(&config(folder.path())).unwrap());
        std::fs::write(folder.path().join("node/FORMAT"), "dynarust-store 2\nfuture\n").unwrap();
        let refused = LocalStore::open(&config(folder.path())).err().unwrap();
        assert!(matches!(refused, OpenError::NewerFormat { found: 2, .. }), "{refused}");
    }
}
