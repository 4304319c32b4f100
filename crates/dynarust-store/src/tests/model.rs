//! The store against a plain map that knows what was synced.
//!
//! A run is a list of steps drawn by proptest: writes with and without conditions, rounds of the
//! applier in parts, looks of the expirer, sweeps, kills, power cuts, clean restarts. After each the store must agree with
//! the map. A power cut forgets, of what was not synced, some writes, halves of others, and the
//! removal of files; the store may then have lost unsynced writes, but only the newest ones: it agrees
//! with the map as it was after some write at or behind the last synced one.
//!
//! Records with a deadline are gone for readers at it, on a clock that the run sets; once the expirer has
//! looked they are gone for good, also where the clock steps back. What was not synced of that, a power
//! cut may undo.
//!
//! Followers hold a copy and a position; resumed from there, the feed must make their copy equal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::{
    Condition, EntityTags, FeedPosition, KeyRange, RecordName, Stored, TableName, UnixMillis,
    Version,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime::Runtime;

use super::crash_disk::CrashDisk;
use crate::applier::Applier;
use crate::expirer::Expirer;
use crate::local::Threads;
use crate::port::{Change, Durability, Scan, Store, Write, Written};
use crate::submission::Marked;
use crate::{LocalStore, StoreConfig, WallClock};

const HOUR: UnixMillis = 3_600_000;
const KEYS: u8 = 5;

#[derive(Debug, Clone)]
enum Step {
    Put {
        key: u8,
        condition: Asked,
        durability: Durability,
        bytes: u16,
        ttl: Option<u8>,
    },
    Delete {
        key: u8,
        condition: Asked,
        durability: Durability,
    },
    Apply,
    /// A round of the applier that does not come to its end.
    ApplyAPart {
        records: u8,
    },
    Checkpoint {
        truncate: bool,
    },
    Sweep,
    Expire,
    Hours(u8),
    ClockBack {
        millis: u16,
    },
    Follow,
    Kill,
    PowerCut {
        seed: u64,
        old_base: bool,
    },
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Nothing,
    Absent,
    Present,
    Current,
    Stale,
}

