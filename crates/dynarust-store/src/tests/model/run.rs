//! A run: the store and the map side by side, step by step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::digest::Digests;
use dynarust_core::limits::CLOCK_SKEW_MILLIS_MAX;
use dynarust_core::{
    Condition, EntityTags, FeedPosition, KeyRange, NodeId, Partition, PartitionSet, Record,
    RecordName, RequestKey, Seq, Stamp, Stored, TableName, UnixMillis, Version, clock,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime::Runtime;

use super::super::crash_disk::CrashDisk;
use super::arrivals::{Arriving, BEGINNING};
use super::{Asked, HOUR, KEYS, MINUTE, REQUEST_KEYS, Step};
use crate::answers::is_over;
use crate::applier::Applier;
use crate::driver::Driver;
use crate::expirer::Expirer;
use crate::folder::Folder;
use crate::journal::disk::RealDisk;
use crate::local::Threads;
use crate::note;
use crate::open::open_base;
use crate::port::{Answered, Change, Durability, FeedRead, Scan, Store, TakenIn, Write, Written};
use crate::submission::Marked;
use crate::{LocalStore, StoreConfig, WallClock, config};

/// What the map says of all keys; what expired is in it until somebody looks.
pub(super) type Values = BTreeMap<String, Held>;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    version: Version,
    value: Bytes,
    expiry: Option<UnixMillis>,
}

/// All that the store remembers.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) values: Values,
    /// What is deleted or was marked as expired.
    pub(super) gone: BTreeMap<String, Stamp>,
    /// What the newest request with a key became: its fingerprint, and the version.
    pub(super) answers: BTreeMap<Arc<str>, (u128, Version)>,
}

/// What the model knows of a request.
#[derive(Clone, Copy)]
struct Kept {
    /// As in [`State`].
    answer: (u128, Version),
    /// The store may know nothing of it any more.
    may_be_forgotten: bool,
}

pub(super) struct Run {
    runtime: Runtime,
    folder: tempfile::TempDir,
    disk: Arc<CrashDisk>,
    clock: Arc<SetClock>,
    open: Option<Open>,
    /// The state after each write since `history` was cut, the present one last.
    history: Vec<State>,
    /// The first of `history` that a power cut may go back to.
    synced: usize,
    followers: Vec<(FeedPosition, Values)>,
    writes: u64,
    /// The newest writes with an idempotency key, oldest first.
    requests: VecDeque<Write>,
    /// Every version that was ever handed out, or came from another node.
    versions: BTreeSet<(String, Version)>,
    /// The highest hybrid time of fresh arrivals since the store was opened that were not far ahead.
    observed: u64,
    /// What is gone so far that it was forgotten.
    swept: BTreeSet<(String, Stamp)>,
    /// Nothing behind this seq may be forgotten.
    forget_up_to: Seq,
    /// The note that was kept last.
    note: Option<Bytes>,
    /// The base as it was after the last complete checkpoint.
    durable_base: PathBuf,
}

struct Open {
    store: LocalStore,
    writer: JoinHandle<u64>,
    applier: Applier,
    expirer: Expirer,
}

