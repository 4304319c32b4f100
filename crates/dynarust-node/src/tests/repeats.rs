//! Who knows a request with an idempotency key: whoever took its record in, and whoever asks those.

use dynarust_core::Consistency::{self, All, Available};
use dynarust_core::{RequestKey, Version};

use super::members::{Members, put};
use crate::{Put, RefusedWrite};

fn request(key: &str, value: &str, fingerprint: u128, consistency: Consistency) -> Put {
    Put {
        request: Some(RequestKey { key: "the request".into(), fingerprint }),
        ..put(key, value, consistency)
    }
}

/// A repeat at any node hears what the first one did, and another request with its key is refused.
#[tokio::test(start_paused = true)]
async fn a_repeat_at_another_node_hears_the_first_answer() {
    let members = Members::running(3).await;
    let first = members.node(0).put(request("key", "1", 1, All)).await.unwrap();
    members.put(1, "key", "2", All).await.unwrap();
    for number in [0, 1, 2] {
        let again = members.node(number).put(request("key", "1", 1, All)).await.unwrap();
        assert_eq!(again.version, first.version, "at node {number}");
        let other = members.node(number).put(request("key", "3", 2, All)).await;
        assert_eq!(other, Err(RefusedWrite::KeyReused), "at node {number}");
        assert_eq!(members.held(number, "key").await.as_deref(), Some(&b"2"[..]));
    }
}

/// It is known wherever its record is: those that carried it out may die.
#[tokio::test(start_paused = true)]
async fn a_repeat_is_known_when_the_node_that_carried_it_out_is_dead() {
    for survivor in [1, 2] {
        let mut members = Members::running(3).await;
        let key = members.key_where(|order| order[0] == 0);
        let first = members.node(0).put(request(&key, "1", 1, All)).await.unwrap();
        for number in (0..3).filter(|number| *number != survivor) {
            members.kill(number).await;
        }
        let again = members.node(survivor).put(request(&key, "1", 1, Available)).await.unwrap();
        assert_eq!(again.version, first.version, "at node {survivor}");
    }
}

/// So it is to an owner that was away, though the record has been overwritten since: those who took it are
/// asked.
#[tokio::test(start_paused = true)]
async fn a_repeat_is_known_though_its_owner_was_away() {
    let mut members = Members::running(3).await;
    let key = members.key_where(|order| order[0] == 2);
    members.stop(2).await;
    let first = members.node(0).put(request(&key, "1", 1, Available)).await.unwrap();
    members.put(0, &key, "2", Available).await.unwrap();
    members.start(2);
    members.until_whole().await;
    assert_known(&members, &key, first.version).await;
}

/// And to one that came in later.
#[tokio::test(start_paused = true)]
async fn a_repeat_is_known_though_its_owner_came_in_later() {
    loop {
        let mut members = Members::running_of_seats(2, 3).await;
        let first = members.node(0).put(request("key", "1", 1, All)).await.unwrap();
        members.put(0, "key", "2", All).await.unwrap();
        members.start(2);
        members.until_whole().await;
        // As the ids fall.
        if members.serving("key")[0] == 2 {
            return assert_known(&members, "key", first.version).await;
        }
    }
}

/// Each node tells what the request became, and what came after it stands.
async fn assert_known(members: &Members, key: &str, version: Version) {
    for number in [2, 0, 1] {
        let again = members.node(number).put(request(key, "1", 1, Available)).await.unwrap();
        assert_eq!(again.version, version, "at node {number}");
        let other = members.node(number).put(request(key, "3", 2, Available)).await;
        assert_eq!(other, Err(RefusedWrite::KeyReused), "at node {number}");
    }
    let found = members.get(2, key, Available).await.unwrap();
    assert_eq!(found.stored.unwrap().record.value, "2");
}
