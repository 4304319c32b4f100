//! Links that are cut, one way or both, or slow and lossy; and what is left when they are whole again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::agreement::{lasting, long_form};
use super::doors::Doors;
use super::hosts::{Hosts, can_have_hosts};
use super::nodes::{Cluster, Plan};
use super::oracle::{Oracle, Promise};
use super::workload::{TABLE, Workload};
use crate::node::wait_for;
use crate::seed::dice;

/// How long a healed cluster may take to be one again.
const HEALED_WITHIN: Duration = Duration::from_secs(10);

fn split_for() -> Duration {
    long_form().map_or(Duration::from_secs(5), |long| long.min(Duration::from_secs(60)))
}

fn on_hosts(count: usize) -> Cluster {
    Plan::default().on(Hosts::new(count)).start(count)
}

#[test]
fn two_and_one_are_split_and_heal() {
    if can_have_hosts("a split 2|1") {
        split_and_heal(&on_hosts(3), &[2]);
    }
}

#[test]
fn one_and_one_are_split_and_heal() {
    if can_have_hosts("a split 1|1") {
        split_and_heal(&on_hosts(2), &[1]);
    }
}

fn split_and_heal(cluster: &Cluster, apart: &[usize]) {
    let mut dice = dice("splits");
    let doors = Doors::new(cluster.addresses());
    let oracle = Oracle::new(48, Promise::Convergent);
    let (here, there) = (0, apart[0]);
    let before = overwritten(cluster);
    cluster.client(here).put("both", "k", "\"before\"").unwrap().expect(200);
    let (versions, _) = Workload::default().run(&doors, &oracle, &mut dice, || {
        std::thread::sleep(Duration::from_millis(500));
        cluster.hosts().split(apart);
        // Both sides go on, once they have noticed.
        let write = |node: usize, value: &str| {
            wait_for("a write of one side", || {
                let answer = cluster.client(node).put("both", "k", value).ok()?;
                (answer.status == 200).then(|| answer.version())
            })
        };
        let mut versions = vec![(write(here, "\"here\""), "\"here\"")];
        versions.push((write(there, "\"there\""), "\"there\""));
        strict_writes_are_refused(cluster, there);
        std::thread::sleep(split_for());
        cluster.hosts().heal();
        cluster.until_members_within(HEALED_WITHIN, cluster.all().len());
        std::thread::sleep(Duration::from_millis(500));
        versions
    });
    let last = cluster.until_equal(TABLE);
    oracle.assert_kept(&last);
    let both = cluster.until_equal("both");
    let (version, value) = versions.into_iter().max().unwrap();
    assert_eq!((&both["k"].version, both["k"].value.as_str()), (&version, value));
    let after = overwritten(cluster);
    assert!(after > before, "an overwritten write is counted: {before} before, {after} after");
}

/// Fewer than a majority of all owners can't do what is asked of a majority.
fn strict_writes_are_refused(cluster: &Cluster, minority: usize) {
    let path = "/both/key/strict?consistency=quorum";
    let body = crate::client::put_body("1");
    let json = [crate::client::JSON];
    let answer = cluster.client(minority).call("PUT", path, &json, &body).unwrap().expect(503);
    assert_eq!(answer.code(), "not_enough_replicas");
}

/// The sum of what all nodes count as overwritten by a concurrent write.
fn overwritten(cluster: &Cluster) -> u64 {
    cluster.running().into_iter().map(|node| counted(&cluster.stats(node).unwrap())).sum()
}

/// Whatever is called so, wherever it stands.
fn counted(stats: &Value) -> u64 {
    let members = stats.as_object().into_iter().flatten();
    members
        .map(|(name, value)| match value.as_u64() {
            Some(count) if name.contains("overwritten") => count,
            _ => counted(value),
        })
        .sum()
}

/// A node that is heard and hears nothing, or the other way round, is in or out for all, and everybody
/// goes on.
#[test]
fn a_one_way_cut_ends() {
    if !can_have_hosts("a one-way cut") {
        return;
    }
    harm_and_heal("one-way", |hosts| hosts.cut_one_way(0, 1));
}

#[test]
fn a_slow_and_lossy_link_ends() {
    if !can_have_hosts("a slow, lossy link") {
        return;
    }
    harm_and_heal("slow", |hosts| {
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            hosts.slow(one, other, Duration::from_millis(200), 5);
        }
    });
}

fn harm_and_heal(name: &str, harm: impl Fn(&Hosts)) {
    let mut dice = dice(name);
    let cluster = on_hosts(3);
    let doors = Doors::new(cluster.addresses());
    let oracle = Oracle::new(48, Promise::Convergent);
    Workload::default().run(&doors, &oracle, &mut dice, || {
        std::thread::sleep(Duration::from_millis(500));
        harm(cluster.hosts());
        let rounds = u32::try_from(lasting(Duration::from_secs(6)).as_secs() / 3).unwrap();
        for _ in 0..rounds {
            // In each few seconds something is acknowledged.
            let before = oracle.acknowledged.load(Ordering::Relaxed);
            wait_for("an acknowledged write", || {
                (oracle.acknowledged.load(Ordering::Relaxed) > before).then_some(())
            });
            std::thread::sleep(Duration::from_secs(3));
        }
        cluster.hosts().heal();
        cluster.until_members_within(HEALED_WITHIN, 3);
        std::thread::sleep(Duration::from_millis(500));
    });
    let last = cluster.until_equal(TABLE);
    oracle.assert_kept(&last);
}
