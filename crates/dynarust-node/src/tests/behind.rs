//! A node that was away does not know what it missed, and says so.

use std::time::Duration;

use dynarust_core::Consistency::Available;
use dynarust_core::Replicas;
use tokio::time::sleep;

use super::members::{Members, until};
use super::wires::Way;
use crate::cluster::Liveness;
use crate::mesh::Channel;

/// Nothing of what node 0 took alone is known to the others yet, though it is among them again.
async fn back_but_not_caught_up() -> (Members, String) {
    let members = Members::running(3).await;
    // Node 1, asked, would ask node 2 before node 0.
    let key = members.key_where(|order| order == [1, 2, 0] || order == [2, 1, 0]);
    members.put(1, &key, "1", Available).await.unwrap();
    members.wires.cut(0, 1);
    members.wires.cut(0, 2);
    members.until_down(&[0], &[1, 2]).await;
    members.until_down(&[1, 2], &[0]).await;
    let alone = members.put(0, &key, "2", Available).await.unwrap();
    assert_eq!(alone.replicas, Replicas { stand: 1, owners: 3 });
    for (from, to) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
        members.wires.open(Way { from, to, channel: Channel::Data });
    }
    let linked = || {
        let id = members.id(0);
        [1, 2].iter().all(|number| members.sees(*number, id) == Liveness::Up)
    };
    until("node 0 is among the others again", linked).await;
    (members, key)
}

/// A read by default that reaches a node which is behind asks all owners that are live, and so finds what
/// only one of them has.
#[tokio::test(start_paused = true)]
async fn a_node_that_missed_writes_says_so_and_all_are_asked() {
    let (members, key) = back_but_not_caught_up().await;
    for number in [1, 2] {
        assert!(members.node(number).cluster.is_behind(), "node {number} has caught up");
        let held = members.held(number, &key).await;
        assert_eq!(held.as_deref(), Some(&b"1"[..]), "node {number} has what it missed");
    }
    let found = members.get(1, &key, Available).await.unwrap();
    assert_eq!(found.replicas, Replicas { stand: 3, owners: 3 });
    assert_eq!(found.stored.unwrap().record.value, "2");
}

/// Once it has caught up it says so no more, and a majority suffices again.
#[tokio::test(start_paused = true)]
async fn a_node_that_has_caught_up_is_behind_no_more() {
    let (members, key) = back_but_not_caught_up().await;
    members.wires.heal(0, 1);
    members.wires.heal(0, 2);
    members.until_whole().await;
    for number in [0, 1, 2] {
        assert!(!members.node(number).cluster.is_behind(), "node {number} is behind");
        let held = members.held(number, &key).await;
        assert_eq!(held.as_deref(), Some(&b"2"[..]), "node {number} lacks what it missed");
    }
    let found = members.get(1, &key, Available).await.unwrap();
    assert_eq!(found.replicas, Replicas { stand: 2, owners: 3 });
}

/// Who is about to copy what another leaves, when that one stays after all, follows all as before.
#[tokio::test(start_paused = true)]
async fn nobody_stays_behind_where_a_copy_is_not_wanted_any_more() {
    let mut members = Members::running_of_seats(3, 4).await;
    // The last that comes serves no more than it is to own.
    members.start(3);
    members.until_whole().await;
    // What is to be copied from this one does not come: the other's feed waits for that.
    let way = Way { from: 0, to: 3, channel: Channel::Bulk };
    members.wires.shut(way);
    let wants = |members: &Members| members.node(3).cluster.view().wants().len();
    let before = wants(&members);
    members.node(1).leave().await.unwrap();
    until("it is to own all", || wants(&members) > before).await;
    sleep(Duration::from_secs(1)).await;
    assert!(members.is_behind_in(3, 2));
    members.kill(1).await;
    members.start(1);
    until("it is to own what it owned", || wants(&members) == before).await;
    members.wires.open(way);
    members.until_whole().await;
}
