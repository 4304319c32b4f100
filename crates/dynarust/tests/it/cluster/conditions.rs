//! Conditions where the nodes do not agree on who is there: two of them coordinate the same keys, and of
//! the writers that hold the same version one wins all the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::agreement::{View, lasting};
use super::hosts::{Hosts, can_have_hosts};
use super::nodes::{Cluster, PATIENCE, Plan};
use crate::client::{Answer, Client, Unknown, record_path};
use crate::node::wait_for;

/// Of both kinds each: so many that each node is the first owner of some.
const KEYS: usize = 8;
/// At each node.
const WORKERS: usize = 4;
const MERGE_PATCH: (&str, &str) = ("content-type", "application/merge-patch+json");

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Acknowledged,
    Maybe,
    Refused,
}

impl Outcome {
    fn of(answer: Result<Answer, Unknown>) -> Outcome {
        match answer {
            Ok(answer) if answer.status == 200 => Outcome::Acknowledged,
            Ok(answer) if matches!(answer.status, 409 | 412) => Outcome::Refused,
            Ok(answer) if answer.status == 503 && !answer.is_indeterminate() => Outcome::Refused,
            Ok(answer) if answer.status == 503 => Outcome::Maybe,
            Ok(answer) => panic!("{answer:?}"),
            Err(unknown) if unknown.sent => Outcome::Maybe,
            Err(_) => Outcome::Refused,
        }
    }
}

/// What all writers did.
#[derive(Debug, Default)]
struct Ledger {
    /// Of each counter what it was raised to, and what became of that.
    counted: Mutex<Vec<(String, u64, Outcome)>>,
    /// Of each collection what was put into it.
    collected: Mutex<Vec<(String, String, Outcome)>>,
    acknowledged: AtomicU64,
}

/// Nodes 0 and 1 take each other for dead, and both have a majority with node 2.
#[test]
fn two_coordinators_never_acknowledge_two_writes_over_one_version() {
    if !can_have_hosts("two coordinators") {
        return;
    }
    let cluster = Plan::default().on(Hosts::new(3)).start(3);
    begin(&cluster);
    let ledger = Ledger::default();
    during_work(&cluster, &ledger, || {
        for _ in 0..2 {
            until_more_is_acknowledged(&ledger, 200);
            cluster.hosts().cut(0, 1);
            std::thread::sleep(lasting(Duration::from_secs(4)));
            until_more_is_acknowledged(&ledger, 200);
            cluster.hosts().heal();
            cluster.until_members_within(Duration::from_secs(10), 3);
        }
        until_more_is_acknowledged(&ledger, 200);
    });
    let counters = cluster.until_equal("counters");
    let collections = cluster.until_equal("collections");
    ledger.assert_counted(&counters);
    ledger.assert_collected(&collections);
}

fn begin(cluster: &Cluster) {
    let mut client = cluster.client(0);
    for key in 0..KEYS {
        client.put("counters", &key.to_string(), "0").unwrap().expect(200);
        client.put("collections", &key.to_string(), "{}").unwrap().expect(200);
    }
}

fn until_more_is_acknowledged(ledger: &Ledger, count: u64) {
    let before = ledger.acknowledged.load(Ordering::Relaxed);
    wait_for("acknowledged writes", || {
        (ledger.acknowledged.load(Ordering::Relaxed) >= before + count).then_some(())
    });
}

fn during_work(cluster: &Cluster, ledger: &Ledger, during: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (node, address) in cluster.addresses().into_iter().enumerate() {
            for nth in 0..WORKERS {
                let (worker, over) = (node * WORKERS + nth, &over);
                let name = move || format!("worker {worker}");
                let work = move || work(worker, address, ledger, over);
                std::thread::Builder::new().name(name()).spawn_scoped(scope, work).unwrap();
            }
        }
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(during));
        over.store(true, Ordering::Relaxed);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn work(worker: usize, address: SocketAddr, ledger: &Ledger, over: &AtomicBool) {
    let mut client = Client::impatient(address, PATIENCE);
    for nth in 0.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let key = ((worker + nth) % KEYS).to_string();
        let outcome = if worker.is_multiple_of(2) {
            count(&mut client, &key, ledger)
        } else {
            collect(&mut client, &key, format!("{worker}-{nth}"), ledger)
        };
        match outcome {
            Outcome::Acknowledged => drop(ledger.acknowledged.fetch_add(1, Ordering::Relaxed)),
            Outcome::Maybe | Outcome::Refused => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Raises a counter by one, if nobody else does meanwhile.
fn count(client: &mut Client, key: &str, ledger: &Ledger) -> Outcome {
    let Some(read) = client.read("counters", key).ok().filter(|read| read.status == 200) else {
        return Outcome::Refused;
    };
    let next = read.value().parse::<u64>().unwrap() + 1;
    let condition = format!("\"{}\"", read.etag());
    let condition = [("if-match", condition.as_str())];
    let outcome = Outcome::of(client.put_if("counters", key, &next.to_string(), &condition));
    ledger.counted.lock().unwrap().push((key.to_owned(), next, outcome));
    outcome
}

/// Puts one more into a collection.
fn collect(client: &mut Client, key: &str, what: String, ledger: &Ledger) -> Outcome {
    let path = record_path("collections", key);
    let patch = format!("{{\"{what}\":1}}");
    let outcome = Outcome::of(client.call("PATCH", &path, &[MERGE_PATCH], &patch));
    ledger.collected.lock().unwrap().push((key.to_owned(), what, outcome));
    outcome
}

impl Ledger {
    /// Nobody is told twice that a counter was raised to a number; and it stands where it was raised to.
    fn assert_counted(&self, last: &View) {
        let counted = self.counted.lock().unwrap();
        let mut raised: BTreeMap<(&str, u64), usize> = BTreeMap::new();
        let (mut surely, mut maybe) = (BTreeMap::new(), BTreeMap::new());
        for (key, to, outcome) in &*counted {
            match outcome {
                Outcome::Acknowledged => {
                    *raised.entry((key, *to)).or_default() += 1;
                    *surely.entry(key.as_str()).or_insert(0_u64) += 1;
                }
                Outcome::Maybe => *maybe.entry(key.as_str()).or_insert(0_u64) += 1,
                Outcome::Refused => {}
            }
        }
        eprintln!("raised {surely:?}, perhaps {maybe:?}, of {} tries", counted.len());
        let twice: Vec<_> = raised.into_iter().filter(|(_, times)| *times > 1).collect();
        assert!(twice.is_empty(), "acknowledged twice: {twice:?}");
        for (key, seen) in last {
            let stands: u64 = seen.value.parse().unwrap();
            let surely = surely.get(key.as_str()).copied().unwrap_or(0);
            let at_most = surely + maybe.get(key.as_str()).copied().unwrap_or(0);
            let range = surely..=at_most;
            assert!(range.contains(&stands), "counter {key} stands at {stands}, not in {range:?}");
        }
    }

    /// What was acknowledged is in there, and what was refused is not.
    fn assert_collected(&self, last: &View) {
        let collected = self.collected.lock().unwrap();
        let mut wrong = Vec::new();
        let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
        for (key, what, outcome) in &*collected {
            *outcomes.entry(format!("{outcome:?}")).or_default() += 1;
            let all: Value = serde_json::from_str(&last[key].value).unwrap();
            let is_there = all.get(what).is_some();
            if (*outcome == Outcome::Acknowledged && !is_there)
                || (*outcome == Outcome::Refused && is_there)
            {
                wrong.push(format!("{what} in {key}: {outcome:?}, and there: {is_there}"));
            }
        }
        eprintln!("collected: {outcomes:?}");
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
