//! Waiting until the nodes say the same: of who is a member, and of each record.
//!
//! What is promised within a time is waited for with patience, and then held against that time: to the
//! letter in the long form, and with some slack in the short one, which shares its machine with builds.
//! Where it never comes, or too late, each node's own account is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::nodes::{Cluster, PATIENCE};
use crate::client::{Answer, Client};
use crate::mirror::Seen;
use crate::node;

const LOG_LINES_SHOWN: usize = 60;

const DIFFERENCES_SHOWN: usize = 10;

/// How often a condition is looked at.
const ROUND: Duration = Duration::from_millis(50);

/// By how much the short form may be late.
const SLACK: u32 = 4;

/// How many seconds each scenario of the long form lasts, where that is what was asked for.
pub(crate) fn long_form() -> Option<Duration> {
    let seconds = std::env::var("DYNARUST_CLUSTER_SECONDS").ok()?;
    Some(Duration::from_secs(seconds.parse().unwrap()))
}

/// How long a scenario lasts: this, or what the long form asks for.
pub(crate) fn lasting(short_form: Duration) -> Duration {
    long_form().unwrap_or(short_form)
}

/// A table's records, by key.
pub(crate) type View = BTreeMap<String, Seen>;

#[derive(Deserialize)]
struct Line<'a> {
    key: String,
    #[serde(borrow)]
    value: &'a RawValue,
    version: String,
}

/// All records of a table as one node lists them; a reason where it can't.
pub(crate) fn view_of(client: &mut Client, table: &str, consistency: &str) -> Result<View, String> {
    let path = format!("/{table}/store?consistency={consistency}");
    let accept = ("accept", "application/x-ndjson");
    let answer = client.call("GET", &path, &[accept], "").map_err(|it| format!("{it:?}"))?;
    view_in(&answer)
}

/// All records in a list of lines.
pub(crate) fn view_in(answer: &Answer) -> Result<View, String> {
    let text = std::str::from_utf8(&answer.body).map_err(|it| it.to_string())?;
    if answer.status != 200 {
        return Err(format!("{}: {text}", answer.status));
    }
    let seen = |line: &str| {
        let line: Line<'_> = serde_json::from_str(line).map_err(|it| format!("{it}: {line}"))?;
        let (value, version) = (line.value.get().to_owned(), line.version);
        Ok((line.key, Seen { value, version }))
    };
    text.lines().map(seen).collect()
}

/// What differs between two views, in words.
fn differences(one: &View, other: &View) -> Vec<String> {
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let shown = |seen: Option<&Seen>| {
        seen.map_or("absent".to_owned(), |it| {
            let value: String = it.value.chars().take(60).collect();
            format!("{} {value}", it.version)
        })
    };
    let unlike = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
    unlike
        .map(|key| format!("{key}: {} / {}", shown(one.get(key)), shown(other.get(key))))
        .collect()
}

impl Cluster {
    /// Waits until `met` is content; a reason why it is not is shown when it never is. Gives how long
    /// it took, which is held against `limit`.
    #[track_caller]
    pub(crate) fn within(
        &self,
        limit: Duration,
        what: &str,
        mut met: impl FnMut() -> Result<(), String>,
    ) -> Duration {
        let began = Instant::now();
        loop {
            let reason = match met() {
                Ok(()) => break,
                Err(reason) => reason,
            };
            if began.elapsed() > node::PATIENCE.max(limit * SLACK) {
                self.dump();
                panic!("waited {:?} in vain for {what}: {reason}", began.elapsed());
            }
            std::thread::sleep(ROUND);
        }
        let took = began.elapsed();
        eprintln!("{what}: {took:.2?} of {limit:?}");
        let slack = if long_form().is_some() { 1 } else { SLACK };
        if took > limit * slack {
            self.dump();
            panic!("{what} took {took:?} of {limit:?}");
        }
        took
    }

    /// Every running node shows the same nodes, so many, all active. Promised within 5 s.
    #[track_caller]
    pub(crate) fn until_members(&self, count: usize) -> Duration {
        self.until_members_within(Duration::from_secs(5), count)
    }

