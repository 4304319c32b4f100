//! Nodes that leave their cluster, and nodes that are taken out of it.

use std::time::{Duration, Instant};

use super::doors::Doors;
use super::growth::{STATIC, fill};
use super::hosts::{Hosts, can_have_hosts};
use super::nodes::{Cluster, Plan};
use super::oracle::{Oracle, Promise};
use super::workload::{TABLE, Workload};
use crate::seed::dice;

const RECORDS: usize = 200;

/// One way.
const SLOW: Duration = Duration::from_millis(200);

const STATIC_RECORDS: usize = 10_000;

/// How long a client may get nothing right, trying all nodes.
const OUTAGE_MAX: Duration = Duration::from_secs(2);

/// How long a leave takes at most where little is to be copied.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

impl Cluster {
    /// `DynaRust leave`, asked of the node itself. What it says: its words, or why not.
    fn ask_to_leave(&self, node: usize) -> Result<String, String> {
        self.operate(&["leave", &self.address(node).to_string()])
    }

    /// `DynaRust remove`, asked of another node.
    fn remove(&self, removed: &str, asked: usize) -> Result<String, String> {
        self.operate(&["remove", removed, &self.address(asked).to_string()])
    }

    #[track_caller]
    fn until_left(&mut self, node: usize) {
        let status = self.until_ended(node);
        assert!(status.success(), "{status}: {}", self.said(node));
        assert!(self.said(node).contains("has left its cluster"), "{}", self.said(node));
    }

    /// How a node shows another: its status; none where it does not show it.
    fn status(&self, asked: usize, shown: usize) -> Result<Option<String>, String> {
        let answer = self.client(asked).get("/membership").map_err(|it| format!("{it:?}"))?;
        let told: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|it| it.to_string())?;
        let status = &told["nodes"][self.address(shown).to_string()]["status"];
        Ok(status.as_str().map(str::to_owned))
    }

    #[track_caller]
    fn until_status(&self, asked: usize, shown: usize, expected: Option<&str>) {
        self.within(Duration::from_secs(5), &format!("{shown} as {expected:?}"), || {
            let status = self.status(asked, shown)?;
            (status.as_deref() == expected).then_some(()).ok_or(format!("{status:?}"))
        });
    }

    fn id(&self, node: usize) -> String {
        self.stats(node).unwrap()["node"]["id"].as_str().unwrap().to_owned()
    }

    fn fill(&self, through: usize) {
        let mut client = self.client(through);
        for number in 0..RECORDS {
            client.put("t", &number.to_string(), "1").unwrap().expect(200);
        }
    }

    #[track_caller]
    fn assert_all_there(&self) {
        assert_eq!(self.until_equal("t").len(), RECORDS);
    }
}

/// Nobody is special: it may be the first.
#[test]
fn one_of_four_leaves_under_writers() {
    let cluster = one_leaves_under_writers(Cluster::start(4), 0, None);
    cluster.until_members(3);
}

#[test]
fn one_of_four_leaves_under_writers_while_another_is_down() {
    let mut cluster = one_leaves_under_writers(Cluster::start(4), 2, Some(3));
    cluster.start_one(3);
    cluster.until_members(3);
    // It hears on its return who went meanwhile.
    cluster.until_status(3, 2, None);
    cluster.until_equal(TABLE);
}

/// What it holds nobody else has, until it goes.
#[test]
fn one_leaves_that_holds_the_only_copies() {
    let plan = Plan::default().flag("--replication=1");
    let cluster = one_leaves_under_writers(plan.start(3), 1, None);
    cluster.until_members(2);
}

/// What one coordinator and the node that leaves have acknowledged, the others have only later: they never
/// have what is written just now, and it leaves all the same; and no read at the others misses anything.
#[test]
fn one_leaves_over_slow_links_under_writers() {
    if !can_have_hosts("a leave over slow links") {
        return;
    }
    let (writes, reads, leaves) = (0, 3, 4);
    let mut cluster = Plan::default().on(Hosts::new(5)).start(5);
    for (one, other) in [(writes, 1), (writes, 2), (leaves, 1), (leaves, 2)] {
        cluster.hosts().slow(one, other, SLOW, 0);
    }
    let (mut dice, mut readers_dice) = (dice("slow leave"), dice("slow leave's readers"));
    let oracle = Oracle::new(32, Promise::Fresh);
    let [writing, reading] = [writes, reads].map(|node| Doors::new(vec![cluster.address(node)]));
    let pause = Duration::from_millis(1);
    let writers = Workload { writers: 24, roving: 0, pinned: 0, pause };
    let readers = Workload { writers: 0, roving: 6, pinned: 0, pause };
    writers.run(&writing, &oracle, &mut dice, || {
        readers.run(&reading, &oracle, &mut readers_dice, || {
            std::thread::sleep(Duration::from_secs(1));
            cluster.ask_to_leave(leaves).unwrap();
            cluster.until_left(leaves);
            std::thread::sleep(Duration::from_millis(500));
        });
    });
    cluster.hosts().heal();
    cluster.until_members(4);
    oracle.assert_kept(&cluster.until_equal(TABLE));
}

