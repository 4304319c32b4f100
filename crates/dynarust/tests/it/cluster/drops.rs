//! Copies that others own now are dropped, whoever is killed meanwhile, and no record with them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::agreement::lasting;
use super::doors::Doors;
use super::nodes::Plan;
use super::oracle::{Oracle, Promise};
use super::workload::{TABLE, Workload};
use crate::client::Client;
use crate::seed::dice;

const STATIC: &str = "static";
const RECORDS: usize = 3_000;

fn fill(client: &mut Client) {
    let mut lines = String::new();
    for number in 0..RECORDS {
        writeln!(lines, "{{\"key\":\"{number}\",\"value\":[{number},\"some text\"]}}").unwrap();
    }
    let ndjson = ("content-type", "application/x-ndjson");
    let path = format!("/{STATIC}/batch");
    let answer = client.call("POST", &path, &[ndjson], &lines).unwrap().expect(200);
    let answers = String::from_utf8_lossy(&answer.body);
    assert!(answers.lines().all(|line| line.contains("\"status\":200")), "{answers}");
}

/// A fourth node comes and a quarter of all copies is surplus; each node is killed in turn while they go, and
/// another node leaves, so that what was dropped is taken in again.
#[test]
fn copies_are_dropped_and_taken_in_again_over_kills() {
    let mut dice = dice("drops");
    let mut cluster = Plan::default().flag("--drop-after=1s").flag("--leave-on-term").start(3);
    fill(&mut cluster.client(0));
    let doors = Doors::new(cluster.addresses());
    let oracle = Oracle::new(64, Promise::Fresh);
    let rounds = lasting(Duration::from_secs(8)).as_secs() / 8;
    let moments: Vec<u64> = (0..1024).map(|_| dice.random_range(200..3000)).collect();
    let mut moments = moments.into_iter().cycle().map(Duration::from_millis);
    let mut pause = move || std::thread::sleep(moments.next().unwrap_or_default());
    Workload::default().run(&doors, &oracle, &mut dice, || {
        for _ in 0..rounds {
            let node = cluster.add();
            cluster.start_one(node);
            doors.open(cluster.address(node));
            cluster.until_members(4);
            for node in cluster.running() {
                pause();
                cluster.kill9(node);
                cluster.start_one(node);
                cluster.until_members(4);
                cluster.until_caught_up();
            }
            cluster.until_dropped();
            cluster.until_held(STATIC, 3 * RECORDS as u64);
            // The first of those that run goes, and the others own everything again.
            let first = cluster.running()[0];
            cluster.terminate(first);
            doors.close(cluster.address(first));
            cluster.until_members(3);
            cluster.until_caught_up();
            cluster.until_held(STATIC, 3 * RECORDS as u64);
        }
    });
    let last = cluster.until_equal(TABLE);
    oracle.assert_kept(&last);
    let all = cluster.until_equal(STATIC);
    assert_eq!(all.len(), RECORDS);
}

/// A fourth node becomes a member and is killed at once: others are not to own its share any more, and must
/// keep it until it is back and has it.
#[test]
fn nothing_is_dropped_while_an_owner_is_away() {
    let mut cluster = Plan::default().flag("--drop-after=1s").start(3);
    fill(&mut cluster.client(0));
    let node = cluster.add();
    cluster.start_one(node);
    cluster.until_members(4);
    cluster.kill9(node);
    // A copy would go within 7 s: one to be still, one to look, five to wait for what is under way.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(9) {
        for node in cluster.running() {
            let moves = cluster.stats(node).unwrap()["moves"].clone();
            assert_eq!(moves["partitions_dropping"].as_u64(), Some(0), "{moves}");
            assert_eq!(moves["records_dropped"].as_u64(), Some(0), "{moves}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    cluster.start_one(node);
    cluster.until_members(4);
    cluster.until_dropped();
    cluster.until_held(STATIC, 3 * RECORDS as u64);
    assert_eq!(cluster.until_equal(STATIC).len(), RECORDS);
}