    #[track_caller]
    pub(crate) fn until_members_within(&self, limit: Duration, count: usize) -> Duration {
        self.within(limit, &format!("one membership of {count}"), || self.are_members(count))
    }

    fn are_members(&self, count: usize) -> Result<(), String> {
        let mut first: Option<BTreeSet<(String, String)>> = None;
        for node in self.running() {
            let active =
                active_nodes(self.address(node)).map_err(|it| format!("node {node}: {it}"))?;
            if active.len() != count {
                return Err(format!("node {node} shows {} active: {active:?}", active.len()));
            }
            let first = first.get_or_insert_with(|| active.clone());
            if *first != active {
                return Err(format!("node {node} shows {active:?}, another {first:?}"));
            }
        }
        Ok(())
    }

    /// Every running node has caught up with all others, as far as it knows.
    #[track_caller]
    pub(crate) fn until_caught_up(&self) {
        self.within(Duration::from_secs(15), "all caught up", || {
            self.running().into_iter().try_for_each(|node| {
                match self.stats(node)?.pointer("/catch_up/partitions_waiting") {
                    Some(waiting) if waiting.as_u64() == Some(0) => Ok(()),
                    waiting => Err(format!("node {node} waits for partitions: {waiting:?}")),
                }
            })
        });
    }

    /// No running node holds copies any more that others are to have. They are looked for every second, and
    /// each takes some.
    #[track_caller]
    pub(crate) fn until_dropped(&self) {
        self.within(Duration::from_secs(60), "surplus copies dropped", || {
            self.running().into_iter().try_for_each(|node| {
                let moves = self.stats(node)?["moves"].clone();
                let done = ["partitions_surplus", "partitions_dropping"]
                    .iter()
                    .all(|it| moves[*it].as_u64() == Some(0));
                if done { Ok(()) } else { Err(format!("node {node}: {moves}")) }
            })
        });
    }

    /// So many copies of a table's records lie on all running nodes together. Their counts are as old as the
    /// applier's last round.
    #[track_caller]
    pub(crate) fn until_held(&self, table: &str, copies: u64) {
        self.within(Duration::from_secs(60), "the right number of copies", || {
            let path = format!("/tables/counts/{table}/keys");
            let held = self.running().into_iter().map(|node| {
                Ok(self.stats(node)?.pointer(&path).and_then(Value::as_u64).unwrap_or(0))
            });
            let held: Vec<u64> = held.collect::<Result<_, String>>()?;
            if held.iter().sum::<u64>() == copies {
                eprintln!("{table} on each node: {held:?}");
                return Ok(());
            }
            Err(format!("{held:?} make {}, not {copies}", held.iter().sum::<u64>()))
        });
    }

    /// Every running node lists the same records, from its own copies where it has them: the same value
    /// and version under each key, and what one has deleted none has. Promised within 5 s.
    #[track_caller]
    pub(crate) fn until_equal(&self, table: &str) -> View {
        self.until_equal_within(Duration::from_secs(5), table)
    }

    #[track_caller]
    pub(crate) fn until_equal_within(&self, limit: Duration, table: &str) -> View {
        let mut common = View::new();
        self.within(limit, &format!("equal copies of {table}"), || {
            common = self.common_view(table)?;
            Ok(())
        });
        common
    }

    fn common_view(&self, table: &str) -> Result<View, String> {
        let mut first: Option<View> = None;
        for node in self.running() {
            for consistency in ["one", "available"] {
                let view = view_of(&mut self.client(node), table, consistency)
                    .map_err(|it| format!("node {node}: {it}"))?;
                let first = first.get_or_insert_with(|| view.clone());
                let unlike = differences(first, &view);
                if !unlike.is_empty() {
                    let shown = &unlike[..unlike.len().min(DIFFERENCES_SHOWN)];
                    let count = unlike.len();
                    return Err(format!("node {node} ({consistency}): {count} differ: {shown:#?}"));
                }
            }
        }
        Ok(first.unwrap_or_default())
    }

    /// Who is a member, as this node tells it.
    pub(crate) fn membership(&self, node: usize) -> Result<Value, String> {
        json_of(self.address(node), "/membership")
    }

