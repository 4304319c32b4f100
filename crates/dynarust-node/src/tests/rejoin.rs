//! What a node that is gone may bring along when it comes back as another.

use std::time::Duration;

use bytes::Bytes;
use dynarust_core::Consistency::{All, Available, One};
use dynarust_core::{Condition, NodeId, Record, Version};
use dynarust_store::renew::renew;
use dynarust_store::{Arrival, Durability, Over, Store};
use tokio::time::{sleep, timeout};

use super::members::{Members, name, until};
use crate::cluster::Liveness;
use crate::{ClusterConfig, ClusterError, Delete, Holdings};

const EVICT_AFTER: Duration = Duration::from_secs(10);
const REJOIN_MAX: Duration = Duration::from_secs(120);

fn config() -> ClusterConfig {
    ClusterConfig { evict_after: EVICT_AFTER, rejoin_max: REJOIN_MAX, ..ClusterConfig::default() }
}

async fn until_evicted(members: &Members, id: NodeId) {
    let knows = |number: &usize| {
        let view = members.node(*number).cluster.view();
        view.members().any(|member| member.id == id)
    };
    until("it is evicted", || !members.numbers().iter().any(knows)).await;
}

/// What becomes of the folder, as the node finds when it starts and is told that it is gone.
async fn holdings(members: &mut Members, number: usize) -> Holdings {
    members.start(number);
    let failure = members.node(number).cluster_failure().await;
    members.stop(number).await;
    match failure {
        ClusterError::Gone { holdings, .. } => holdings,
        other => panic!("it is not gone: {other:?}"),
    }
}

/// Its clock is asked, and its host's; what either calls too long ago, or yet to come, stays behind.
#[tokio::test(start_paused = true)]
async fn only_what_is_recent_by_both_clocks_comes_along() {
    let mut members = Members::running_with(3, config()).await;
    members.put(2, "key", "1", Available).await.unwrap();
    let id = members.id(2);
    members.stop(2).await;
    until_evicted(&members, id).await;
    let found = holdings(&mut members, 2).await;
    assert!(matches!(found, Holdings::Recent { away } if away >= EVICT_AFTER), "{found:?}");
    sleep(REJOIN_MAX).await;
    let found = holdings(&mut members, 2).await;
    assert!(matches!(found, Holdings::Old { away } if away > REJOIN_MAX), "{found:?}");
    let away = i64::try_from((REJOIN_MAX + EVICT_AFTER).as_millis()).unwrap();
    // As a machine that does not know the time begins again where it was stopped, or long before.
    members.clock(2).set_ahead(-2 * away);
    assert_eq!(holdings(&mut members, 2).await, Holdings::Unknown);
    members.clock(2).set_ahead(-away / 2);
    let found = holdings(&mut members, 2).await;
    assert!(matches!(found, Holdings::Recent { .. }), "{found:?}");
    renew(members.folder(2)).unwrap();
    assert_eq!(holdings(&mut members, 2).await, Holdings::Unknown, "its host knows better");
}

/// It talked with all others but one until it was evicted: what that one deleted it has missed.
#[tokio::test(start_paused = true)]
async fn who_missed_one_member_was_away() {
    let rejoin_max = Duration::from_secs(15);
    let members = Members::running_with(4, ClusterConfig { rejoin_max, ..config() }).await;
    members.wires.cut(0, 3);
    let failure = members.node(3).cluster_failure().await;
    let holdings = match failure {
        ClusterError::Gone { holdings, .. } => holdings,
        other => panic!("it is not gone: {other:?}"),
    };
    assert!(matches!(holdings, Holdings::Old { away } if away >= EVICT_AFTER), "{holdings:?}");
}

