//! Clients of all kinds at work while something happens to the nodes, each noting what it is told.
//!
//! | table | who | what is asked of it |
//! | --- | --- | --- |
//! | `strict` | writes, deletes and reads at `quorum` | each key is one register, whatever happens |
//! | `judged` | conditions, patches and reads at `quorum` | of those that are judged on one version one wins |
//! | `plain` | writes, deletes and reads by default | one register while a majority is there |
//! | `mixed` | all of these on the same keys, by default | the newest stands, and none is a mixture |
//! | `set` | each key is written once; lists | what was acknowledged is listed, once |
//!
//! Conditions have keys of their own, since one that is left unknown may surface over a plain write of the same
//! moment (`docs/guarantees.md`, Consistency): such a key is no register.
//!
//! Keys are new in each second, and so is the set in each few: the history of one is short enough to be judged
//! whole, and each fault meets new keys, ones in use, and ones that rest.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dynarust_core::{Consistency, Version};
use dynarust_history::{Action, Guard, Outcome};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::reader::Reader;
use super::recorder::{Recorder, Session};
use crate::cluster::doors::Doors;
use crate::cluster::workload::SetAtLast;

pub(super) const STRICT: &str = "strict";
pub(super) const JUDGED: &str = "judged";
pub(super) const PLAIN: &str = "plain";
pub(super) const MIXED: &str = "mixed";
pub(super) const SET: &str = "set";

/// All that are written to.
pub(super) const TABLES: [&str; 5] = [STRICT, JUDGED, PLAIN, MIXED, SET];

/// The one that live streams are read of.
pub(super) const FOLLOWED: &str = MIXED;

/// How long one set is written to.
const SET_SECONDS: u64 = 4;

/// How long somebody waits who was let down.
const REST: Duration = Duration::from_millis(20);

/// Who is at work.
#[derive(Debug, Clone)]
pub(super) struct Crowd {
    pub(super) strict: usize,
    pub(super) judged: usize,
    pub(super) plain: usize,
    pub(super) mixed: usize,
    /// Who write new members of the set.
    pub(super) members: usize,
    /// Who list it.
    pub(super) listers: usize,
    /// Who follow [`FOLLOWED`].
    pub(super) readers: usize,
    /// For how long a reader is away between two connections, at most.
    pub(super) away: Duration,
    /// Between two requests of one of them.
    pub(super) pause: Duration,
    /// New keys of a table in each second.
    pub(super) keys_per_second: u64,
}

impl Default for Crowd {
    fn default() -> Crowd {
        let (pause, away) = (Duration::from_millis(4), Duration::from_millis(100));
        let (strict, judged, plain, mixed) = (3, 3, 3, 3);
        let (members, listers, readers, keys_per_second) = (2, 1, 2, 3);
        Crowd {
            strict,
            judged,
            plain,
            mixed,
            members,
            listers,
            readers,
            away,
            pause,
            keys_per_second,
        }
    }
}

impl Crowd {
    /// All of them at work until `during` has ended. The readers are given back: they go on to the end.
    pub(super) fn run<'a, T>(
        &'a self,
        recorder: &'a Recorder,
        doors: &Doors,
        dice: &mut StdRng,
        during: impl FnOnce() -> T,
    ) -> (T, Vec<Reader<'a>>) {
        let over = AtomicBool::new(false);
        let mut fork = || StdRng::seed_from_u64(dice.random());
        std::thread::scope(|scope| {
            let ending = SetAtLast(&over);
            for (count, work) in self.work() {
                for number in 0..count {
                    let session = Session::new(recorder);
                    let (dice, over) = (fork(), &over);
                    let worker = Worker::new(self, recorder, session, doors, dice, number);
                    scope.spawn(move || worker.work_until(over, work));
                }
            }
            let readers: Vec<_> = (0..self.readers)
                .map(|_| {
                    let (mut reader, mut dice, over) =
                        (Reader::new(recorder, FOLLOWED), fork(), &over);
                    scope.spawn(move || {
                        reader.follow_until(over, doors, self.away, &mut dice);
                        reader
                    })
                })
                .collect();
            let result = during();
            drop(ending);
            (result, readers.into_iter().map(|reader| reader.join().unwrap()).collect())
        })
    }

    fn work(&self) -> [(usize, Work); 6] {
        [
            (self.strict, |it| it.use_record(STRICT, Kind::Plain, Consistency::Quorum)),
            (self.judged, |it| it.use_record(JUDGED, Kind::Judged, Consistency::Quorum)),
            (self.plain, |it| it.use_record(PLAIN, Kind::Plain, Consistency::Available)),
            (self.mixed, |it| it.use_record(MIXED, Kind::Any, Consistency::Available)),
            (self.members, |it| it.add_member()),
            (self.listers, |it| it.list()),
        ]
    }
}

/// One request of a worker; whether the node did what it is there for.
type Work = fn(&mut Worker<'_>) -> bool;

/// What is asked of a record.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Writes and deletes without conditions.
    Plain,
    /// Writes with conditions, and patches.
    Judged,
    Any,
}

