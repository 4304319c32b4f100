//! What a condition holds against, where nodes do not agree on who is there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::Consistency::{All, Available, One, Quorum};
use dynarust_core::limits::{COORDINATE_MILLIS_MAX, LOOK_AGAIN_MILLIS};
use dynarust_core::{Condition, Consistency, EntityTags, Replicas, RequestKey, Version};
use dynarust_store::Durability;
use tokio::time::{Instant, sleep, sleep_until};

use super::members::{Members, name, put, until, until_found};
use crate::{Acknowledged, Delete, Put, RefusedWrite};

fn put_over(key: &str, value: &str, over: Version, consistency: Consistency) -> Put {
    let if_match = Some(EntityTags::Versions(vec![over]));
    let condition = Condition { if_match, if_none_match: None };
    Put { condition, ..put(key, value, consistency) }
}

/// By two owners of three, which found that version.
fn refused_over(version: Version) -> Result<Acknowledged, RefusedWrite> {
    let replicas = Some(Replicas { stand: 2, owners: 3 });
    Err(RefusedWrite::VersionMismatch { current: Some(version), replicas })
}

/// Three nodes of which two have lost each other, and a key of which each of these would decide.
async fn two_coordinators() -> (Members, String) {
    let members = Members::running(3).await;
    members.wires.cut(0, 1);
    members.until_down(&[0], &[1]).await;
    members.until_down(&[1], &[0]).await;
    let key = members.key_where(|order| order == [0, 1, 2]);
    (members, key)
}

/// Both hold the same version, and both write over it: the third, which hears both, accepts one.
#[tokio::test(start_paused = true)]
async fn of_two_coordinators_one_writes_over_a_version() {
    let (members, key) = two_coordinators().await;
    let mut over = members.put(2, &key, "0", Quorum).await.unwrap().version;
    for consistency in [Quorum, Available] {
        members.store(2).hold_arrivals(true);
        let writes = [0, 1].map(|number| {
            let node = members.node(number).clone();
            let put = put_over(&key, &number.to_string(), over, consistency);
            tokio::spawn(async move { node.put(put).await })
        });
        sleep(Duration::from_millis(100)).await;
        members.store(2).hold_arrivals(false);
        let mut outcomes = Vec::new();
        for write in writes {
            outcomes.push(write.await.unwrap());
        }
        let won: Vec<_> = outcomes.iter().flatten().map(|it| it.version).collect();
        let [won] = won[..] else { panic!("not one: {outcomes:?}") };
        let lost = refused_over(won);
        assert!(outcomes.contains(&lost), "{outcomes:?}");
        over = won;
    }
    members.wires.heal(0, 1);
    members.until_whole().await;
    for number in [0, 1, 2] {
        let has =
            async || members.stored(number, &key).await.is_some_and(|it| it.record.version == over);
        until_found("all have what won", has).await;
    }
}

/// At one, nobody else is asked: both win, and the higher version stays.
#[tokio::test(start_paused = true)]
async fn at_one_both_sides_write_over_a_version() {
    let (members, key) = two_coordinators().await;
    let over = members.put(2, &key, "0", Quorum).await.unwrap().version;
    for number in [0, 1] {
        let has = async || members.held(number, &key).await.is_some();
        until_found("it is everywhere", has).await;
    }
    // Neither hears of the other's by way of the third.
    members.store(2).hold_arrivals(true);
    let mut versions = Vec::new();
    for number in [0, 1] {
        let put = put_over(&key, "1", over, One);
        versions.push(members.node(number).put(put).await.unwrap().version);
    }
    members.store(2).hold_arrivals(false);
    members.wires.heal(0, 1);
    let highest = versions.iter().max();
    for number in [0, 1, 2] {
        let stands = async || members.stored(number, &key).await.map(|it| it.record.version);
        until_found("the higher one is everywhere", async || stands().await.as_ref() == highest)
            .await;
    }
}