impl Run {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Self {
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            durable_base: folder.path().join("durable.sqlite"),
            folder,
            disk: Arc::default(),
            clock: Arc::new(SetClock(AtomicU64::new(BEGINNING), AtomicU64::new(0))),
            open: None,
            history: vec![State::default()],
            synced: 0,
            followers: Vec::new(),
            writes: 0,
            requests: VecDeque::new(),
            versions: BTreeSet::new(),
            observed: 0,
            swept: BTreeSet::new(),
            forget_up_to: Seq::MAX,
            note: None,
        };
        run.open();
        run
    }

    fn node(&self) -> PathBuf {
        self.folder.path().join("node")
    }

    fn open(&mut self) {
        let config = StoreConfig {
            // The journal is synced only when a step asks for it.
            relaxed_flush: Duration::from_secs(3600),
            segment_bytes: 16 << 10,
            clock: self.clock.clone(),
            ..StoreConfig::new(self.node())
        };
        let (store, Threads { writer, mut applier, expirer }) =
            LocalStore::assemble(&config, self.disk.clone(), Driver::Threads)
                .expect("the folder opens");
        // As its thread does first.
        applier.count_inherited().unwrap();
        let writer = std::thread::spawn(move || writer.run());
        self.open = Some(Open { store, writer, applier, expirer });
        self.observed = 0;
        self.forget_up_to = Seq::MAX;
        assert_eq!(self.store().kept(), self.note);
        // The writer moves the clock before it takes the first write.
        let stale = Asked::Stale.condition(None);
        self.runtime.block_on(self.store().write(delete("0", stale, Durability::Relaxed))).unwrap();
        // An opening ends with a checkpoint.
        fs::copy(self.node().join("base.sqlite"), &self.durable_base).unwrap();
    }

    fn store(&self) -> &LocalStore {
        &self.open.as_ref().unwrap().store
    }

    /// What readers see: the deadline is theirs to know.
    fn live(&self) -> Values {
        let now = self.clock.now();
        let mut live = self.present().clone();
        live.retain(|_, held| held.expiry.is_none_or(|expiry| now < expiry));
        live
    }

    /// As the expirer's thread does now and then.
    fn expire(&mut self) {
        let live = self.live();
        let Open { store, expirer, .. } = self.open.as_mut().unwrap();
        let marked = expirer.look(&mut |due| store.shared.submissions.mark_expired(due)).unwrap();
        assert_eq!(marked, Marked::All);
        if live != *self.present() {
            let mut after = self.state().clone();
            let due = std::mem::replace(&mut after.values, live);
            for (key, held) in due {
                if !after.values.contains_key(&key) {
                    after.gone.insert(key, held.expired());
                }
            }
            self.history.push(after);
        }
    }

    fn applier(&mut self) -> &mut Applier {
        &mut self.open.as_mut().unwrap().applier
    }

    fn state(&self) -> &State {
        self.history.last().unwrap()
    }

    fn present(&self) -> &Values {
        &self.state().values
    }

    fn empty(&mut self, key: u8, killed: bool) {
        let of = |key: &str| Partition::of(&RecordName::parse("t", key).unwrap());
        let partition = of(&key.to_string());
        let partitions: PartitionSet = [partition].into_iter().collect();
        if killed {
            let applier = self.applier();
            applier.apply().unwrap();
            applier.base.empty_some(&partitions, 0).unwrap();
            self.stop_short();
            self.open();
        }
        let emptied = self.store().shared.empty(partitions);
        let applier = self.applier();
        applier.emptying = applier.shared.to_empty.begin();
        applier.apply().unwrap();
        applier.shared.pressure.lock().apply_now = false;
        applier.empty_some().unwrap();
        self.runtime.block_on(emptied).unwrap();
        fs::copy(self.node().join("base.sqlite"), &self.durable_base).unwrap();
        let mut state = self.state().clone();
        state.values.retain(|key, _| of(key) != partition);
        state.gone.retain(|key, _| of(key) != partition);
        self.history = vec![state];
        self.synced = 0;
        for (_, copy) in &mut self.followers {
            copy.retain(|key, _| of(key) != partition);
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Put { key, condition, durability, bytes, ttl, request } => {
                let expiry = ttl.map(|hours| self.clock.now() + u64::from(hours) * HOUR);
                let text = format!("[{},\"{}\"]", self.writes, "x".repeat(usize::from(bytes)));
                let change = Change::Put { value: Bytes::from(text), expiry };
                self.write(key, change, condition, durability, request);
            }
            Step::Delete { key, condition, durability, request } => {
                self.write(key, Change::Delete, condition, durability, request);
            }
            Step::Repeat { nth } => {
                let behind = self.requests.len().checked_sub(nth + 1);
                if let Some(write) = behind.and_then(|at| self.requests.get(at).cloned()) {
                    self.carry_out(write);
                }
            }
            Step::TakeIn { arriving, durability } => self.take_in(&arriving, durability),
            Step::Keep => {
                let note = Bytes::from(format!("behind {} states", self.history.len()));
                self.runtime.block_on(self.store().keep(note.clone())).unwrap();
                self.note = Some(note);
                self.synced = self.history.len() - 1;
            }
            Step::ForgetUpTo { before } => {
                self.forget_up_to = self.store().position().seq.saturating_sub(before.into());
                self.store().forget_up_to(self.forget_up_to);
            }
            Step::Apply => {
                self.applier().apply().unwrap();
            }
            Step::ApplyAPart { records, feed } => {
                let applier = self.applier();
                applier.part_records = usize::from(records);
                let mut round = applier.begin_round();
                let last = applier.bring_part(&mut round).unwrap();
                if feed {
                    while !applier.base.bring_feed().unwrap() {}
                    if last {
                        applier.end_round(&round).unwrap();
                    }
                }
                applier.base.checkpoint(false).unwrap();
                applier.part_records = crate::applier::PART_RECORDS_FIRST;
            }
            Step::Checkpoint { truncate } => {
                self.applier().checkpoint(truncate).unwrap();
                let applier = self.applier();
                if applier.checkpointed == applier.base.meta().applied_seq {
                    fs::copy(self.node().join("base.sqlite"), &self.durable_base).unwrap();
                }
            }
            Step::Sweep => {
                let before = self.store().shared.forgotten();
                self.applier().sweep().unwrap();
                self.applier().forget_answers().unwrap();
                // A cache may have them still.
                let forgotten = self.store().shared.forgotten();
                assert!(forgotten == before || forgotten <= self.forget_up_to);
                // Also what a write stands over that may yet be lost.
                let gone = self.history.iter().flat_map(|state| state.gone.clone());
                for (key, stamp) in gone.collect::<Vec<_>>() {
                    let is_behind = |stored: Arc<Stored>| {
                        stored.seq <= forgotten
                            || stored.record.stamp() != stamp && forgotten > before
                    };
                    if self.get(&key).is_none_or(is_behind) {
                        self.swept.insert((key, stamp));
                    }
                }
            }
            Step::Empty { key, killed } => self.empty(key, killed),
            Step::Expire => self.expire(),
            Step::Hours(hours) => {
                self.clock.0.fetch_add(u64::from(hours) * HOUR, Ordering::Relaxed);
            }
            Step::Minutes(minutes) => {
                self.clock.0.fetch_add(u64::from(minutes) * MINUTE, Ordering::Relaxed);
            }
            Step::ClockBack { millis } => {
                self.clock.latest();
                self.clock.0.fetch_sub(u64::from(millis), Ordering::Relaxed);
            }
            Step::Follow => {
                self.followers.push((self.store().position(), self.present().clone()));
            }
            Step::Kill => {
                self.stop_short();
                self.open();
            }
            Step::PowerCut { seed, old_base } => {
                self.stop_short();
                self.cut(seed, old_base);
                self.open();
                self.settle_history();
            }
            Step::Restart => self.restart(),
            Step::Renew { steps, cut } => {
                let former = self.store().position().node;
                self.stop_short();
                self.renew(steps);
                if let Some(seed) = cut {
                    // What the base was last told is synced, as the last step relies on.
                    self.cut(seed, steps < 4);
                }
                self.open();
                assert_ne!(self.store().position().node, former);
                if cut.is_some() {
                    self.settle_history();
                }
            }
        }
        self.check();
    }

    fn renew(&self, steps: u8) {
        let folder = Folder::lock_existing(&self.node()).unwrap();
        let base = open_base(&folder, &RealDisk, &config::random()).unwrap();
        let (node, former) = (NodeId(rand::random()), base.meta.node);
        folder.set_identity(node, Some(former)).unwrap();
        if steps > 1 {
            drop(base.hand_over(node).unwrap());
        }
        if steps > 2 {
            note::hand_over(&folder, former, node).unwrap();
        }
        if steps > 3 {
            folder.set_identity(node, None).unwrap();
        }
    }

    fn write(
        &mut self,
        key: u8,
        change: Change,
        asked: Asked,
        durability: Durability,
        request: Option<u8>,
    ) {
        self.writes += 1;
        let key = key.to_string();
        let condition = asked.condition(self.live().get(&key).map(|held| held.version));
        let request = request.map(|request| RequestKey {
            key: request.to_string().into(),
            // Each is another request: only a repeat of it is the same.
            fingerprint: u128::from(self.writes),
        });
        let write = Write { change, request, ..delete(&key, condition, durability) };
        if write.request.is_some() {
            self.requests.push_back(write.clone());
        }
        self.carry_out(write);
    }

    fn carry_out(&mut self, write: Write) {
        // A tombstone too, and what expired unnoticed.
        let below = self.stands(write.name.key());
        let written = self.runtime.block_on(self.store().write(write.clone())).unwrap();
        if let Some(request) = &write.request {
            let known = self.answered(self.state(), &request.key);
            let repeat = known.map(|kept| match kept.answer {
                (fingerprint, version) if fingerprint == request.fingerprint => {
                    Written::Repeated(version)
                }
                _ => Written::KeyReused,
            });
            match repeat {
                Some(repeat) if written == repeat => return,
                Some(repeat) if !known.is_some_and(|kept| kept.may_be_forgotten) => {
                    return assert_eq!(written, repeat);
                }
                _ => {}
            }
        }
        let key = write.name.key().to_owned();
        let present = self.live().get(&key).map(|held| held.version);
        if !write.condition.holds(present) {
            return assert_eq!(written, Written::Refused(present));
        }
        if write.change == Change::Delete && present.is_none() {
            return assert_eq!(written, Written::Absent);
        }
        let Written::Done { version, seq } = written else { panic!("{written:?}") };
        assert_eq!(seq, self.store().position().seq);
        assert!(below.is_none_or(|below| version > below.version));
        assert!(version.hlc > self.observed, "{version} is below a fresh arrival");
        assert!(self.versions.insert((key.clone(), version)), "{version} was handed out twice");
        let mut after = self.state().clone();
        match write.change {
            Change::Put { value, expiry } => {
                after.gone.remove(&key);
                after.values.insert(key, Held { version, value, expiry });
            }
            Change::Delete => {
                after.values.remove(&key);
                after.gone.insert(key, Stamp { version, expired: false });
            }
        }
        if let Some(request) = write.request {
            after.answers.insert(request.key, (request.fingerprint, version));
        }
        self.history.push(after);
        if write.durability == Durability::Sync {
            self.synced = self.history.len() - 1;
        }
    }

    fn take_in(&mut self, arriving: &[Arriving], durability: Durability) {
        let arrivals: Vec<_> = arriving.iter().map(|arriving| arriving.arrival()).collect();
        let mut after = self.state().clone();
        after.gone.retain(|key, stamp| self.stands(key) == Some(*stamp));
        let now = self.clock.now();
        let mut expected: Vec<_> =
            arrivals.iter().map(|arrival| after.take_in(arrival, now)).collect();
        for arrival in &arrivals {
            let version = arrival.record.version;
            self.versions.insert((arrival.name.key().to_owned(), version));
            let far_ahead = version.hlc > clock::at(self.clock.now() + CLOCK_SKEW_MILLIS_MAX);
            let observed = if arrival.fresh && !far_ahead { version.hlc } else { 0 };
            self.observed = self.observed.max(observed);
        }
        let latest = self.clock.latest();
        let versions: Vec<_> = arrivals.iter().map(|it| it.record.version).collect();
        let taken_in = self.runtime.block_on(self.store().take_in(arrivals, durability)).unwrap();
        // A clock that was set back may have shown that a request has had its time.
        for ((expected, taken_in), version) in expected.iter_mut().zip(&taken_in).zip(versions) {
            if is_over(version, latest) && !is_over(version, now) {
                *expected = *taken_in;
            }
        }
        assert_eq!(taken_in, expected);
        if taken_in.iter().any(|it| matches!(it, TakenIn::Applied { .. })) {
            self.history.push(after);
        }
        if durability == Durability::Sync {
            self.synced = self.history.len() - 1;
        }
    }

    /// What the store has of a key, whatever it is.
    fn get(&self, key: &str) -> Option<Arc<Stored>> {
        let name = RecordName::parse("t", key).unwrap();
        self.runtime.block_on(self.store().get(name)).unwrap()
    }

    fn stands(&self, key: &str) -> Option<Stamp> {
        self.get(key).map(|stored| stored.record.stamp())
    }

    /// Whether the store has of each key what this state does. Of what is due by `marked` it may have taken
    /// notice; what is gone may have been swept.
    fn stands_as(&self, state: &State, marked: UnixMillis) -> bool {
        (0..KEYS).map(|key| key.to_string()).all(|key| {
            let found = self.stands(&key);
            let is_gone = |stamp: Stamp| match found {
                Some(found) => found == stamp,
                None => self.swept.contains(&(key.clone(), stamp)),
            };
            match state.values.get(&key) {
                Some(held) if found == state.stands(&key) || held.is_due(marked) => {
                    found == state.stands(&key) || is_gone(held.expired())
                }
                Some(_) => false,
                None => state.gone.get(&key).map_or(found.is_none(), |stamp| is_gone(*stamp)),
            }
        })
    }

    /// What the model knows of a request with this key: nothing after ten minutes. They are over as well
    /// where the clock has shown so and was set back: then the store may have forgotten it, or not yet.
    fn answered(&self, state: &State, key: &str) -> Option<Kept> {
        let answer = *state.answers.get(key)?;
        let is_over = |now: UnixMillis| now.saturating_sub(answer.1.unix_millis()) > 10 * MINUTE;
        let may_be_forgotten = is_over(self.clock.latest());
        (!is_over(self.clock.now())).then_some(Kept { answer, may_be_forgotten })
    }

    /// Whether the store knows of requests what this state does.
    fn answers_as(&self, state: &State) -> bool {
        (0..REQUEST_KEYS).all(|key| {
            let key: Arc<str> = key.to_string().into();
            let known = self.answered(state, &key);
            let fingerprint = known.map_or(0, |kept| kept.answer.0);
            let request = RequestKey { key, fingerprint };
            let answered = self.runtime.block_on(self.store().answered(request)).unwrap();
            answered == known.map(|kept| Answered::Done(kept.answer.1))
                || known.is_some_and(|kept| kept.may_be_forgotten)
                    // An arrival with an older answer may have come since.
                    && matches!(answered, None | Some(Answered::KeyReused))
        })
    }

    /// As kill -9 does: nothing more is written, what is in memory is gone.
    fn stop_short(&mut self) {
        let Open { store, writer, applier, .. } = self.open.take().unwrap();
        store.shared.fail("killed by the test");
        writer.join().unwrap();
        drop((store, applier));
    }

    fn restart(&mut self) {
        let Open { store, writer, mut applier, .. } = self.open.take().unwrap();
        store.shared.submissions.close();
        let clock = writer.join().unwrap();
        applier.apply_last(clock).unwrap();
        applier.checkpoint(true).unwrap();
        drop((store, applier));
        let left = fs::read_dir(self.node().join("journal")).unwrap().count();
        assert_eq!(left, 0, "a clean stop leaves no journal");
        self.history.drain(..self.history.len() - 1);
        self.synced = 0;
        let report = crate::verify::verify(&self.node()).unwrap();
        assert_eq!(report.problems, vec![]);
        self.open();
    }

    /// The base forgets everything since its last checkpoint, or nothing; the journal some of it.
    fn cut(&mut self, seed: u64, old_base: bool) {
        self.disk.power_cut(&mut StdRng::seed_from_u64(seed));
        if old_base {
            let base = self.node().join("base.sqlite");
            for log in ["-wal", "-shm"] {
                let _ = fs::remove_file(format!("{}{log}", base.display()));
            }
            fs::copy(&self.durable_base, base).unwrap();
        }
    }

    /// After a power cut: finds the state that the store went back to.
    fn settle_history(&mut self) {
        let found = self.read_all();
        let now = self.clock.latest();
        let at = (self.synced..self.history.len())
            .rev()
            .find(|at| {
                let state = &self.history[*at];
                // Of what was marked as expired at a time some marks may be lost, and some not.
                self.answers_as(state)
                    && found.iter().all(|(key, held)| state.values.get(key) == Some(held))
                    && self.stands_as(state, now)
            })
            .unwrap_or_else(|| panic!("acknowledged as synced and lost: {found:?}"));
        let State { values, mut gone, answers } = std::mem::take(&mut self.history[at]);
        for (key, held) in values {
            if !found.contains_key(&key) {
                gone.insert(key, held.expired());
            }
        }
        self.history = vec![State { values: found, gone, answers }];
        self.synced = 0;
    }

    fn check(&mut self) {
        assert_eq!(&self.read_all(), self.present());
        let keys = (0..KEYS).map(|key| key.to_string());
        for key in keys {
            let found = self.get(&key);
            if let Some(expired) = found.as_ref().filter(|stored| stored.record.expired) {
                let known = (key.clone(), expired.record.version);
                assert!(self.versions.contains(&known), "{key}: a new version");
                assert!(expired.record.value.is_empty());
            }
            let found = found.filter(|stored| stored.record.holds_value());
            assert_eq!(found.map(|it| contents(&it)).as_ref(), self.present().get(&key), "{key}");
        }
        assert!(self.stands_as(self.state(), 0), "{:?}", self.state());
        let mut digests = Digests::default();
        for (key, held) in self.present() {
            digests.add(&RecordName::parse("t", key).unwrap(), held.version);
        }
        assert_eq!(self.store().digests(), Some(digests));
        assert!(self.answers_as(self.state()), "{:?}", self.state().answers);
        let now = self.clock.now();
        let tables = self.runtime.block_on(self.store().tables(None, 1, now)).unwrap().tables;
        assert_eq!(tables.len(), usize::from(!self.live().is_empty()), "{tables:?}");
        let followers = std::mem::take(&mut self.followers);
        for (position, copy) in &followers {
            self.check_follower(*position, copy.clone());
        }
        self.followers = followers;
    }

    fn check_follower(&self, position: FeedPosition, mut copy: Values) {
        let Some(mut after) = self.store().resume(position) else {
            return;
        };
        while after < self.store().position().seq {
            let page = self
                .runtime
                .block_on(self.store().feed(FeedRead::behind(after, 3, 1 << 20)))
                .unwrap();
            assert!(page.through > after);
            after = page.through;
            for stored in page.records {
                let key = stored.name.key().to_owned();
                let newest = self.runtime.block_on(self.store().get(stored.name.clone())).unwrap();
                assert_eq!(newest.as_deref(), Some(&*stored), "the feed gives only the newest");
                match stored.record.holds_value() {
                    true => copy.insert(key, contents(&stored)),
                    false => copy.remove(&key),
                };
            }
        }
        assert_eq!(&copy, self.present());
    }

    fn read_all(&self) -> Values {
        let mut range = KeyRange::table(TableName::parse("t").unwrap());
        let mut found = Values::new();
        loop {
            let scan = Scan {
                range: range.clone(),
                reverse: false,
                records_max: 2,
                bytes_max: 1 << 20,
                partitions: None,
                values: true,
            };
            let page = self.runtime.block_on(self.store().scan(scan)).unwrap();
            for stored in page.records.iter().filter(|stored| stored.record.holds_value()) {
                found.insert(stored.name.key().to_owned(), contents(stored));
            }
            match page.records.last() {
                Some(last) if page.more => range = range.starting_after(last.name.key()),
                _ => return found,
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.store.shared.fail("the run is over");
            let _ = open.writer.join();
        }
    }
}

