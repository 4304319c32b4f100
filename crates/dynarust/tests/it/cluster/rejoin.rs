//! A node that its cluster gave up comes back as a new one: with its records, where it was not away for too
//! long, and what was deleted meanwhile stays deleted; else empty, with its folder put aside.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::absence::{KEYS, assert_half_is_left, delete_half, key, tombstones, write_all};
use super::nodes::{Cluster, Plan};
use crate::node::Launch;

const EVICTED_WITHIN: Duration = Duration::from_secs(30);

/// The ids of all members, as this node tells them.
fn members(cluster: &Cluster, node: usize) -> Result<BTreeSet<String>, String> {
    let told = cluster.client(node).get("/membership").map_err(|it| format!("{it:?}"))?;
    let told: Value = serde_json::from_slice(&told.body).map_err(|it| it.to_string())?;
    let nodes = told["nodes"].as_object().ok_or_else(|| told.to_string())?;
    let ids = nodes.values().map(|node| node["id"].as_str().map(str::to_owned));
    ids.collect::<Option<_>>().ok_or_else(|| told.to_string())
}

/// Until only so many are members to this node, the others evicted.
fn until_evicted(cluster: &Cluster, node: usize, left: usize) {
    cluster.within(EVICTED_WITHIN, "the eviction", || {
        let members = members(cluster, node)?;
        (members.len() == left).then_some(()).ok_or_else(|| format!("{members:?}"))
    });
}

/// Until no node holds a tombstone.
fn until_forgotten(cluster: &Cluster) {
    cluster.within(Duration::from_secs(30), "the end of the tombstones", || {
        let left: u64 = cluster.running().into_iter().map(|node| tombstones(cluster, node)).sum();
        (left == 0).then_some(()).ok_or_else(|| format!("{left} tombstones are left"))
    });
}

/// The folders that this node's was put aside as.
fn put_aside(cluster: &Cluster, node: usize) -> Vec<PathBuf> {
    let folder = cluster.folder(node);
    let name = format!("{}.evicted-", folder.file_name().unwrap().display());
    std::fs::read_dir(folder.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&name))
        .collect()
}

#[track_caller]
fn assert_said(cluster: &Cluster, node: usize, words: &[&str]) {
    let said = cluster.said_ever(node);
    let all = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(said.lines().any(all), "no line has {words:?}: {said}");
}

/// Three nodes; the last takes a write that nobody else hears of, and is killed.
fn cut_off_and_written_to(plan: Plan) -> Cluster {
    let mut cluster = plan.start(3);
    write_all(&cluster);
    // A clean stop notes that it misses nothing, and that it is one of three.
    cluster.terminate(2);
    cluster.start_one(2);
    cluster.until_members(3);
    cluster.kill9(0);
    cluster.kill9(1);
    let mut client = cluster.client(2);
    cluster.within(Duration::from_secs(5), "a write that one node alone has", || {
        let path = "/t/key/alone?consistency=one";
        let json = ("content-type", "application/json");
        let body = r#"{"value":"only here"}"#;
        let answer = client.call("PUT", path, &[json], body).map_err(|it| format!("{it:?}"))?;
        (answer.status == 200).then_some(()).ok_or_else(|| format!("{answer:?}"))
    });
    cluster.kill9(2);
    cluster.start_one(0);
    cluster.start_one(1);
    cluster.until_members(2);
    cluster
}

#[test]
fn who_was_away_for_a_short_time_brings_its_records() {
    let mut cluster = cut_off_and_written_to(Plan::default().flag("--evict-after=10s"));
    delete_half(&cluster, 0);
    let former = members(&cluster, 0).unwrap();
    until_evicted(&cluster, 0, 2);
    // It knows the others, and needs nobody to tell it.
    cluster.set_join(2, None);
    cluster.start_one(2);
    cluster.until_members(3);
    let present = members(&cluster, 0).unwrap();
    assert_eq!(present.intersection(&former).count(), 2, "{former:?} {present:?}");
    let last = cluster.until_equal("t");
    assert_eq!(last["alone"].value, "\"only here\"", "what it alone had is everybody's now");
    let mut client = cluster.client(1);
    client.delete("t", "alone").unwrap().expect(200);
    assert_half_is_left(&cluster);
    assert_eq!(put_aside(&cluster, 2), Vec::<PathBuf>::new());
    assert_said(&cluster, 2, &["is within --rejoin-max", "with the records"]);
    // As the new node it is a member like any other.
    cluster.restart(2);
    cluster.until_members(3);
    assert_eq!(members(&cluster, 0).unwrap(), present);
    assert_half_is_left(&cluster);
}

