//! Copies that others own now are dropped, and no record with them; none comes back with one that is taken in
//! again.

use std::time::Duration;

use dynarust_core::Consistency::{All, Available};
use dynarust_core::limits::DROP_AFTER_SECONDS_DEFAULT;
use dynarust_core::{Partition, Record, Version};
use dynarust_store::{Arrival, Durability, Over, Store};
use tokio::time::sleep;

use super::members::{Members, name, until, until_found};
use crate::cluster::Liveness;

/// For so long nobody must have come or gone before anything is dropped.
const STILL: Duration = Duration::from_secs(DROP_AFTER_SECONDS_DEFAULT);

/// A fourth node has come, and it owns a key that node 0 owned; `"1"` stands there at all four.
async fn a_key_that_moved() -> (Members, String) {
    let mut members = Members::running_of_seats(3, 4).await;
    let keys: Vec<String> = (0..40).map(|number| format!("key-{number}")).collect();
    for key in &keys {
        members.put(0, key, "1", All).await.unwrap();
    }
    members.start(3);
    members.until_whole().await;
    let view = members.node(0).cluster.view();
    let me = members.id(0);
    let moved = |key: &&String| !view.placement.owners(Partition::of(&name(key))).contains(&me);
    let key = keys.iter().find(moved).expect("a quarter of all is owned by three others");
    (members, key.clone())
}

fn serves(members: &Members, number: usize, key: &str) -> bool {
    members.node(number).cluster.view().serves(Partition::of(&name(key)))
}

async fn until_gone(members: &Members, number: usize, key: &str) {
    let gone = async || members.stored(number, key).await.is_none();
    until_found("the copy is gone", gone).await;
}

/// A record for one store alone, behind the back of all.
fn hidden(key: &str, version: Version, value: &'static str) -> Arrival {
    let (previous, expiry, value) = (None, None, value.into());
    let record = Record { version, previous, expiry, tombstone: false, expired: false, value };
    Arrival { name: name(key), record, request: None, fresh: false, over: Over::Older }
}

/// It stays as long as members come and go, and for a minute behind that; then it goes where it is not
/// owned any more, and stays where it is.
#[tokio::test(start_paused = true)]
async fn a_copy_is_dropped_once_nobody_has_come_for_a_minute() {
    let (members, key) = a_key_that_moved().await;
    let began = tokio::time::Instant::now();
    sleep(STILL.mul_f64(0.9)).await;
    assert!(serves(&members, 0, &key), "dropped {:?} behind a join", began.elapsed());
    until_gone(&members, 0, &key).await;
    for number in [1, 2, 3] {
        assert!(serves(&members, number, &key));
        assert_eq!(members.held(number, &key).await.as_deref(), Some(&b"1"[..]));
    }
    let found = members.get(0, &key, All).await.unwrap();
    assert_eq!(found.replicas.owners, 3);
    assert_eq!(found.stored.unwrap().record.value, "1");
}

/// What this node has and an owner lacks holds the copy, however long that takes.
#[tokio::test(start_paused = true)]
async fn a_copy_stays_until_each_owner_has_all_of_it() {
    let (members, key) = a_key_that_moved().await;
    members.store(3).hold_arrivals(true);
    let newer = members.stored(0, &key).await.unwrap().record.version;
    let newer = Version { hlc: newer.hlc + 1, ..newer };
    let arrivals = vec![hidden(&key, newer, "2")];
    members.store(0).take_in(arrivals, Durability::Sync).await.unwrap();
    sleep(10 * STILL).await;
    assert_eq!(members.held(0, &key).await.as_deref(), Some(&b"2"[..]), "not all have it");
    members.store(3).hold_arrivals(false);
    until_gone(&members, 0, &key).await;
    for number in [1, 2, 3] {
        assert_eq!(members.held(number, &key).await.as_deref(), Some(&b"2"[..]));
    }
}

/// What lies in a dropped partition counts for nothing, as a write that came late: when it is to be owned
/// again it is emptied first, so that nothing of it outlives its tombstone, and then read from the others.
#[tokio::test(start_paused = true)]
async fn what_was_left_in_a_dropped_copy_goes_before_it_is_taken_in_again() {
    let (mut members, key) = a_key_that_moved().await;
    sleep(STILL).await;
    until_gone(&members, 0, &key).await;
    let record = members.stored(1, &key).await.unwrap().record.clone();
    let late = Arrival { name: name(&key), record, request: None, fresh: false, over: Over::Older };
    members.store(0).take_in(vec![late], Durability::Sync).await.unwrap();
    let dropped = members.node(0).stats().cluster.records_dropped;
    let owner = members.serving(&key)[0];
    let gone = members.id(owner);
    members.kill(owner).await;
    let remover = members.numbers()[1];
    until("it is down", || members.sees(remover, gone) == Liveness::Down).await;
    members.node(remover).remove(gone).await.unwrap();
    members.until_whole().await;
    assert!(serves(&members, 0, &key), "of three nodes each owns all");
    assert_eq!(members.node(0).stats().cluster.records_dropped, dropped + 1);
    assert_eq!(members.held(0, &key).await.as_deref(), Some(&b"1"[..]));
}

/// What was dropped and emptied is known as such over a restart, and what is owned is there.
#[tokio::test(start_paused = true)]
async fn a_restart_between_a_drop_and_a_return_changes_nothing() {
    let (mut members, key) = a_key_that_moved().await;
    sleep(STILL).await;
    until("it serves it no more", || !serves(&members, 0, &key)).await;
    members.kill(0).await;
    members.start(0);
    members.until_whole().await;
    until_gone(&members, 0, &key).await;
    for number in [1, 2, 3] {
        assert_eq!(members.held(number, &key).await.as_deref(), Some(&b"1"[..]));
    }
    assert_eq!(members.get(0, &key, Available).await.unwrap().stored.unwrap().record.value, "1");
}
