//! A store for tests: a map, with faults on request. Nothing is kept.
//!
//! The tests of `dynarust-http` take in this file too; neither uses all of it.

#![allow(dead_code, reason = "each of the crates whose tests use it uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::acceptance::{Acceptance, accept};
use dynarust_core::digest::Digests;
use dynarust_core::merge::{Merge, merge};
use dynarust_core::{
    Condition, Epoch, FeedPosition, HybridClock, NodeId, Partition, PartitionSet, Record,
    RecordName, RequestKey, Seq, Stored, TableName, UnixMillis, Version,
};
use dynarust_store::{
    Answered, Arrival, Change, Durability, FeedPage, FeedRead, Over, Proposed, ReadError, Scan,
    ScanPage, Store, StoreStats, SystemClock, TableCount, TablesPage, TakenIn, WallClock, Write,
    WriteError, Written,
};
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use parking_lot::Mutex;
use tokio::sync::watch;

/// A store whose records are gone when it is dropped.
pub(crate) struct StoreInMemory {
    state: Mutex<State>,
    published: Mutex<Option<watch::Sender<Seq>>>,
    receiver: watch::Receiver<Seq>,
    held: watch::Sender<Held>,
}

struct State {
    records: BTreeMap<RecordName, Arc<Stored>>,
    clock: HybridClock,
    seq: Seq,
    refusal: Option<WriteError>,
    corrupt: BTreeSet<RecordName>,
    answers: BTreeMap<Arc<str>, (u128, Version)>,
    failure: Option<Arc<str>>,
    in_memory: bool,
    note: Option<Bytes>,
}

/// Whether writes wait, and how many do.
#[derive(Clone, Copy, Default)]
struct Held {
    hold: bool,
    waiting: usize,
}

const NODE: NodeId = NodeId(0x0123_4567_89ab_cdef);

impl StoreInMemory {
    pub(crate) fn new() -> Arc<Self> {
        let (published, receiver) = watch::channel(0);
        Arc::new(Self {
            state: Mutex::new(State {
                records: BTreeMap::new(),
                clock: HybridClock::starting_above(0),
                seq: 0,
                refusal: None,
                corrupt: BTreeSet::new(),
                answers: BTreeMap::new(),
                failure: None,
                in_memory: true,
                note: None,
            }),
            published: Mutex::new(Some(published)),
            receiver,
            held: watch::channel(Held::default()).0,
        })
    }

    /// From now on each write is refused so.
    pub(crate) fn refuse_writes(&self, refusal: Option<WriteError>) {
        self.state.lock().refusal = refusal;
    }

    /// From now on this record cannot be read.
    pub(crate) fn corrupt(&self, name: RecordName) {
        self.state.lock().corrupt.insert(name);
    }

    /// Whether [`Store::peek`] finds what is there.
    pub(crate) fn keep_in_memory(&self, yes: bool) {
        self.state.lock().in_memory = yes;
    }

    /// Writes wait until this is called again with `false`.
    pub(crate) fn hold_writes(&self, hold: bool) {
        self.held.send_modify(|held| held.hold = hold);
    }

    /// Waits until so many writes wait.
    pub(crate) async fn until_waiting(&self, count: usize) {
        let mut held = self.held.subscribe();
        let _ = held.wait_for(|held| held.waiting == count).await;
    }

    /// The store stops by itself.
    pub(crate) fn fail(&self, why: &str) {
        self.state.lock().failure = Some(why.into());
        self.published.lock().take();
    }

    /// A record as it might come from elsewhere.
    pub(crate) fn insert(&self, name: RecordName, value: &str, expiry: Option<UnixMillis>) {
        let value = Bytes::copy_from_slice(value.as_bytes());
        let write = Write {
            name: name.clone(),
            change: Change::Put { value, expiry },
            condition: Condition::default(),
            durability: Durability::Relaxed,
            request: None,
            above: None,
        };
        let mut state = self.state.lock();
        let record = state.stamped(&write);
        state.put(name, record);
        drop(state);
        self.publish();
    }

    /// When the record expires.
    pub(crate) fn expiry(&self, name: &RecordName) -> Option<UnixMillis> {
        self.state.lock().records.get(name)?.record.expiry
    }

