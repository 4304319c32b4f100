//! What lies at a node of partitions that others own, and that it never served, goes as what was served does: no
//! record with it, and none comes back with it.

use std::time::Duration;

use dynarust_core::Consistency::All;
use dynarust_core::{Partition, PartitionSet};
use dynarust_store::Store;
use tokio::time::sleep;

use super::members::{Members, name, until, until_found};
use super::wires::Way;
use crate::cluster::Liveness;
use crate::mesh::Channel;

const RECORDS: usize = 300;
/// Some of what node 3 is to copy does not come.
const HELD: Way = Way { from: 1, to: 3, channel: Channel::Bulk };

fn key(number: usize) -> String {
    format!("key-{number}")
}

fn is_owned(members: &Members, number: usize, key: &str) -> bool {
    let view = members.node(number).cluster.view();
    view.placement.owners(Partition::of(&name(key))).contains(&members.id(number))
}

/// Node 3 joins, and has taken some of its share in, but serves none of it, when node 4 comes; the keys that lie
/// at node 3, and that others own now.
async fn a_joiner_that_others_overtook() -> (Members, Vec<String>) {
    let mut members = Members::running_of_seats(3, 5).await;
    for number in 0..RECORDS {
        members.put(number % 3, &key(number), "1", All).await.unwrap();
    }
    members.wires.shut(HELD);
    members.start(3);
    let received = |members: &Members| members.node(3).cluster.stats().catch_up_records_received;
    until("some of its share is there", || received(&members) > RECORDS as u64 / 5).await;
    members.start(4);
    let all_know = |members: &Members| {
        members.numbers().iter().all(|it| members.node(*it).cluster.view().members().count() == 5)
    };
    until("all know of both", || all_know(&members)).await;
    let mut left = Vec::new();
    for key in (0..RECORDS).map(key) {
        if members.held(3, &key).await.is_some() && !is_owned(&members, 3, &key) {
            left.push(key);
        }
    }
    assert!(!left.is_empty(), "all that is there is owned");
    (members, left)
}

async fn until_gone(members: &Members, keys: &[String]) {
    for key in keys {
        let gone = async || members.stored(3, key).await.is_none();
        until_found(&format!("{key} is gone"), gone).await;
    }
}

fn is_dropping(members: &Members) -> bool {
    members.node(3).cluster.stats().partitions_dropping > 0
}

/// It stays, and is told of, until all owners have all that is there; then it goes.
#[tokio::test(start_paused = true)]
async fn what_a_joiner_took_in_goes_where_others_own_it() {
    let (members, left) = a_joiner_that_others_overtook().await;
    assert!(is_dropping(&members));
    members.wires.open(HELD);
    members.until_whole().await;
    until_gone(&members, &left).await;
    until("nothing is dropped any more", || !is_dropping(&members)).await;
    for number in 0..RECORDS {
        let found = members.get(3, &key(number), All).await.unwrap().stored;
        assert_eq!(found.unwrap().record.value, "1");
    }
}

/// Also where it is killed before it has.
#[tokio::test(start_paused = true)]
async fn a_restart_loses_no_sight_of_it() {
    let (mut members, left) = a_joiner_that_others_overtook().await;
    members.kill(3).await;
    members.wires.open(HELD);
    members.start(3);
    members.until_whole().await;
    until_gone(&members, &left).await;
    until("nothing is dropped any more", || !is_dropping(&members)).await;
}

/// What came late, when all was thought to be gone, goes as well.
#[tokio::test(start_paused = true)]
async fn what_comes_late_goes_as_well() {
    let (members, left) = a_joiner_that_others_overtook().await;
    members.wires.open(HELD);
    members.until_whole().await;
    until_gone(&members, &left).await;
    let record = members.get(0, &left[0], All).await.unwrap().stored.unwrap().record.clone();
    members.take_in(3, &left[0], record).await;
    assert!(is_dropping(&members));
    until_gone(&members, &left[..1]).await;
}

/// The others delete it, and forget that, while it is there still; then the node comes to own it after all.
#[tokio::test(start_paused = true)]
async fn what_was_forgotten_meanwhile_does_not_come_back() {
    let (mut members, left) = a_joiner_that_others_overtook().await;
    let gone = members.id(4);
    members.kill(4).await;
    members.wires.open(HELD);
    until("it is down", || members.sees(0, gone) == Liveness::Down).await;
    let pairs = || (0..4).flat_map(|one| (0..4).map(move |other| (one, other)));
    let read = || pairs().all(|(one, other)| one == other || !members.is_behind_in(one, other));
    until("all that are there have read each other", read).await;
    sleep(Duration::from_secs(5)).await;
    let partitions: PartitionSet = left.iter().map(|key| Partition::of(&name(key))).collect();
    for number in 0..3 {
        members.store(number).empty(partitions.clone()).await.unwrap();
    }
    for key in &left {
        assert!(members.held(3, key).await.is_some(), "an owner is away, and it is gone");
    }
    members.node(0).remove(gone).await.unwrap();
    members.until_whole().await;
    assert!(left.iter().any(|key| is_owned(&members, 3, key)));
    // Longer than it takes until copies that differ are found.
    sleep(Duration::from_secs(60)).await;
    for number in members.numbers() {
        for key in &left {
            assert_eq!(members.held(number, key).await, None, "{key} is back at {number}");
        }
    }
}
