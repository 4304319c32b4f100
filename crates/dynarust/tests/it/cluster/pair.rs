//! Two nodes, of which one is lost and comes back; and clocks that are an hour apart.

use std::time::{Duration, Instant};

use super::clocks::can_set_clocks;
use super::doors::Doors;
use super::nodes::{Cluster, PATIENCE, Plan};
use super::oracle::{Oracle, Promise};
use super::workload::{TABLE, Workload};
use crate::client::Client;
use crate::node::wait_for;
use crate::seed::dice;

const AN_HOUR: f64 = 3600.0;

/// What a lost node may cost, until the first answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn one_of_two_goes_on() {
    one_is_lost_and_returns(&mut Cluster::start(2));
}

#[test]
fn one_of_two_goes_on_with_an_hour_between_their_clocks() {
    if !can_set_clocks("one of two, an hour apart") {
        return;
    }
    let mut cluster = Plan::default().clock(1, AN_HOUR).start(2);
    for node in [0, 1] {
        cluster.within(Duration::from_secs(10), "a word of the clocks", || {
            let ready = cluster.client(node).get("/readyz").map_err(|it| format!("{it:?}"))?;
            let said = String::from_utf8_lossy(&ready.body).to_lowercase();
            let tells =
                said.contains("clock") && cluster.said(node).to_lowercase().contains("clock");
            (ready.status == 200 && tells).then_some(()).ok_or(said)
        });
    }
    one_is_lost_and_returns(&mut cluster);
}

fn one_is_lost_and_returns(cluster: &mut Cluster) {
    let mut dice = dice("pair");
    for lost in [1, 0] {
        let left = 1 - lost;
        let doors = Doors::new(cluster.addresses());
        let oracle = Oracle::new(32, Promise::Fresh);
        let table = TABLE;
        let workload = Workload { writers: 8, pinned: 2, ..Workload::default() };
        workload.run(&doors, &oracle, &mut dice, || {
            std::thread::sleep(Duration::from_millis(500));
            cluster.kill9(lost);
            let mut client = Client::impatient(cluster.address(left), PATIENCE);
            cluster.within(ANSWER_WITHIN, "the first answer", || {
                first_answer(&mut client, &format!("{lost} is lost"))
            });
            std::thread::sleep(Duration::from_secs(1));
            cluster.start_one(lost);
            cluster.until_members(2);
            std::thread::sleep(Duration::from_millis(500));
        });
        let last = cluster.until_equal(table);
        oracle.assert_kept(&last);
        cluster.until_equal("alone");
        // The next round begins with a table in which nobody wrote anything.
        empty(cluster, table);
    }
}

/// Both a write and a read.
fn first_answer(client: &mut Client, key: &str) -> Result<(), String> {
    let written = client.put("alone", key, "1").map_err(|it| format!("{it:?}"))?;
    let read = client.read("alone", key).map_err(|it| format!("{it:?}"))?;
    let done = written.status == 200 && read.status == 200;
    done.then_some(()).ok_or_else(|| format!("{written:?} {read:?}"))
}

fn empty(cluster: &Cluster, table: &str) {
    let mut client = cluster.client(0);
    let keys = client.get(&format!("/{table}/keys")).unwrap().expect(200);
    let keys: Vec<String> = serde_json::from_slice(&keys.body).unwrap();
    for key in keys {
        client.delete(table, &key).unwrap().expect(200);
    }
    assert_eq!(cluster.until_equal(table).len(), 0);
}

/// What the majority does not share, one node has alone: it says so, and keeps out.
#[test]
fn of_three_the_one_that_is_an_hour_off_fences_itself() {
    if !can_set_clocks("of three, one an hour off") {
        return;
    }
    let mut cluster = Plan::default().clock(2, AN_HOUR).prepare(3);
    cluster.start_one(0);
    cluster.start_one(1);
    cluster.spawn(2);
    let mut off = cluster.client(2);
    let mut taken = 0;
    cluster.within(Duration::from_secs(10), "the fence", || {
        let answer = off.put("t", "k", "1").map_err(|it| format!("{it:?}"))?;
        // Where it meets the others one long after the other, it cannot tell sooner.
        taken |= usize::from(answer.status == 200);
        let fenced = answer.status == 503 && answer.code() == "clock_skew";
        fenced.then_some(()).ok_or_else(|| format!("{answer:?}"))
    });
    let ready = off.get("/readyz").unwrap().expect(503);
    assert!(String::from_utf8_lossy(&ready.body).to_lowercase().contains("clock"), "{ready:?}");
    assert!(cluster.said(2).to_lowercase().contains("clock"), "{}", cluster.said(2));
    let began = Instant::now();
    for (node, key) in [(0, "a"), (1, "b")] {
        cluster.client(node).put("t", key, "1").unwrap().expect(200);
        cluster.client(1 - node).read("t", key).unwrap().expect(200);
        cluster.client(node).get("/readyz").unwrap().expect(200);
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    // Set right, it is one of three.
    cluster.kill9(2);
    cluster.set_clock(2, 0.0);
    cluster.start_one(2);
    cluster.until_members(3);
    wait_for("a write at the third", || {
        cluster.client(2).put("t", "c", "1").ok().filter(|answer| answer.status == 200)
    });
    assert_eq!(cluster.until_equal("t").len(), 3 + taken);
}