    fn publish(&self) {
        let seq = self.state.lock().seq;
        if let Some(published) = &*self.published.lock() {
            published.send_replace(seq);
        }
    }

    fn take(&self, write: Write) -> Result<Written, WriteError> {
        let written = self.decide(write);
        self.publish();
        written
    }

    fn decide(&self, write: Write) -> Result<Written, WriteError> {
        let mut state = self.state.lock();
        if let Some(decided) = Self::judge(&state, &write)? {
            return Ok(decided);
        }
        let record = state.stamped(&write);
        let version = record.version;
        state.put(write.name, record);
        if let Some(request) = write.request {
            state.answers.insert(request.key, (request.fingerprint, version));
        }
        Ok(Written::Done { version, seq: state.seq })
    }

    /// What becomes of the write where it may not go on.
    fn judge(state: &State, write: &Write) -> Result<Option<Written>, WriteError> {
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        match write.request.as_ref().and_then(|request| state.answered(request)) {
            Some(Answered::Done(version)) => return Ok(Some(Written::Repeated(version))),
            Some(Answered::KeyReused) => return Ok(Some(Written::KeyReused)),
            None => {}
        }
        let now = SystemClock.now();
        let present = state.records.get(&write.name);
        let live = present.filter(|stored| stored.record.is_live(now));
        let current = live.map(|stored| stored.record.version);
        if !write.condition.holds(current) {
            return Ok(Some(Written::Refused(current)));
        }
        let nothing_to_delete = write.change == Change::Delete && current.is_none();
        Ok(nothing_to_delete.then_some(Written::Absent))
    }
}

impl State {
    fn answered(&self, request: &RequestKey) -> Option<Answered> {
        self.answers.get(&request.key).map(|(fingerprint, version)| {
            if *fingerprint == request.fingerprint {
                Answered::Done(*version)
            } else {
                Answered::KeyReused
            }
        })
    }

    fn version(&self, name: &RecordName) -> Option<Version> {
        self.records.get(name).map(|stored| stored.record.version)
    }

    /// The record that the write makes.
    fn stamped(&mut self, write: &Write) -> Record {
        let previous = self.version(&write.name);
        let hlc = self.clock.stamp(SystemClock.now(), previous.max(write.above));
        let version = Version { hlc, node: NODE };
        let (value, expiry, tombstone) = match &write.change {
            Change::Put { value, expiry } => (value.clone(), *expiry, false),
            Change::Delete => (Bytes::new(), None, true),
        };
        Record { version, previous, expiry, tombstone, expired: false, value }
    }

    fn put(&mut self, name: RecordName, record: Record) {
        self.seq += 1;
        self.corrupt.remove(&name);
        let stored = Stored { name: name.clone(), seq: self.seq, record };
        self.records.insert(name, Arc::new(stored));
    }

    fn take_in(&mut self, arrival: Arrival) -> TakenIn {
        let Arrival { name, record, request, fresh, over } = arrival;
        if fresh {
            self.clock.observe(record.version.hlc, SystemClock.now());
        }
        let present = self.records.get(&name).filter(|_| !self.corrupt.contains(&name));
        let present = present.map(|stored| stored.record.stamp());
        let applies = match over {
            Over::Older => merge(present, record.stamp()) == Merge::Apply,
            Over::Judged(over) => {
                let present = present.map(|it| it.version);
                accept(present, over, record.version) == Acceptance::Apply
            }
        };
        if let Some(present) = present.filter(|_| !applies) {
            return TakenIn::Kept(present);
        }
        if let Some(request) = request {
            self.answers.insert(request.key, (request.fingerprint, record.version));
        }
        let replaced = present.map(|it| it.version).filter(|it| *it < record.version);
        let unseen = replaced.filter(|it| Some(*it) != record.previous);
        self.put(name, record);
        TakenIn::Applied { unseen }
    }

    fn readable(&self, stored: &Arc<Stored>) -> Result<Arc<Stored>, ReadError> {
        if self.corrupt.contains(&stored.name) {
            Err(ReadError::CorruptRecord(stored.name.clone()))
        } else {
            Ok(Arc::clone(stored))
        }
    }