fn step() -> impl Strategy<Value = Step> {
    let durability = || prop_oneof![Just(Durability::Sync), Just(Durability::Relaxed)];
    let condition = || {
        prop_oneof![
            4 => Just(Asked::Nothing),
            1 => Just(Asked::Absent),
            1 => Just(Asked::Present),
            1 => Just(Asked::Current),
            1 => Just(Asked::Stale),
        ]
    };
    prop_oneof![
        12 => (0..KEYS, condition(), durability(), 0..2000u16, prop::option::of(1..4u8)).prop_map(
            |(key, condition, durability, bytes, ttl)| {
                Step::Put { key, condition, durability, bytes, ttl }
            }
        ),
        5 => (0..KEYS, condition(), durability())
            .prop_map(|(key, condition, durability)| Step::Delete { key, condition, durability }),
        3 => Just(Step::Apply),
        2 => (1..4u8).prop_map(|records| Step::ApplyAPart { records }),
        2 => any::<bool>().prop_map(|truncate| Step::Checkpoint { truncate }),
        1 => Just(Step::Sweep),
        3 => Just(Step::Expire),
        3 => (1..3u8).prop_map(Step::Hours),
        1 => (1..30u8).prop_map(Step::Hours),
        1 => (0..1000u16).prop_map(|millis| Step::ClockBack { millis }),
        4 => Just(Step::Follow),
        1 => Just(Step::Kill),
        3 => (any::<u64>(), any::<bool>())
            .prop_map(|(seed, old_base)| Step::PowerCut { seed, old_base }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("DYNARUST_MODEL_CASES").map_or(256, |cases| cases.parse().unwrap()),
        max_shrink_time: 60_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_agrees_with_a_map_that_knows_what_was_synced(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.step(Step::Restart);
    }
}

/// What the map says of all keys; what expired is in it until somebody looks.
type Values = BTreeMap<String, Held>;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    version: Version,
    value: Bytes,
    expiry: Option<UnixMillis>,
}

struct Run {
    runtime: Runtime,
    folder: tempfile::TempDir,
    disk: Arc<CrashDisk>,
    clock: Arc<SetClock>,
    open: Option<Open>,
    /// The map after each write since `history` was cut, the present one last.
    history: Vec<Values>,
    /// The first of `history` that a power cut may go back to.
    synced: usize,
    followers: Vec<(FeedPosition, Values)>,
    writes: u64,
    /// Every version that was ever handed out.
    versions: BTreeSet<Version>,
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
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Self {
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            durable_base: folder.path().join("durable.sqlite"),
            folder,
            disk: Arc::default(),
            clock: Arc::new(SetClock(AtomicU64::new(1_000_000 * HOUR), AtomicU64::new(0))),
            open: None,
            history: vec![Values::new()],
            synced: 0,
            followers: Vec::new(),
            writes: 0,
            versions: BTreeSet::new(),
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
        let (store, Threads { writer, applier, expirer }) =
            LocalStore::assemble(&config, self.disk.clone()).expect("the folder opens");
        let writer = std::thread::spawn(move || writer.run());
        self.open = Some(Open { store, writer, applier, expirer });
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
        let marked = self.open.as_mut().unwrap().expirer.look().unwrap();
        assert_eq!(marked, Marked::All);
        if live != *self.present() {
            self.history.push(live);
        }
    }

    fn applier(&mut self) -> &mut Applier {
        &mut self.open.as_mut().unwrap().applier
    }

    fn present(&self) -> &Values {
        self.history.last().unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put { key, condition, durability, bytes, ttl } => {
                self.writes += 1;
                let text = format!("[{},\"{}\"]", self.writes, "x".repeat(usize::from(bytes)));
                let value = Bytes::from(text);
                let expiry = ttl.map(|hours| self.clock.now() + u64::from(hours) * HOUR);
                let change = Change::Put { value: value.clone(), expiry };
                self.write(key, change, condition, durability, Some((value, expiry)));
            }
            Step::Delete { key, condition, durability } => {
                self.write(key, Change::Delete, condition, durability, None);
            }
            Step::Apply => {
                self.applier().apply().unwrap();
            }
            Step::ApplyAPart { records } => {
                let applier = self.applier();
                applier.part_records = usize::from(records);
                let mut round = applier.begin_round();
                if !applier.bring_part(&mut round).unwrap() {
                    applier.base.checkpoint(false).unwrap();
                }
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
                self.applier().sweep().unwrap();
            }
            Step::Expire => self.expire(),
            Step::Hours(hours) => {
                self.clock.0.fetch_add(u64::from(hours) * HOUR, Ordering::Relaxed);
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
        }
        self.check();
    }

    fn write(
        &mut self,
        key: u8,
        change: Change,
        asked: Asked,
        durability: Durability,
        value: Option<(Bytes, Option<UnixMillis>)>,
    ) {
        let key = key.to_string();
        let present = self.live().get(&key).map(|held| held.version);
        // What expired unnoticed stays in the map until it is written over.
        let below = self.present().get(&key).map(|held| held.version);
        let (condition, holds) = asked.condition(present);
        let name = RecordName::parse("t", &key).unwrap();
        let write = Write { name, change, condition, durability };
        let written = self.runtime.block_on(self.store().write(write)).unwrap();
        let mut after = self.present().clone();
        match (holds, value, present) {
            (false, ..) => return assert_eq!(written, Written::Refused(present)),
            (true, None, None) => return assert_eq!(written, Written::Absent),
            (true, value, _) => {
                let Written::Done(version) = written else { panic!("{written:?}") };
                assert!(below.is_none_or(|below| version > below));
                assert!(self.versions.insert(version), "{version} was handed out twice");
                match value {
                    Some((value, expiry)) => after.insert(key, Held { version, value, expiry }),
                    None => after.remove(&key),
                };
            }
        }
        self.history.push(after);
        if durability == Durability::Sync {
            self.synced = self.history.len() - 1;
        }
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
        // Of what was marked as expired at a time some marks may be lost, and some not.
        let marked = |held: &Held| held.expiry.is_some_and(|expiry| expiry <= now);
        (self.synced..self.history.len())
            .rev()
            .find(|at| {
                let values = &self.history[*at];
                found.iter().all(|(key, held)| values.get(key) == Some(held))
                    && values.iter().all(|(key, held)| found.contains_key(key) || marked(held))
            })
            .unwrap_or_else(|| panic!("acknowledged as synced and lost: {found:?}"));
        self.history = vec![found];
        self.synced = 0;
    }

    fn check(&mut self) {
        assert_eq!(&self.read_all(), self.present());
        let keys = (0..KEYS).map(|key| key.to_string());
        for key in keys {
            let name = RecordName::parse("t", &key).unwrap();
            let found = self.runtime.block_on(self.store().get(name)).unwrap();
            if let Some(expired) = found.as_ref().filter(|stored| stored.record.expired) {
                assert!(self.versions.contains(&expired.record.version), "{key}: a new version");
                assert!(expired.record.value.is_empty());
            }
            let found = found.filter(|stored| stored.record.holds_value());
            assert_eq!(found.map(|it| contents(&it)).as_ref(), self.present().get(&key), "{key}");
        }
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
            let page = self.runtime.block_on(self.store().feed(after, 3, 1 << 20)).unwrap();
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
            let scan =
                Scan { range: range.clone(), reverse: false, records_max: 2, bytes_max: 1 << 20 };
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
    /// The condition, and whether it holds where `present` is the live version.
    fn condition(self, present: Option<Version>) -> (Condition, bool) {
        let stale = Version { hlc: 1, node: dynarust_core::NodeId(1) };
        let only = |version| Some(EntityTags::Versions(vec![version]));
        let (if_match, if_none_match, holds) = match self {
            Self::Nothing => (None, None, true),
            Self::Absent => (None, Some(EntityTags::Any), present.is_none()),
            Self::Present => (Some(EntityTags::Any), None, present.is_some()),
            Self::Current => (only(present.unwrap_or(stale)), None, present.is_some()),
            Self::Stale => (only(stale), None, false),
        };
        (Condition { if_match, if_none_match }, holds)
    }
}

fn contents(stored: &Stored) -> Held {
    let record = &stored.record;
    Held { version: record.version, value: record.value.clone(), expiry: record.expiry }
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
