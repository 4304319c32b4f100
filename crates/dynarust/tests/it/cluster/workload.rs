//! Writers and readers at work on the same keys, through all nodes, while something happens to those.
//!
//! A writer goes through one door until that fails, and then through the next. A reader either goes
//! through any, and is held against what all have seen; or stays at one, and sees its versions rise.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::doors::Doors;
use super::nodes::PATIENCE;
use super::oracle::{Oracle, Outcome, Wish, WriteId, key_name};
use crate::client::{Answer, Client, JSON, Unknown, put_body, record_path};

pub(crate) const TABLE: &str = "shared";

/// How long somebody waits who was let down.
const REST: Duration = Duration::from_millis(20);

/// Who is at work.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) writers: usize,
    /// Readers that go through any door.
    pub(crate) roving: usize,
    /// Readers that stay at one.
    pub(crate) pinned: usize,
    /// Between two requests of one of them.
    pub(crate) pause: Duration,
}

impl Default for Workload {
    fn default() -> Workload {
        Workload { writers: 16, roving: 2, pinned: 3, pause: Duration::from_millis(2) }
    }
}

/// What the workers went through.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Report {
    /// The longest time in which one writer, trying all doors, had nothing acknowledged.
    pub(crate) longest_write_outage: Duration,
    /// The same of a reader and answers.
    pub(crate) longest_read_outage: Duration,
    pub(crate) reads: u64,
}

impl Workload {
    /// All of them at work until `during` has ended.
    pub(crate) fn run<T>(
        &self,
        doors: &Doors,
        oracle: &Oracle,
        dice: &mut StdRng,
        during: impl FnOnce() -> T,
    ) -> (T, Report) {
        let over = AtomicBool::new(false);
        let (result, reports) = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for number in 0..self.writers + self.roving + self.pinned {
                let worker = Worker::new(number, doors, oracle, self.pause, dice.random());
                let over = &over;
                threads.push(if number < self.writers {
                    scope.spawn(move || worker.write_until(over))
                } else if number < self.writers + self.roving {
                    scope.spawn(move || worker.rove_until(over))
                } else {
                    scope.spawn(move || worker.stay_until(over))
                });
            }
            let ending = SetAtLast(&over);
            let result = during();
            drop(ending);
            let reports: Vec<Report> =
                threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            (result, reports)
        });
        let sum = |sum: Report, one: Report| Report {
            longest_write_outage: sum.longest_write_outage.max(one.longest_write_outage),
            longest_read_outage: sum.longest_read_outage.max(one.longest_read_outage),
            reads: sum.reads + one.reads,
        };
        let report = reports.into_iter().fold(Report::default(), sum);
        eprintln!("{report:.2?}");
        (result, report)
    }
}

/// Sets it when dropped, also where a check fails: the workers must not go on for ever.
pub(crate) struct SetAtLast<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetAtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How long somebody was let down, at most.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    since: Option<Instant>,
    longest: Duration,
}

impl Outage {
    /// A request that was sent then has succeeded, or not.
    pub(crate) fn note(&mut self, sent: Instant, success: bool) {
        let since = *self.since.get_or_insert(sent);
        if success {
            self.longest = self.longest.max(since.elapsed());
            self.since = None;
        }
    }

    /// Whoever is let down at the end was so until then.
    pub(crate) fn longest(self) -> Duration {
        self.longest.max(self.since.map_or(Duration::ZERO, |since| since.elapsed()))
    }
}

struct Worker<'a> {
    number: usize,
    doors: &'a Doors,
    oracle: &'a Oracle,
    pause: Duration,
    dice: StdRng,
    writes: u64,
    reads: u64,
    clients: BTreeMap<SocketAddr, Client>,
    writing: Outage,
    reading: Outage,
}