    fn page(&self, scan: &Scan) -> Result<ScanPage, ReadError> {
        let inside = self.records.values();
        let mut inside: Vec<_> = inside
            .filter(|stored| scan.range.contains(&stored.name))
            .filter(|stored| is_in(&stored.name, scan.partitions.as_deref()))
            .collect();
        if scan.reverse {
            inside.reverse();
        }
        let mut page = ScanPage::default();
        let mut bytes = 0;
        for stored in inside {
            if page.records.len() == scan.records_max || bytes >= scan.bytes_max {
                page.more = true;
                break;
            }
            bytes += stored.record.value.len();
            page.records.push(with_value_if(scan.values, &self.readable(stored)?));
        }
        Ok(page)
    }
}

fn is_in(name: &RecordName, partitions: Option<&PartitionSet>) -> bool {
    partitions.is_none_or(|partitions| partitions.contains(Partition::of(name)))
}

fn with_value_if(values: bool, stored: &Arc<Stored>) -> Arc<Stored> {
    let mut stored = Arc::clone(stored);
    if !values {
        Arc::make_mut(&mut stored).record.value = Bytes::new();
    }
    stored
}

impl Store for StoreInMemory {
    fn position(&self) -> FeedPosition {
        FeedPosition { node: NODE, epoch: Epoch(1), seq: self.state.lock().seq }
    }

    fn published(&self) -> watch::Receiver<Seq> {
        self.receiver.clone()
    }

    fn peek(&self, name: &RecordName) -> Option<Arc<Stored>> {
        let state = self.state.lock();
        let readable = state.in_memory && !state.corrupt.contains(name);
        state.records.get(name).filter(|_| readable).cloned()
    }

    fn get(&self, name: RecordName) -> BoxFuture<'_, Result<Option<Arc<Stored>>, ReadError>> {
        let state = self.state.lock();
        let found = state.records.get(&name);
        future::ready(found.map(|stored| state.readable(stored)).transpose()).boxed()
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Written, WriteError>> {
        // Writes that need not wait take in the call, as the port has it.
        if !self.held.borrow().hold {
            return future::ready(self.take(write)).boxed();
        }
        async move {
            self.held.send_modify(|held| held.waiting += 1);
            let mut held = self.held.subscribe();
            let _ = held.wait_for(|held| !held.hold).await;
            self.held.send_modify(|held| held.waiting -= 1);
            self.take(write)
        }
        .boxed()
    }