/// What it did not serve it may have missed deletes of, however short it was away.
#[tokio::test(start_paused = true)]
async fn records_of_what_it_did_not_serve_stay_behind() {
    let drop_after = Duration::from_secs(1);
    let config = ClusterConfig { replication: 1, drop_after, ..config() };
    let mut members = Members::running_with(3, config).await;
    let surplus = || {
        let stats = |number: &usize| members.node(*number).cluster.stats();
        members
            .numbers()
            .iter()
            .map(stats)
            .any(|it| it.partitions_surplus + it.partitions_dropping > 0)
    };
    until("each holds what it is to own", || !surplus()).await;
    let key = members.key_where(|order| order[0] != 2);
    let version = Version { hlc: 1 << 60, node: members.id(0) };
    let (previous, expiry, value) = (None, None, Bytes::from_static(b"1"));
    let record = Record { version, previous, expiry, tombstone: false, expired: false, value };
    let stray =
        Arrival { name: name(&key), record, request: None, fresh: false, over: Over::Older };
    members.store(2).take_in(vec![stray], Durability::Sync).await.unwrap();
    let id = members.id(2);
    members.stop(2).await;
    until_evicted(&members, id).await;
    assert_eq!(holdings(&mut members, 2).await, Holdings::Partial);
}

/// It comes back as another, with what it alone had; and what was deleted meanwhile stays deleted.
#[tokio::test(start_paused = true)]
async fn records_merge_in_under_a_new_id() {
    let mut members = Members::running_with(3, config()).await;
    members.put(0, "deleted", "1", Available).await.unwrap();
    members.put(0, "kept", "1", Available).await.unwrap();
    let id = members.id(2);
    members.wires.cut(0, 2);
    members.wires.cut(1, 2);
    members.until_down(&[0, 1], &[2]).await;
    members.until_down(&[2], &[0, 1]).await;
    members.put(2, "alone", "1", One).await.unwrap();
    members.stop(2).await;
    members.wires.heal(0, 2);
    members.wires.heal(1, 2);
    let delete = Delete {
        name: name("deleted"),
        condition: Condition::default(),
        durability: Durability::Sync,
        consistency: Available,
        request: None,
    };
    members.node(0).delete(delete).await.unwrap();
    until_evicted(&members, id).await;
    let found = holdings(&mut members, 2).await;
    assert!(matches!(found, Holdings::Recent { .. }), "{found:?}");
    let renewed = renew(members.folder(2)).unwrap();
    // It is told to join where it cannot yet: nothing of it is served until it has.
    members.wires.cut(0, 2);
    members.start(2);
    assert_eq!(members.id(2), renewed);
    sleep(EVICT_AFTER).await;
    assert!(members.get(2, "alone", One).await.is_err(), "it answers, and is no member");
    members.wires.heal(0, 2);
    members.until_whole().await;
    for number in members.numbers() {
        for (key, value) in [("kept", Some("1")), ("alone", Some("1")), ("deleted", None)] {
            let found = members.get(number, key, Available).await.unwrap().stored;
            let found =
                found.filter(|it| it.record.holds_value()).map(|it| it.record.value.clone());
            assert_eq!(found.as_deref(), value.map(str::as_bytes), "{key} at node {number}");
        }
    }
}

/// The host by which a node joined is dead, and removed; the node starts again, is told the same host, and that
/// is back with its old folder. It goes on as what is left of its cluster, and the host hears that it is gone.
#[tokio::test(start_paused = true)]
async fn who_removed_its_host_goes_on_without_it() {
    let mut members = Members::running(2).await;
    members.put(1, "key", "1", All).await.unwrap();
    let host = members.id(0);
    members.stop(0).await;
    until("it is seen as down", || members.sees(1, host) == Liveness::Down).await;
    members.node(1).remove(host).await.unwrap();
    members.stop(1).await;
    members.start(0);
    // So that the next that dials is not the host.
    sleep(Duration::from_secs(30)).await;
    members.start(1);
    let gone = members.failure(0).await;
    assert!(matches!(gone, ClusterError::Gone { .. }), "{gone:?}");
    members.stop(0).await;
    until("it is ready", || members.node(1).readiness().is_well()).await;
    members.put(1, "key", "2", All).await.unwrap();
    let ended = timeout(Duration::from_secs(60), members.node(1).cluster_failure()).await;
    assert!(ended.is_err(), "{ended:?}");
}