impl<'a> Worker<'a> {
    fn new(
        number: usize,
        doors: &'a Doors,
        oracle: &'a Oracle,
        pause: Duration,
        seed: u64,
    ) -> Worker<'a> {
        Worker {
            number,
            doors,
            oracle,
            pause,
            dice: StdRng::seed_from_u64(seed),
            writes: 0,
            reads: 0,
            clients: BTreeMap::new(),
            writing: Outage::default(),
            reading: Outage::default(),
        }
    }

    fn report(self) -> Report {
        Report {
            longest_write_outage: self.writing.longest(),
            longest_read_outage: self.reading.longest(),
            reads: self.reads,
        }
    }

    fn client(&mut self, address: SocketAddr) -> &mut Client {
        self.clients.entry(address).or_insert_with(|| Client::impatient(address, PATIENCE))
    }

    fn any_key(&mut self) -> usize {
        self.dice.random_range(0..self.oracle.keys())
    }

    fn write_until(mut self, over: &AtomicBool) -> Report {
        let mut door = self.number;
        while !over.load(Ordering::Relaxed) {
            let key = self.any_key();
            self.writes += 1;
            let wish = match self.dice.random_range(0..20) {
                0..14 => Wish::Put(WriteId { writer: self.number, write: self.writes }),
                14..17 => Wish::Delete,
                _ => {
                    let anywhere = self.doors.pick(self.dice.random_range(0..1024));
                    self.read(anywhere, key);
                    continue;
                }
            };
            if self.write(self.doors.pick(door), key, wish) {
                std::thread::sleep(self.pause);
            } else {
                door += 1;
                std::thread::sleep(REST);
            }
        }
        self.report()
    }

    /// Whether it was answered as it should be.
    fn write(&mut self, door: SocketAddr, key: usize, wish: Wish) -> bool {
        let (sent, oracle) = (Instant::now(), self.oracle);
        let success = write(self.client(door), oracle, TABLE, key, wish);
        self.writing.note(sent, success);
        success
    }

    /// Reads, and holds the answer against what was known before.
    fn read(&mut self, door: SocketAddr, key: usize) -> Option<Answer> {
        let floor = self.oracle.floor(key);
        let sent = Instant::now();
        let answer = self.client(door).read(TABLE, &key_name(key));
        let answer = answer.ok().filter(|answer| matches!(answer.status, 200 | 404));
        if let Some(answer) = &answer {
            self.oracle.read(key, &floor, answer);
            self.reads += 1;
        } else {
            std::thread::sleep(REST);
        }
        self.reading.note(sent, answer.is_some());
        answer
    }

    fn rove_until(mut self, over: &AtomicBool) -> Report {
        while !over.load(Ordering::Relaxed) {
            let (key, door) = (self.any_key(), self.dice.random_range(0..1024));
            self.read(self.doors.pick(door), key);
            std::thread::sleep(self.pause);
        }
        self.report()
    }

    /// A node may be away; that is no outage, since this reader asks no other.
    fn stay_until(mut self, over: &AtomicBool) -> Report {
        let door = self.doors.pick(self.number);
        let mut last: HashMap<usize, Last> = HashMap::new();
        while !over.load(Ordering::Relaxed) {
            let key = self.any_key();
            if let Some(answer) = self.read(door, key) {
                let wrong = last.entry(key).or_default().take(&answer);
                self.oracle.complain(key, wrong.map(|wrong| format!("{wrong}, at {door}")));
            }
            std::thread::sleep(self.pause);
        }
        Report { longest_read_outage: Duration::ZERO, ..self.report() }
    }
}

/// What one reader saw of a key last.
#[derive(Debug, Default)]
struct Last {
    version: String,
    deleted: bool,
}

impl Last {
    fn take(&mut self, answer: &Answer) -> Option<String> {
        self.deleted |= answer.status == 404;
        if answer.status == 404 {
            return None;
        }
        let version = answer.etag();
        let fell = version < self.version;
        let returned = self.deleted && version == self.version;
        let wrong = (fell || returned).then(|| {
            let then = if self.deleted { "deleted after" } else { "at" };
            format!("a reader saw {version}, which was {then} {}", self.version)
        });
        *self = Last { version, deleted: false };
        wrong
    }
}

/// Sends a write and tells the oracle what became of it; whether it was answered as it should be.
pub(crate) fn write(
    client: &mut Client,
    oracle: &Oracle,
    table: &str,
    key: usize,
    wish: Wish,
) -> bool {
    let path = record_path(table, &key_name(key));
    let floor = oracle.begin(key, wish);
    let answer = match wish {
        Wish::Put(id) => client.call("PUT", &path, &[JSON], &put_body(&id.value())),
        Wish::Delete => client.call("DELETE", &path, &[], ""),
    };
    let (outcome, success) = outcome_of(wish, answer);
    oracle.settle(key, wish, &floor, outcome);
    success
}

