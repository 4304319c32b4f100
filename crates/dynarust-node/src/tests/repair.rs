//! Copies that differ become one: where somebody reads, before the answer; else by and by.

use std::time::Duration;

use dynarust_core::Consistency::{All, Available, One};
use dynarust_core::{Partition, PartitionSet};
use dynarust_store::{Arrival, Durability, Over, Store};
use tokio::time::sleep;

use super::members::{Members, name, until_found};

/// What this node holds of the key's partition is lost, and nobody hears of it.
async fn lose(members: &Members, number: usize, key: &str) {
    let partition: PartitionSet = [Partition::of(&name(key))].into_iter().collect();
    assert!(members.store(number).empty(partition).await.unwrap() > 0);
    assert_eq!(members.stored(number, key).await, None);
}

/// Node 2 lags behind a write that node 0 alone has acknowledged: a reader who hears of both waits until node
/// 2 has it, too.
async fn reader_waits(reader: usize, key: &str, members: &Members) {
    members.put(0, key, "1", All).await.unwrap();
    members.store(2).hold_arrivals(true);
    members.put(0, key, "2", One).await.unwrap();
    let (node, asked) = (members.node(reader).clone(), name(key));
    let read = tokio::spawn(async move { node.get(asked, Available).await });
    sleep(Duration::from_millis(500)).await;
    assert!(!read.is_finished(), "answered before an owner that was asked had it");
    members.store(2).hold_arrivals(false);
    let found = read.await.unwrap().unwrap();
    assert_eq!(found.stored.unwrap().record.value, "2");
    assert_eq!(members.held(2, key).await.as_deref(), Some(&b"2"[..]));
}

/// A reader gets the newest of what those say that it asks, and none of them lags behind it any more when it
/// does: else the next reader might be told the older one.
#[tokio::test(start_paused = true)]
async fn owners_that_lag_are_repaired_before_the_answer() {
    let members = Members::running(3).await;
    // Node 0 asks itself, and then node 2.
    let key = members.key_where(|order| order.iter().filter(|it| **it != 0).eq(&[2, 1]));
    reader_waits(0, &key, &members).await;
}

/// So is the node itself that was asked.
#[tokio::test(start_paused = true)]
async fn a_node_that_lags_repairs_itself_before_the_answer() {
    let members = Members::running(3).await;
    // Node 2 asks itself, and then node 0.
    let key = members.key_where(|order| order.iter().filter(|it| **it != 2).eq(&[0, 1]));
    reader_waits(2, &key, &members).await;
}

/// What nobody reads is found by comparing digests; and nothing is compared record by record where copies are
/// the same.
#[tokio::test(start_paused = true)]
async fn copies_that_differ_are_found_and_become_one() {
    let members = Members::running(3).await;
    for number in 0..50 {
        members.put(number % 3, &format!("key-{number}"), "1", Available).await.unwrap();
    }
    sleep(Duration::from_secs(60)).await;
    let compared = |number| members.node(number).cluster.stats().partitions_compared;
    assert_eq!([0, 1, 2].map(compared), [0, 0, 0], "compared, and nothing differed");
    lose(&members, 2, "key-7").await;
    let found = async || members.held(2, "key-7").await.is_some();
    until_found("node 2 has again what it had lost", found).await;
    assert!(compared(2) > 0);
    // Both sides have looked.
    sleep(Duration::from_secs(30)).await;
    let before = [0, 1, 2].map(compared);
    sleep(Duration::from_secs(60)).await;
    assert_eq!([0, 1, 2].map(compared), before, "compared again, and nothing differs");
}

/// A record that one copy has, and that the others know as deleted, goes.
#[tokio::test(start_paused = true)]
async fn what_was_deleted_does_not_come_back_from_a_copy_that_differs() {
    let members = Members::running(3).await;
    members.put(0, "key", "1", All).await.unwrap();
    let old = members.stored(0, "key").await.unwrap();
    members.delete(0, "key", All).await.unwrap();
    lose(&members, 2, "key").await;
    let arrival = Arrival {
        name: old.name.clone(),
        record: old.record.clone(),
        request: None,
        fresh: false,
        over: Over::Older,
    };
    members.store(2).take_in(vec![arrival], Durability::Sync).await.unwrap();
    assert!(members.held(2, "key").await.is_some());
    let gone = async || members.held(2, "key").await.is_none();
    until_found("node 2 knows again that it was deleted", gone).await;
    for number in [0, 1] {
        assert_eq!(members.held(number, "key").await, None, "it came back at node {number}");
    }
}