    /// The node's figures.
    pub(crate) fn stats(&self, node: usize) -> Result<Value, String> {
        json_of(self.address(node), "/stats")
    }

    /// What each node says of itself and of the others, to stderr.
    pub(crate) fn dump(&self) {
        for node in self.all() {
            let address = self.address(node);
            let said = self.said_ever(node);
            let lines: Vec<&str> = said.lines().collect();
            let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("--- node {node} at {address}\n{}", lines[from..].join("\n"));
            if !self.running().contains(&node) {
                eprintln!("(it does not run)");
                continue;
            }
            for path in ["/membership", "/readyz", "/stats"] {
                let shown = json_of(address, path).map_or_else(
                    |why| why,
                    |mut value| {
                        for long in ["limits", "requests", "process", "connections"] {
                            value.as_object_mut().and_then(|members| members.remove(long));
                        }
                        value.to_string()
                    },
                );
                eprintln!("{path}: {shown}");
            }
        }
    }
}

fn json_of(address: SocketAddr, path: &str) -> Result<Value, String> {
    let answer = Client::impatient(address, PATIENCE).get(path).map_err(|it| format!("{it:?}"))?;
    serde_json::from_slice(&answer.body).map_err(|it| it.to_string())
}

/// The addresses and ids of those that a node shows as active.
pub(crate) fn active_nodes(address: SocketAddr) -> Result<BTreeSet<(String, String)>, String> {
    let membership = json_of(address, "/membership")?;
    let nodes = membership["nodes"].as_object().ok_or("no nodes in /membership")?;
    let active = nodes.iter().filter(|(_, node)| node["status"] == "Active");
    let named = active.map(|(address, node)| {
        (address.clone(), node["id"].as_str().unwrap_or_default().to_owned())
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::nodes::Plan;

    /// A cluster of one is what it says; two that never met are neither one cluster nor equal.
    #[test]
    fn agreement_is_found_and_missed() {
        let mut cluster = Plan::default().prepare(2);
        cluster.start_one(0);
        cluster.until_members(1);
        cluster.client(0).put("t", "a", "1").unwrap().expect(200);
        cluster.client(0).put("t", "b", "2").unwrap().expect(200);
        cluster.client(0).delete("t", "b").unwrap().expect(200);
        let view = cluster.until_equal("t");
        assert_eq!(view.keys().collect::<Vec<_>>(), ["a"]);
        cluster.set_join(1, None);
        cluster.start_one(1);
        assert!(cluster.are_members(1).unwrap_err().contains("another"));
        assert!(cluster.are_members(2).unwrap_err().contains("shows 1 active"));
        cluster.client(1).put("t", "a", "1").unwrap().expect(200);
        let unlike = cluster.common_view("t").unwrap_err();
        assert!(unlike.contains("1 differ") && unlike.contains("a: "), "{unlike}");
        // Harm of each kind, and the folder that stays or goes.
        cluster.stop(1);
        assert_eq!(cluster.running(), [0]);
        cluster.cont(1);
        cluster.restart(0);
        assert_eq!(cluster.until_equal_of_one(0).len(), 1);
        cluster.terminate(1);
        std::fs::remove_dir_all(cluster.folder(1)).unwrap();
        cluster.start_one(1);
        assert_eq!(cluster.until_equal_of_one(1).len(), 0);
        cluster.dump();
    }

    /// A node's clock is where it was set, and stamps tell.
    #[test]
    fn clocks_are_set() {
        if !crate::cluster::clocks::can_set_clocks("clocks") {
            return;
        }
        let mut cluster = Plan::default().clock(1, 3600.0).prepare(2);
        cluster.set_join(1, None);
        for node in [0, 1] {
            cluster.start_one(node);
        }
        let now =
            |node| json_of(cluster.address(node), "/membership").unwrap()["timestamp"].as_i64();
        let ahead = now(1).unwrap() - now(0).unwrap();
        assert!((3_590_000..3_610_000).contains(&ahead), "{ahead} ms");
    }

    impl Cluster {
        fn until_equal_of_one(&self, node: usize) -> View {
            view_of(&mut self.client(node), "t", "one").unwrap()
        }
    }
}