/// What is known of a write after this answer, and whether the node did what it is there for.
fn outcome_of(wish: Wish, answer: Result<Answer, Unknown>) -> (Outcome, bool) {
    match answer {
        Ok(answer) if answer.status == 200 => (Outcome::Acknowledged(answer.version()), true),
        Ok(answer) if answer.status == 404 && wish == Wish::Delete => (Outcome::Refused, true),
        Ok(answer) if answer.status == 503 && !answer.is_indeterminate() => {
            (Outcome::Refused, false)
        }
        Ok(answer) if answer.status >= 500 => (Outcome::Maybe, false),
        Ok(answer) => panic!("{wish:?}: {answer:?}"),
        Err(unknown) if unknown.sent => (Outcome::Maybe, false),
        Err(_) => (Outcome::Refused, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::agreement::view_of;
    use crate::cluster::nodes::Plan;
    use crate::cluster::oracle::Promise;
    use crate::node::wait_for;

    fn one_node() -> (crate::cluster::nodes::Cluster, Doors, StdRng) {
        let mut cluster = Plan::default().prepare(1);
        cluster.start_one(0);
        let doors = Doors::new(cluster.addresses());
        (cluster, doors, crate::seed::dice("workload"))
    }

    /// A node that is killed under it keeps every law; and what one is robbed of is found.
    #[test]
    fn a_node_keeps_the_laws_and_a_theft_is_found() {
        let (mut cluster, doors, mut dice) = one_node();
        let oracle = Oracle::new(48, Promise::Fresh);
        let (_, report) = Workload::default().run(&doors, &oracle, &mut dice, || {
            for round in 1..=3 {
                wait_for("writes", || {
                    (oracle.acknowledged.load(Ordering::Relaxed) >= round * 200).then_some(())
                });
                if round < 3 {
                    cluster.restart(0);
                }
            }
        });
        assert!(report.reads > 0 && report.longest_write_outage > Duration::ZERO, "{report:?}");
        let last = view_of(&mut cluster.client(0), TABLE, "one").unwrap();
        oracle.assert_kept(&last);
        // The thief takes one that is surely there, and nobody may say that it was deleted.
        let taken = last.keys().find_map(|name| {
            let mut robbed = last.clone();
            robbed.remove(name);
            let found = oracle.violations(&robbed);
            (!found.is_empty()).then_some(found)
        });
        assert!(taken.unwrap()[0].contains("absent"));
    }

    /// A node that goes back to an old copy of its folder is found out, by its state and by its readers.
    #[test]
    fn a_step_back_in_time_is_found() {
        let (mut cluster, doors, mut dice) = one_node();
        let oracle = Oracle::new(48, Promise::Fresh);
        let old = tempfile::tempdir().unwrap();
        let copy = old.path().join("copy");
        let until_written = |count: u64| {
            let before = oracle.acknowledged.load(Ordering::Relaxed);
            wait_for("writes", || {
                (oracle.acknowledged.load(Ordering::Relaxed) >= before + count).then_some(())
            });
        };
        let mut run = |workload: Workload, during: &mut dyn FnMut()| {
            workload.run(&doors, &oracle, &mut dice, during);
        };
        run(Workload::default(), &mut || until_written(200));
        cluster.kill9(0);
        copy_folder(&cluster.folder(0), &copy);
        cluster.start_one(0);
        run(Workload::default(), &mut || until_written(1_000));
        cluster.kill9(0);
        std::fs::remove_dir_all(cluster.folder(0)).unwrap();
        copy_folder(&copy, &cluster.folder(0));
        cluster.start_one(0);
        let last = view_of(&mut cluster.client(0), TABLE, "one").unwrap();
        assert!(oracle.violations(&last).iter().any(|it| it.contains("at the end")));
        // Readers alone, who overwrite nothing, come across it.
        let readers = Workload { writers: 0, ..Workload::default() };
        run(readers, &mut || {
            wait_for("a reader's word", || {
                let found = oracle.violations(&last);
                found.iter().any(|it| it.contains(": read ")).then_some(())
            });
        });
    }

    fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
        let mut copy = std::process::Command::new("cp");
        assert!(copy.arg("-a").arg(from).arg(to).status().unwrap().success());
    }
}