struct Worker<'a> {
    crowd: &'a Crowd,
    recorder: &'a Recorder,
    session: Session<'a>,
    doors: &'a Doors,
    dice: StdRng,
    door: usize,
    /// The version that it saw of a key last.
    seen: HashMap<String, Version>,
}

impl<'a> Worker<'a> {
    fn new(
        crowd: &'a Crowd,
        recorder: &'a Recorder,
        session: Session<'a>,
        doors: &'a Doors,
        dice: StdRng,
        door: usize,
    ) -> Worker<'a> {
        Worker { crowd, recorder, session, doors, dice, door, seen: HashMap::new() }
    }

    fn work_until(mut self, over: &AtomicBool, work: fn(&mut Worker<'a>) -> bool) {
        while !over.load(Ordering::Relaxed) {
            if work(&mut self) {
                std::thread::sleep(self.crowd.pause);
            } else {
                self.door += 1;
                std::thread::sleep(REST);
            }
        }
    }

    /// Mostly the one that it is used to.
    fn pick_door(&mut self) -> SocketAddr {
        let anywhere = self.dice.random_ratio(1, 4);
        self.doors.pick(if anywhere { self.dice.random_range(0..1024) } else { self.door })
    }

    /// Mostly one of this second.
    fn pick_key(&mut self, table: &str) -> String {
        let now = self.recorder.second();
        let older = self.dice.random_ratio(1, 8);
        let second = if older { self.dice.random_range(0..=now) } else { now };
        format!("{table}/{second:04}-{}", self.dice.random_range(0..self.crowd.keys_per_second))
    }

    /// Does something with one record; says whether the node did what it is there for.
    fn use_record(&mut self, table: &str, kind: Kind, consistency: Consistency) -> bool {
        let (door, key) = (self.pick_door(), self.pick_key(table));
        let action = self.pick_action(kind, &key);
        let outcome = self.session.ask(door, &key, action, consistency);
        let version = match &outcome {
            Outcome::Acknowledged { version } => Some(*version),
            Outcome::Read(seen) => seen.version(),
            Outcome::Refused { current, .. } => *current,
            _ => None,
        };
        if let Some(version) = version {
            self.seen.insert(key, version);
        }
        is_served(&outcome)
    }

    fn pick_action(&mut self, kind: Kind, key: &str) -> Action {
        let id = self.recorder.new_write();
        let none = Guard::None;
        let judged = match kind {
            Kind::Plain => false,
            Kind::Judged => true,
            Kind::Any => self.dice.random(),
        };
        match self.dice.random_range(0..10) {
            0..3 => Action::Get,
            3..6 if judged => Action::Patch { id, guard: none },
            _ if judged => Action::Put { id, guard: self.guard(key), ttl: None },
            3..5 => Action::Delete { guard: none },
            _ => Action::Put { id, guard: none, ttl: None },
        }
    }

    fn guard(&self, key: &str) -> Guard {
        self.seen.get(key).map_or(Guard::Absent, |&version| Guard::Version(version))
    }

    /// What the names of the members of this moment's set begin with.
    fn set(&self, back: u64) -> String {
        let nth = (self.recorder.second() / SET_SECONDS).saturating_sub(back);
        format!("{SET}/{nth:04}-")
    }

    fn add_member(&mut self) -> bool {
        let (door, id) = (self.pick_door(), self.recorder.new_write());
        let key = format!("{}{:08}", self.set(0), id.0);
        let action = Action::Put { id, guard: Guard::None, ttl: None };
        let outcome = self.session.ask(door, &key, action, Consistency::Available);
        std::thread::sleep(self.crowd.pause * 2);
        is_served(&outcome)
    }

    fn list(&mut self) -> bool {
        let door = self.pick_door();
        let back = self.dice.random_range(0..2);
        let prefix = self.set(back);
        let outcome = self.session.ask(door, &prefix, Action::Scan, Consistency::Available);
        std::thread::sleep(self.crowd.pause * 8);
        is_served(&outcome)
    }
}

fn is_served(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Acknowledged { .. } | Outcome::Read(_) | Outcome::Listed(_) => true,
        Outcome::Refused { status, .. } => matches!(status, 404 | 409 | 412),
        Outcome::Indeterminate => false,
    }
}

/// Reads each record once more, as strictly as it was written, by way of this node: what was lost is missed now.
pub(super) fn read_all(recorder: &Recorder, door: SocketAddr) {
    let mut session = Session::new(recorder);
    let keys: HashMap<String, Consistency> = {
        let history = recorder.history();
        let written = history.operations.iter().filter(|it| it.is_write());
        let registers = written.filter(|it| !it.key.starts_with(SET));
        registers.map(|it| (it.key.clone(), it.consistency)).collect()
    };
    for (key, consistency) in keys {
        let outcome = session.ask(door, &key, Action::Get, consistency);
        assert!(matches!(outcome, Outcome::Read(_)), "{key} at the end: {outcome:?}");
    }
}