/// An owner has accepted, and the coordinator dies before it stands there: it surfaces, and is the same
/// write for who repeats the request.
#[tokio::test(start_paused = true)]
async fn what_was_accepted_before_the_coordinator_died_surfaces_once() {
    for keyed in [true, false] {
        let mut members = Members::running(3).await;
        let key = members.key_where(|order| order == [0, 1, 2]);
        let over = members.put(0, &key, "0", Quorum).await.unwrap().version;
        let has = async || members.held(2, &key).await.is_some();
        until_found("it is everywhere", has).await;
        members.wires.cut(0, 1);
        members.until_down(&[0], &[1]).await;
        let request = keyed.then(|| RequestKey { key: "request".into(), fingerprint: 1 });
        let put = Put { request, ..put_over(&key, "1", over, Quorum) };
        members.store(0).hold_arrivals(true);
        let writing = tokio::spawn({
            let (node, put) = (members.node(0).clone(), put.clone());
            async move { node.put(put).await }
        });
        let accepted = async || members.held(2, &key).await == Some(Bytes::from_static(b"1"));
        until_found("the third has accepted", accepted).await;
        assert!(!writing.is_finished());
        assert_eq!(members.stored(0, &key).await.unwrap().record.version, over);
        let version = members.stored(2, &key).await.unwrap().record.version;
        writing.abort();
        assert!(writing.await.is_err());
        members.kill(0).await;
        until("the others have a majority", || !members.node(1).cluster.is_alone()).await;
        let repeated = members.node(1).put(put).await;
        if keyed {
            let Ok(Acknowledged { version: again, .. }) = repeated else { panic!("{repeated:?}") };
            assert_eq!(again, version);
        } else {
            assert_eq!(repeated, refused_over(version));
        }
        assert_eq!(members.stored(1, &key).await.unwrap().record.version, version);
    }
}

/// Its owner had no room for it, and is asked again and again. The time is over while that has just been asked once
/// more, and says nothing yet: it may take the write in, and does.
#[tokio::test(start_paused = true)]
async fn a_write_whose_owner_was_just_asked_again_is_indeterminate() {
    let members = Members::running(2).await;
    let key = members.key_where(|order| order == [0, 1]);
    let over = members.put(0, &key, "0", All).await.unwrap().version;
    members.store(1).set_full(true);
    let began = Instant::now();
    let (node, put) = (members.node(0).clone(), put_over(&key, "1", over, Quorum));
    let writing = tokio::spawn(async move { node.put(put).await });
    // It is asked once more from here on, and not twice: that one is not answered.
    let last = COORDINATE_MILLIS_MAX - 2 * LOOK_AGAIN_MILLIS;
    sleep_until(began + Duration::from_millis(last)).await;
    assert!(!writing.is_finished());
    members.store(1).hold_arrivals(true);
    members.store(1).set_full(false);
    let refused = writing.await.unwrap();
    let late = RefusedWrite::NotEnoughReplicas { needed: 2, live: 2, indeterminate: true };
    assert_eq!(refused, Err(late));
    members.store(1).hold_arrivals(false);
    for number in [1, 0] {
        let has = async || members.held(number, &key).await.as_deref() == Some(b"1");
        until_found("it surfaces", has).await;
    }
}

/// Both find the record, and then one of them the other's tombstone, which is nowhere else yet: it is refused only once
/// others have that, be it in memory or not.
#[tokio::test(start_paused = true)]
async fn of_two_deletes_none_is_refused_by_what_one_owner_has() {
    for (consistency, in_memory) in [(Available, true), (Quorum, true), (Quorum, false)] {
        let members = Members::running(3).await;
        members.store(0).have_nothing_in_memory(!in_memory);
        let key = members.key_where(|order| order == [0, 1, 2]);
        members.put(0, &key, "0", All).await.unwrap();
        members.until_whole().await;
        [1, 2].into_iter().for_each(|other| members.store(other).hold_arrivals(true));
        let deletes = [0, 1].map(|_| {
            let node = Arc::clone(members.node(0));
            let delete = Delete {
                name: name(&key),
                condition: Condition::default(),
                durability: Durability::Sync,
                consistency,
                request: None,
            };
            tokio::spawn(async move { node.delete(delete).await })
        });
        let is_deleted = async || {
            let here = members.stored(0, &key).await;
            here.is_some_and(|stored| stored.record.tombstone)
        };
        until_found("one of them is done here", is_deleted).await;
        sleep(Duration::from_millis(50)).await;
        assert!(deletes.iter().all(|delete| !delete.is_finished()), "nobody else has it");
        [1, 2].into_iter().for_each(|other| members.store(other).hold_arrivals(false));
        let mut outcomes = Vec::new();
        for delete in deletes {
            outcomes.push(delete.await.unwrap().map(drop));
        }
        outcomes.sort_by_key(Result::is_err);
        assert!(matches!(outcomes[..], [Ok(()), Err(RefusedWrite::Absent { .. })]), "{outcomes:?}");
    }
}