fn one_leaves_under_writers(mut cluster: Cluster, leaves: usize, away: Option<usize>) -> Cluster {
    let mut dice = dice("leaving");
    // So much that it is not copied at once.
    fill(&mut cluster.client(leaves), STATIC_RECORDS);
    let doors = Doors::new(cluster.addresses());
    let oracle = Oracle::new(64, Promise::Fresh);
    let workload = Workload { writers: 8, ..Workload::default() };
    let ((), report) = workload.run(&doors, &oracle, &mut dice, || {
        if let Some(away) = away {
            doors.close(cluster.address(away));
            cluster.kill9(away);
            cluster.until_status(leaves, away, Some("Down"));
        }
        std::thread::sleep(Duration::from_millis(500));
        let said = cluster.ask_to_leave(leaves).unwrap();
        assert!(said.contains("leaves the cluster"), "{said}");
        let asked = Instant::now();
        cluster.until_left(leaves);
        eprintln!("node {leaves} left in {:.2?}", asked.elapsed());
        assert!(asked.elapsed() < LEAVE_WITHIN, "{:?}", asked.elapsed());
        doors.close(cluster.address(leaves));
        std::thread::sleep(Duration::from_millis(500));
    });
    assert!(report.longest_write_outage <= OUTAGE_MAX, "{report:?}");
    assert!(report.longest_read_outage <= OUTAGE_MAX, "{report:?}");
    oracle.assert_kept(&cluster.until_equal(TABLE));
    assert_eq!(cluster.until_equal(STATIC).len(), STATIC_RECORDS);
    cluster
}

/// Whose copies are needed is waited for, and named; a node that is killed before it could go stays; and
/// one that is removed is waited for no more.
#[test]
fn a_leave_waits_for_a_node_without_which_there_are_too_few() {
    let mut cluster = Plan::default().flag("--replication=2").start(4);
    cluster.fill(1);
    let (leaves, away) = (0, 3);
    let id = cluster.id(away);
    let refusal = cluster.remove(&id, leaves).unwrap_err();
    assert!(refusal.contains("leave instead"), "{refusal}");
    cluster.kill9(away);
    cluster.until_status(leaves, away, Some("Down"));
    for killed in [true, false] {
        cluster.ask_to_leave(leaves).unwrap();
        cluster.until_status(1, leaves, Some("Leaving"));
        cluster.within(Duration::from_secs(10), "a word of whom it waits for", || {
            let waiting = cluster.stats(leaves)?["leaving"]["partitions_waiting"].as_u64();
            let told = cluster.said(leaves).contains(&format!("node {id}"));
            (told && waiting > Some(0)).then_some(()).ok_or(format!("{told} {waiting:?}"))
        });
        assert!(cluster.has_ended(leaves).is_none());
        // It serves as before.
        cluster.client(leaves).put("t", "0", "2").unwrap().expect(200);
        if killed {
            cluster.restart(leaves);
            cluster.until_members(3);
            assert_eq!(cluster.stats(leaves).unwrap()["leaving"]["partitions_waiting"], 0);
        }
    }
    cluster.remove(&id, 1).unwrap();
    cluster.until_left(leaves);
    cluster.until_members(2);
    cluster.assert_all_there();
    // Who was removed hears it, and comes back as another.
    cluster.set_join(away, Some(1));
    cluster.start_one(away);
    cluster.until_members(3);
    assert_ne!(cluster.id(away), id);
    cluster.assert_all_there();
}

/// Somebody must take over: the last is refused, with the reason, and goes on.
#[test]
fn of_two_both_are_asked_to_leave() {
    let mut cluster = Cluster::start(2);
    cluster.fill(0);
    cluster.ask_to_leave(0).unwrap();
    let refusal = cluster.ask_to_leave(1).unwrap_err();
    assert!(refusal.contains("nobody would take over"), "{refusal}");
    cluster.until_left(0);
    cluster.until_status(1, 0, None);
    let refusal = cluster.ask_to_leave(1).unwrap_err();
    assert!(refusal.contains("alone"), "{refusal}");
    cluster.assert_all_there();
    // Started again it is a new node, and knows whom to ask; it waits for that where it must.
    let id = cluster.id(1);
    cluster.terminate(1);
    cluster.set_join(0, None);
    cluster.spawn(0);
    cluster.within(Duration::from_secs(5), "a word of the other", || {
        let (said, address) = (cluster.said(0), cluster.address(1).to_string());
        said.contains(&format!("cannot join {address}")).then_some(()).ok_or(said)
    });
    cluster.start_one(1);
    cluster.until_members(2);
    assert_eq!(cluster.id(1), id);
    cluster.assert_all_there();
}

/// All processes end, whoever could still leave; and all is there when they are started again.
#[test]
fn all_are_told_to_leave_at_once() {
    let mut cluster = Plan::default().flag("--leave-on-term").start(3);
    cluster.fill(0);
    for node in cluster.all() {
        cluster.signal(node, rustix::process::Signal::TERM);
    }
    for node in cluster.all() {
        let status = cluster.until_ended(node);
        assert!(status.success(), "{status}: {}", cluster.said(node));
    }
    let left: Vec<usize> =
        cluster.all().filter(|node| cluster.said(*node).contains("has left its cluster")).collect();
    eprintln!("left: {left:?}");
    let stayed = cluster.all().find(|node| !left.contains(node)).unwrap();
    for node in cluster.all() {
        cluster.set_join(node, (node != stayed).then_some(stayed));
        cluster.spawn(node);
    }
    cluster.until_members(3);
    cluster.assert_all_there();
}
