//! A store in memory whose publication, memory and forgetting the tests decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use dynarust_core::digest::Digests;
use dynarust_core::{
    Epoch, FeedPosition, Key, NodeId, Partition, PartitionSet, Record, RecordName, RequestKey,
    Selection, Selector, Seq, Stored, TableName, UnixMillis, Version,
};
use dynarust_store::{
    Answered, Arrival, Durability, FeedPage, FeedRead, Proposed, ReadError, Scan, ScanPage, Store,
    StoreStats, TableCount, TablesPage, TakenIn, WallClock, Write, WriteError, Written,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::yield_now;

/// `t/<key>`.
pub(in crate::streams) fn name(key: &str) -> RecordName {
    RecordName::parse("t", key).unwrap()
}

/// A record of `t`; a tombstone without a value.
pub(in crate::streams) fn stored(seq: Seq, key: &str, value: Option<&str>) -> Arc<Stored> {
    let hlc = seq;
    let node = NodeId(1);
    Arc::new(Stored {
        name: name(key),
        seq,
        record: Record {
            version: Version { hlc, node },
            previous: None,
            expiry: None,
            tombstone: value.is_none(),
            expired: false,
            value: Bytes::copy_from_slice(value.unwrap_or_default().as_bytes()),
        },
    })
}

/// Of `t`: keys, and prefixes where a `*` stands behind.
pub(in crate::streams) fn selection(parts: &[&str]) -> Selection {
    let table = || TableName::parse("t").unwrap();
    let selector = |part: &&str| match part.strip_suffix('*') {
        Some(prefix) => Selector::Prefix(table(), prefix.to_owned()),
        None => Selector::Key(RecordName::new(&table(), &Key::parse(part).unwrap())),
    };
    Selection::new(parts.iter().map(selector).collect()).unwrap()
}

/// A clock that stands where the test puts it.
#[derive(Default)]
pub(super) struct TestClock(pub(super) AtomicU64);

impl WallClock for TestClock {
    fn now(&self) -> UnixMillis {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Contents {
    /// All that was taken in; the record with seq `n` is at `n - 1`.
    log: Vec<Arc<Stored>>,
    published: Seq,
    /// `position` and the watch are told of it a moment later.
    announced: Seq,
    /// Of what is published.
    newest: BTreeMap<RecordName, Arc<Stored>>,
    /// What was published up to there is no longer in memory.
    tail_from: Seq,
    /// Tombstones up to there are gone.
    forgotten: Seq,
    corrupt: BTreeSet<RecordName>,
    unreadable: bool,
}

/// A store in memory.
pub(in crate::streams) struct TestStore {
    contents: Mutex<Contents>,
    publisher: Mutex<Option<watch::Sender<Seq>>>,
    published: watch::Receiver<Seq>,
    feed_reads: AtomicUsize,
}

impl Contents {
    fn scan(&self, scan: &Scan) -> Result<ScanPage, ReadError> {
        let mut page = ScanPage::default();
        let mut bytes = 0;
        for record in self.newest.values() {
            if !scan.range.contains(&record.name) {
                continue;
            }
            if page.records.len() >= scan.records_max.min(3) || bytes >= scan.bytes_max {
                page.more = true;
                break;
            }
            self.check(&record.name)?;
            bytes += record.record.value.len();
            page.records.push(Arc::clone(record));
        }
        Ok(page)
    }

    fn feed(&self, after: Seq, records_max: usize, bytes_max: usize) -> FeedPage {
        let mut page = FeedPage { through: after.max(self.published), ..FeedPage::default() };
        let mut bytes = 0;
        for record in self.published().filter(|record| record.seq > after) {
            if page.records.len() >= records_max || bytes >= bytes_max {
                page.through = record.seq - 1;
                break;
            }
            let newest = self.newest.get(&record.name);
            if newest.is_some_and(|newest| newest.seq == record.seq) {
                bytes += record.record.value.len();
                page.records.push(Arc::clone(record));
            }
        }
        page
    }

    fn published(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.log.iter().take(usize::try_from(self.published).unwrap())
    }

    fn check(&self, name: &RecordName) -> Result<(), ReadError> {
        if self.corrupt.contains(name) {
            return Err(ReadError::CorruptRecord(name.clone()));
        }
        Ok(())
    }
}

impl TestStore {
    pub(in crate::streams) fn new() -> Arc<Self> {
        let (publisher, published) = watch::channel(0);
        Arc::new(Self {
            contents: Mutex::default(),
            publisher: Mutex::new(Some(publisher)),
            published,
            feed_reads: AtomicUsize::new(0),
        })
    }

    /// Takes a record in without publishing it; no value is a delete.
    pub(super) fn hold(&self, key: &str, value: Option<&str>) -> Seq {
        let mut contents = self.contents.lock();
        let seq = contents.log.len() as Seq + 1;
        contents.log.push(stored(seq, key, value));
        seq
    }

    /// Takes a record in, publishes all that is held, and tells of it.
    pub(in crate::streams) fn put(&self, key: &str, value: Option<&str>) -> Seq {
        let seq = self.hold(key, value);
        self.publish(usize::MAX);
        self.announce();
        seq
    }

    /// A record that expires.
    pub(in crate::streams) fn put_expiring(&self, key: &str, expiry: UnixMillis) {
        let seq = self.hold(key, Some("1"));
        let mut contents = self.contents.lock();
        let mut record = stored(seq, key, Some("1")).as_ref().clone();
        record.record.expiry = Some(expiry);
        *contents.log.last_mut().unwrap() = Arc::new(record);
        drop(contents);
        self.publish(usize::MAX);
        self.announce();
    }

    /// Publishes up to so many of what is held.
    pub(super) fn publish(&self, count: usize) {
        let mut contents = self.contents.lock();
        let published = usize::try_from(contents.published).unwrap();
        let records: Vec<_> = contents.log.iter().skip(published).take(count).cloned().collect();
        for record in records {
            contents.published = record.seq;
            contents.newest.insert(record.name.clone(), record);
        }
        drop(contents);
    }

    /// Tells of what is published.
    pub(super) fn announce(&self) {
        let mut contents = self.contents.lock();
        contents.announced = contents.published;
        let head = contents.announced;
        drop(contents);
        if let Some(publisher) = self.publisher.lock().as_ref() {
            publisher.send_replace(head);
        }
    }

    /// From now on memory does not reach back to anything published so far.
    pub(super) fn drop_tail(&self) {
        let mut contents = self.contents.lock();
        contents.tail_from = contents.published;
    }

    /// Forgets all tombstones published so far.
    pub(super) fn forget_deletes(&self) {
        let mut contents = self.contents.lock();
        contents.forgotten = contents.published;
        contents.newest.retain(|_, record| !record.record.tombstone);
    }

    pub(super) fn corrupt(&self, key: &str) {
        self.contents.lock().corrupt.insert(name(key));
    }

    pub(super) fn set_unreadable(&self, unreadable: bool) {
        self.contents.lock().unreadable = unreadable;
    }

    pub(super) fn stop(&self) {
        self.publisher.lock().take();
    }

    /// How often somebody read the feed.
    pub(super) fn feed_reads(&self) -> usize {
        self.feed_reads.load(Ordering::Relaxed)
    }

    /// What a reader of the selection must end with.
    pub(super) fn live(&self, selection: &Selection) -> BTreeMap<RecordName, Bytes> {
        let contents = self.contents.lock();
        let newest = contents.newest.values();
        newest
            .filter(|record| selection.matches(&record.name) && record.record.is_live(0))
            .map(|record| (record.name.clone(), record.record.value.clone()))
            .collect()
    }

    /// Others run before and behind each read.
    async fn between_others<T>(&self, read: impl FnOnce(&Contents) -> T) -> T {
        yield_now().await;
        let answer = read(&self.contents.lock());
        yield_now().await;
        answer
    }
}

impl Store for TestStore {
    fn position(&self) -> FeedPosition {
        FeedPosition { node: NodeId(1), epoch: Epoch(2), seq: self.contents.lock().announced }
    }

    fn published(&self) -> watch::Receiver<Seq> {
        self.published.clone()
    }

    fn peek(&self, _: &RecordName) -> Option<Arc<Stored>> {
        None
    }

    fn get(&self, name: RecordName) -> BoxFuture<'_, Result<Option<Arc<Stored>>, ReadError>> {
        self.between_others(move |contents| {
            contents.check(&name)?;
            Ok(contents.newest.get(&name).cloned())
        })
        .boxed()
    }

    fn write(&self, _: Write) -> BoxFuture<'_, Result<Written, WriteError>> {
        unreachable!("streams do not write")
    }

    fn propose(&self, _: Write) -> BoxFuture<'_, Result<Proposed, WriteError>> {
        unreachable!("streams do not write")
    }

    fn take_in(
        &self,
        _: Vec<Arrival>,
        _: Durability,
    ) -> BoxFuture<'_, Result<Vec<TakenIn>, WriteError>> {
        unreachable!("streams do not write")
    }

    fn answered(&self, _: RequestKey) -> BoxFuture<'_, Result<Option<Answered>, ReadError>> {
        unreachable!("streams do not write")
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<ScanPage, ReadError>> {
        self.between_others(move |contents| contents.scan(&scan)).boxed()
    }

    fn tables(
        &self,
        _: Option<TableName>,
        _: usize,
        _: UnixMillis,
    ) -> BoxFuture<'_, Result<TablesPage, ReadError>> {
        unreachable!("streams do not list tables")
    }

    fn table_counts(
        &self,
        _: Option<TableName>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<TableCount>, ReadError>> {
        unreachable!("streams do not count tables")
    }

    fn feed(&self, read: FeedRead) -> BoxFuture<'_, Result<FeedPage, ReadError>> {
        self.feed_reads.fetch_add(1, Ordering::Relaxed);
        self.between_others(move |contents| {
            if contents.unreadable {
                return Err(ReadError::Base("out of order".into()));
            }
            Ok(contents.feed(read.after, read.records_max, read.bytes_max))
        })
        .boxed()
    }

    fn tail(&self, after: Seq, records_max: usize) -> Option<Vec<Arc<Stored>>> {
        let contents = self.contents.lock();
        if after < contents.tail_from {
            return None;
        }
        let records = contents.published().skip(usize::try_from(after).unwrap());
        Some(records.take(records_max).cloned().collect())
    }

    fn resume(&self, position: FeedPosition) -> Option<Seq> {
        let here = self.position();
        let known = (position.node, position.epoch) == (here.node, here.epoch);
        let contents = self.contents.lock();
        let range = contents.forgotten..=contents.published;
        (known && range.contains(&position.seq)).then_some(position.seq)
    }

    fn follow_from(&self, _: FeedPosition) -> Seq {
        unreachable!("streams are no followers")
    }

    fn synced(&self) -> Seq {
        self.position().seq
    }

    fn request_at(&self, _: Seq) -> Option<RequestKey> {
        None
    }

    fn keep(&self, _: Bytes) -> BoxFuture<'_, Result<(), WriteError>> {
        unreachable!("streams keep nothing")
    }

    fn kept(&self) -> Option<Bytes> {
        None
    }

    fn forget_up_to(&self, _: Seq) {
        unreachable!("streams are no followers")
    }

    fn trust_clock(&self, _: bool) {
        unreachable!("streams compare no clocks")
    }

    fn empty(&self, _: PartitionSet) -> BoxFuture<'_, Result<u64, WriteError>> {
        unreachable!("streams drop nothing")
    }

    fn newest_in(&self, partition: Partition) -> Seq {
        let contents = self.contents.lock();
        let seqs = contents.published().filter(|it| Partition::of(&it.name) == partition);
        seqs.map(|stored| stored.seq).max().unwrap_or(0)
    }

    fn digests(&self) -> Option<Digests> {
        unreachable!("streams compare no copies")
    }

    fn take_damaged(&self, _: usize) -> Vec<RecordName> {
        unreachable!("streams mend nothing")
    }

    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }

    fn failure(&self) -> Option<Arc<str>> {
        None
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        unreachable!("streams do not close the store")
    }
}
