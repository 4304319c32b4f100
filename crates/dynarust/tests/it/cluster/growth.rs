//! From one node to five, and back to two, under readers and writers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::agreement::{lasting, long_form};
use super::doors::Doors;
use super::nodes::{Cluster, PATIENCE, Plan};
use super::oracle::{Oracle, Promise};
use super::workload::{Outage, SetAtLast, TABLE, Workload};
use crate::client::{Client, record_path};
use crate::seed::dice;

pub(super) const STATIC: &str = "static";

const BATCH: usize = 1000;

/// How long a client may get nothing right, trying all nodes.
const OUTAGE_MAX: Duration = Duration::from_secs(2);

/// The long form has 100,000 records.
#[test]
fn from_one_to_five_and_back_to_two() {
    let mut dice = dice("growth");
    let records = if long_form().is_some() { 100_000 } else { 4_000 };
    let plan = Plan::default().flag("--leave-on-term").flag("--drop-after=1s");
    let mut cluster = plan.start(1);
    fill(&mut cluster.client(0), records);
    let doors = Doors::new(cluster.addresses());
    let oracle = Oracle::new(1_000, Promise::Fresh);
    let workload = Workload { writers: 8, pinned: 0, ..Workload::default() };
    let rest = lasting(Duration::from_secs(6)) / 8;
    let over = AtomicBool::new(false);
    let seed = dice.random();
    let ((), report) = std::thread::scope(|scope| {
        let ending = SetAtLast(&over);
        let reader = scope.spawn(|| read_static_until(&over, &doors, records, seed));
        let result = workload.run(&doors, &oracle, &mut dice, || {
            grow_and_shrink(&mut cluster, &doors, records, rest);
        });
        drop(ending);
        let (reads, outage) = reader.join().unwrap();
        eprintln!("{reads} reads of what does not change, {outage:.2?} without at most");
        assert!(outage <= OUTAGE_MAX, "{outage:?}");
        result
    });
    let last = cluster.until_equal(TABLE);
    oracle.assert_kept(&last);
    let all = cluster.until_equal_within(Duration::from_secs(30), STATIC);
    assert_eq!(all.len(), records);
    assert!(report.longest_write_outage <= OUTAGE_MAX, "{report:?}");
    assert!(report.longest_read_outage <= OUTAGE_MAX, "{report:?}");
}

fn grow_and_shrink(cluster: &mut Cluster, doors: &Doors, records: usize, rest: Duration) {
    std::thread::sleep(rest);
    for count in 2..=5 {
        let node = cluster.add();
        cluster.start_one(node);
        doors.open(cluster.address(node));
        cluster.until_members(count);
        std::thread::sleep(rest);
    }
    cluster.until_dropped();
    cluster.until_held(STATIC, 3 * records as u64);
    // The first goes too: nobody is special.
    for (node, left) in [(0, 4), (3, 3), (2, 2)] {
        let began = Instant::now();
        cluster.terminate(node);
        eprintln!("node {node} left in {:.2?}", began.elapsed());
        doors.close(cluster.address(node));
        cluster.until_members(left);
        std::thread::sleep(rest);
    }
}

fn key(number: usize) -> String {
    format!("record {number:06}")
}

/// So many records in a table of their own.
pub(super) fn fill(client: &mut Client, records: usize) {
    let numbers: Vec<usize> = (0..records).collect();
    for numbers in numbers.chunks(BATCH) {
        let mut lines = String::new();
        for &number in numbers {
            let text = "lorem ipsum ".repeat(28);
            let value = format!("{{\"number\":{number},\"text\":\"{text}\"}}");
            writeln!(lines, "{{\"key\":\"{}\",\"value\":{value}}}", key(number)).unwrap();
        }
        let ndjson = ("content-type", "application/x-ndjson");
        let path = format!("/{STATIC}/batch");
        let answer = client.call("POST", &path, &[ndjson], &lines).unwrap().expect(200);
        let answers = String::from_utf8_lossy(&answer.body);
        assert!(answers.lines().all(|line| line.contains("\"status\":200")), "{answers}");
    }
}

/// Each record is there at each moment, through any door. Gives the reads, and the longest time in which
/// none succeeded.
fn read_static_until(
    over: &AtomicBool,
    doors: &Doors,
    records: usize,
    seed: u64,
) -> (u64, Duration) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut clients: BTreeMap<SocketAddr, Client> = BTreeMap::new();
    let (mut reads, mut outage) = (0, Outage::default());
    while !over.load(Ordering::Relaxed) {
        let door = doors.pick(dice.random_range(0..1024));
        let number = dice.random_range(0..records);
        let client = clients.entry(door).or_insert_with(|| Client::impatient(door, PATIENCE));
        let sent = Instant::now();
        let answer = client.get(&record_path(STATIC, &key(number)));
        let success = match answer {
            Ok(answer) if answer.status == 503 => false,
            Ok(answer) => {
                let answer = answer.expect(200);
                assert!(answer.value().contains(&format!("\"number\":{number},")));
                reads += 1;
                true
            }
            Err(_) => false,
        };
        outage.note(sent, success);
        std::thread::sleep(Duration::from_millis(1));
    }
    (reads, outage.longest())
}
