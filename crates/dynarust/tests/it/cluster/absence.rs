//! Nodes that are away while keys are deleted, for longer than deletes are remembered.

use std::time::Duration;

use super::agreement::long_form;
use super::nodes::{Cluster, Plan};

const KEYS: usize = 40;

const AGE: Duration = Duration::from_secs(2);

fn key(number: usize) -> String {
    format!("key {number}")
}

fn write_all(cluster: &Cluster) {
    let mut client = cluster.client(0);
    for number in 0..KEYS {
        client.put("t", &key(number), &number.to_string()).unwrap().expect(200);
    }
    assert_eq!(cluster.until_equal("t").len(), KEYS);
}

/// Every other key.
fn delete_half(cluster: &Cluster, through: usize) {
    let mut client = cluster.client(through);
    for number in (0..KEYS).step_by(2) {
        client.delete("t", &key(number)).unwrap().expect(200);
    }
}

fn tombstones(cluster: &Cluster, node: usize) -> u64 {
    cluster.stats(node).unwrap()["store"]["tombstones"].as_u64().unwrap()
}

fn assert_half_is_left(cluster: &Cluster) {
    let last = cluster.until_equal("t");
    let keys: Vec<&String> = last.keys().collect();
    let mut expected: Vec<String> = (1..KEYS).step_by(2).map(key).collect();
    expected.sort();
    assert_eq!(keys, expected.iter().collect::<Vec<_>>());
}

/// Who holds a delete keeps it for the node that is away, however old it is; and forgets it once that
/// node has it.
#[test]
fn deletes_wait_for_a_node_that_is_away() {
    for count in [2, 3] {
        let mut cluster = Plan::default().flag("--tombstone-age=2s").start(count);
        write_all(&cluster);
        let away = count - 1;
        cluster.kill9(away);
        cluster.within(Duration::from_secs(5), "a write without the one that is away", || {
            let answer =
                cluster.client(0).put("other", "k", "1").map_err(|it| format!("{it:?}"))?;
            (answer.status == 200).then_some(()).ok_or_else(|| format!("{answer:?}"))
        });
        delete_half(&cluster, 0);
        let long = long_form().map_or(AGE * 3, |long| long.min(AGE * 15));
        std::thread::sleep(long);
        let kept = tombstones(&cluster, 0);
        assert!(kept >= KEYS as u64 / 2, "{kept} tombstones, and a node is away");
        cluster.start_one(away);
        cluster.until_members(count);
        assert_half_is_left(&cluster);
        cluster.within(Duration::from_secs(20), "the end of the tombstones", || {
            let left: u64 =
                cluster.running().into_iter().map(|node| tombstones(&cluster, node)).sum();
            (left == 0).then_some(()).ok_or_else(|| format!("{left} are left"))
        });
        assert_half_is_left(&cluster);
    }
}

/// One that was evicted and away for too long comes back empty, and its folder is put aside: what it
/// still had, and was deleted, does not return.
#[test]
fn who_was_evicted_and_away_too_long_comes_back_empty() {
    let plan = Plan::default().flag("--tombstone-age=2s").flag("--rejoin-max=1s");
    let mut cluster = plan.flag("--evict-after=10s").start(3);
    write_all(&cluster);
    cluster.kill9(2);
    cluster.until_members(2);
    delete_half(&cluster, 0);
    cluster.within(Duration::from_secs(30), "the eviction", || {
        let told = cluster.client(0).get("/membership").map_err(|it| format!("{it:?}"))?;
        let told: serde_json::Value =
            serde_json::from_slice(&told.body).map_err(|it| it.to_string())?;
        let members = told["nodes"].as_object().map_or(0, serde_json::Map::len);
        (members == 2).then_some(()).ok_or_else(|| format!("{told}"))
    });
    // Nobody waits for it with the deletes any more.
    cluster.within(Duration::from_secs(30), "the eviction and the end of the tombstones", || {
        let left: u64 = [0, 1].map(|node| tombstones(&cluster, node)).iter().sum();
        (left == 0).then_some(()).ok_or_else(|| format!("{left} tombstones are left"))
    });
    cluster.set_join(2, Some(0));
    cluster.start_one(2);
    cluster.until_members(3);
    assert_half_is_left(&cluster);
    let folder = cluster.folder(2);
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let beside: Vec<String> = std::fs::read_dir(folder.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|other| other.starts_with(&name) && *other != name)
        .collect();
    assert_eq!(beside.len(), 1, "its folder is put aside: {beside:?}");
    assert!(cluster.said_ever(2).contains(&beside[0]), "{}", cluster.said_ever(2));
}
