//! Nodes that are away while keys are deleted, for longer than deletes are remembered.

use std::time::Duration;

use super::agreement::long_form;
use super::nodes::{Cluster, Plan};

pub(super) const KEYS: usize = 40;

const AGE: Duration = Duration::from_secs(2);

pub(super) fn key(number: usize) -> String {
    format!("key {number}")
}

pub(super) fn write_all(cluster: &Cluster) {
    let mut client = cluster.client(0);
    for number in 0..KEYS {
        client.put("t", &key(number), &number.to_string()).unwrap().expect(200);
    }
    assert_eq!(cluster.until_equal("t").len(), KEYS);
}

/// Every other key.
pub(super) fn delete_half(cluster: &Cluster, through: usize) {
    let mut client = cluster.client(through);
    for number in (0..KEYS).step_by(2) {
        client.delete("t", &key(number)).unwrap().expect(200);
    }
}

pub(super) fn tombstones(cluster: &Cluster, node: usize) -> u64 {
    cluster.stats(node).unwrap()["store"]["tombstones"].as_u64().unwrap()
}

pub(super) fn assert_half_is_left(cluster: &Cluster) {
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