/// What it still has, and was deleted, does not return.
#[test]
fn who_was_away_too_long_comes_back_empty() {
    let plan = Plan::default().flag("--tombstone-age=2s").flag("--rejoin-max=1s");
    let mut cluster = cut_off_and_written_to(plan.flag("--evict-after=10s"));
    delete_half(&cluster, 0);
    until_evicted(&cluster, 0, 2);
    // Nobody waits for it with the deletes any more.
    until_forgotten(&cluster);
    cluster.set_join(2, Some(0));
    cluster.start_one(2);
    cluster.until_members(3);
    assert_half_is_left(&cluster);
    let aside = put_aside(&cluster, 2);
    assert_eq!(aside.len(), 1, "its folder is put aside: {aside:?}");
    assert_said(&cluster, 2, &["not within --rejoin-max", &aside[0].display().to_string()]);
    // By itself, and without what it knows of a cluster, it can be looked at.
    std::fs::remove_file(aside[0].join("CLUSTER")).unwrap();
    let alone = Launch::new(&aside[0]).start();
    assert_eq!(alone.client().read("t", "alone").unwrap().expect(200).value(), "\"only here\"");
}

/// It had its new identity, and found nobody to join before too long had passed.
#[test]
fn who_finds_its_cluster_too_late_comes_back_empty() {
    let plan = Plan::default().flag("--tombstone-age=2s").flag("--rejoin-max=1s");
    let mut cluster = cut_off_and_written_to(plan.flag("--evict-after=10s"));
    delete_half(&cluster, 0);
    until_evicted(&cluster, 0, 2);
    until_forgotten(&cluster);
    dynarust_store::renew::renew(&cluster.folder(2)).unwrap();
    cluster.start_one(2);
    cluster.until_members(3);
    assert_half_is_left(&cluster);
    assert_eq!(put_aside(&cluster, 2).len(), 1);
}

/// As a new node it is to own other partitions than before: what it holds of those goes to their owners.
#[test]
fn its_records_go_to_whom_they_belong_now() {
    let plan = Plan::default().flag("--replication=1").flag("--drop-after=1s");
    let mut cluster = plan.flag("--evict-after=10s").start(3);
    cluster.until_caught_up();
    cluster.until_dropped();
    write_all(&cluster);
    cluster.until_held("t", KEYS as u64);
    cluster.terminate(2);
    until_evicted(&cluster, 0, 2);
    cluster.start_one(2);
    cluster.until_members(3);
    cluster.within(Duration::from_secs(20), "the records of the one that was away", || {
        let last = cluster.until_equal("t");
        (last.len() == KEYS).then_some(()).ok_or_else(|| format!("{} are there", last.len()))
    });
    cluster.until_dropped();
    cluster.until_held("t", KEYS as u64);
    assert_eq!(cluster.until_equal("t").len(), KEYS);
}

/// The others know later starts of the node than its folder does.
#[test]
fn a_folder_that_was_restored_is_a_new_node_with_its_records() {
    let mut cluster = Plan::default().flag("--evict-after=10s").start(3);
    write_all(&cluster);
    cluster.terminate(2);
    let copy = cluster.folder(2).with_extension("copy");
    assert!(
        Command::new("cp").arg("-a").args([&cluster.folder(2), &copy]).status().unwrap().success()
    );
    let former = members(&cluster, 0).unwrap();
    for _ in 0..3 {
        cluster.start_one(2);
        cluster.until_members(3);
        cluster.terminate(2);
    }
    std::fs::remove_dir_all(cluster.folder(2)).unwrap();
    std::fs::rename(&copy, cluster.folder(2)).unwrap();
    delete_half(&cluster, 0);
    cluster.start_one(2);
    // Until it is evicted, its former self is a member at its address.
    cluster.within(EVICTED_WITHIN, "a new member in its place", || {
        let present = members(&cluster, 0)?;
        let (kept, all) = (present.intersection(&former).count(), present.len());
        ((kept, all) == (2, 3)).then_some(()).ok_or_else(|| format!("{former:?}, {present:?}"))
    });
    cluster.until_members_within(EVICTED_WITHIN, 3);
    assert_half_is_left(&cluster);
    assert_eq!(cluster.until_equal("t").len(), KEYS / 2);
    assert!(!cluster.until_equal("t").contains_key(&key(0)));
    assert_said(&cluster, 2, &["with the records"]);
}