    fn propose(&self, write: Write) -> BoxFuture<'_, Result<Proposed, WriteError>> {
        let mut state = self.state.lock();
        let proposed = match Self::judge(&state, &write) {
            Ok(Some(written)) => Ok(Proposed::Decided(written)),
            Ok(None) => {
                let over = state.version(&write.name);
                Ok(Proposed::Stamped { record: state.stamped(&write), over })
            }
            Err(error) => Err(error),
        };
        future::ready(proposed).boxed()
    }

    fn take_in(
        &self,
        arrivals: Vec<Arrival>,
        _: Durability,
    ) -> BoxFuture<'_, Result<Vec<TakenIn>, WriteError>> {
        let mut state = self.state.lock();
        let taken_in = match state.refusal.clone() {
            Some(refusal) => Err(refusal),
            None => Ok(arrivals.into_iter().map(|arrival| state.take_in(arrival)).collect()),
        };
        drop(state);
        self.publish();
        future::ready(taken_in).boxed()
    }

    fn answered(&self, request: RequestKey) -> BoxFuture<'_, Result<Option<Answered>, ReadError>> {
        future::ready(Ok(self.state.lock().answered(&request))).boxed()
    }

    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<ScanPage, ReadError>> {
        future::ready(self.state.lock().page(&scan)).boxed()
    }

    fn tables(
        &self,
        after: Option<TableName>,
        tables_max: usize,
        now: UnixMillis,
    ) -> BoxFuture<'_, Result<TablesPage, ReadError>> {
        let state = self.state.lock();
        let live = state.records.values().filter(|stored| stored.record.is_live(now));
        let names = live.filter_map(|stored| TableName::parse(stored.name.table()).ok());
        let behind: BTreeSet<_> = names.filter(|table| Some(table) > after.as_ref()).collect();
        let tables: Vec<_> = behind.iter().take(tables_max).cloned().collect();
        let next = tables.last().filter(|_| tables.len() < behind.len()).cloned();
        future::ready(Ok(TablesPage { tables, next })).boxed()
    }

    fn table_counts(
        &self,
        after: Option<TableName>,
        tables_max: usize,
    ) -> BoxFuture<'_, Result<Vec<TableCount>, ReadError>> {
        let state = self.state.lock();
        let mut counts: BTreeMap<TableName, (u64, u64)> = BTreeMap::new();
        for stored in state.records.values().filter(|stored| stored.record.holds_value()) {
            if let Ok(table) = TableName::parse(stored.name.table()) {
                let (records, bytes) = counts.entry(table).or_default();
                *records += 1;
                *bytes += (stored.name.key().len() + stored.record.value.len()) as u64;
            }
        }
        let behind = counts.into_iter().filter(|(table, _)| Some(table) > after.as_ref());
        let counted = behind.map(|(table, (records, bytes))| TableCount { table, records, bytes });
        future::ready(Ok(counted.take(tables_max).collect())).boxed()
    }

    fn feed(&self, read: FeedRead) -> BoxFuture<'_, Result<FeedPage, ReadError>> {
        let FeedRead { after, records_max, bytes_max, partitions, values, gone: _ } = read;
        let state = self.state.lock();
        let behind = state.records.values().filter(|stored| stored.seq > after);
        let wanted = behind.filter(|stored| is_in(&stored.name, partitions.as_deref()));
        let mut records: Vec<_> = wanted.map(|stored| with_value_if(values, stored)).collect();
        records.sort_by_key(|stored| stored.seq);
        let mut bytes = 0;
        let fits = |stored: &&Arc<Stored>| {
            bytes += stored.record.value.len();
            bytes <= bytes_max
        };
        let count = records.iter().take_while(fits).count().max(1).min(records_max);
        let whole = count >= records.len();
        records.truncate(count);
        let last = records.last().map_or(after, |stored| stored.seq);
        let through = if whole { state.seq.max(after) } else { last };
        future::ready(Ok(FeedPage { records, through, left_out: Vec::new() })).boxed()
    }

    fn tail(&self, _: Seq, _: usize) -> Option<Vec<Arc<Stored>>> {
        None
    }

    fn resume(&self, position: FeedPosition) -> Option<Seq> {
        let here = self.position();
        let same = position.node == here.node && position.epoch == here.epoch;
        (same && position.seq <= here.seq).then_some(position.seq)
    }

    fn follow_from(&self, position: FeedPosition) -> Seq {
        let here = self.position();
        let same = position.node == here.node && position.epoch == here.epoch;
        if same { position.seq.min(here.seq) } else { 0 }
    }

    fn synced(&self) -> Seq {
        self.position().seq
    }

    fn request_at(&self, _: Seq) -> Option<RequestKey> {
        None
    }

    fn keep(&self, note: Bytes) -> BoxFuture<'_, Result<(), WriteError>> {
        self.state.lock().note = Some(note);
        future::ready(Ok(())).boxed()
    }

    fn kept(&self) -> Option<Bytes> {
        self.state.lock().note.clone()
    }

    fn forget_up_to(&self, _: Seq) {}

    fn trust_clock(&self, _: bool) {}

    fn empty(&self, partitions: PartitionSet) -> BoxFuture<'_, Result<u64, WriteError>> {
        let mut state = self.state.lock();
        let before = state.records.len();
        state.records.retain(|name, _| !partitions.contains(Partition::of(name)));
        future::ready(Ok((before - state.records.len()) as u64)).boxed()
    }

    fn newest_in(&self, _: Partition) -> Seq {
        self.position().seq
    }

    fn digests(&self) -> Option<Digests> {
        let mut digests = Digests::default();
        for stored in self.state.lock().records.values().filter(|it| it.record.holds_value()) {
            digests.add(&stored.name, stored.record.version);
        }
        Some(digests)
    }

    fn take_damaged(&self, _: usize) -> Vec<RecordName> {
        Vec::new()
    }

    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }

    fn failure(&self) -> Option<Arc<str>> {
        self.state.lock().failure.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.published.lock().take();
        future::ready(()).boxed()
    }
}