impl Asked {
    /// The condition, where `present` is the live version.
    fn condition(self, present: Option<Version>) -> Condition {
        let stale = Version { hlc: 1, node: dynarust_core::NodeId(1) };
        let only = |version| Some(EntityTags::Versions(vec![version]));
        let (if_match, if_none_match) = match self {
            Self::Nothing => (None, None),
            Self::Absent => (None, Some(EntityTags::Any)),
            Self::Present => (Some(EntityTags::Any), None),
            Self::Current => (only(present.unwrap_or(stale)), None),
            Self::Stale => (only(stale), None),
        };
        Condition { if_match, if_none_match }
    }
}

fn delete(key: &str, condition: Condition, durability: Durability) -> Write {
    let name = RecordName::parse("t", key).unwrap();
    Write { name, change: Change::Delete, condition, durability, request: None, above: None }
}

fn contents(stored: &Stored) -> Held {
    Held::of(&stored.record)
}

impl Held {
    pub(super) fn of(record: &Record) -> Self {
        Self { version: record.version, value: record.value.clone(), expiry: record.expiry }
    }

    fn is_due(&self, now: UnixMillis) -> bool {
        self.expiry.is_some_and(|expiry| expiry <= now)
    }

    /// What it is stamped with once that has been noticed.
    fn expired(&self) -> Stamp {
        Stamp { version: self.version, expired: true }
    }
}

impl State {
    /// The stamp of what a key holds.
    pub(super) fn stands(&self, key: &str) -> Option<Stamp> {
        let held = self.values.get(key).map(|held| Stamp { version: held.version, expired: false });
        held.or_else(|| self.gone.get(key).copied())
    }
}

/// A clock that the test sets; and the latest time that it ever showed.
struct SetClock(AtomicU64, AtomicU64);

impl SetClock {
    fn latest(&self) -> UnixMillis {
        self.1.fetch_max(self.now(), Ordering::Relaxed).max(self.now())
    }
}

impl WallClock for SetClock {
    fn now(&self) -> UnixMillis {
        self.0.load(Ordering::Relaxed)
    }

    fn sleep(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
    }
}
