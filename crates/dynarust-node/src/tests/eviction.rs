//! Who is taken out of the cluster, and by whom.

use std::time::Duration;

use dynarust_core::NodeId;
use tokio::time::sleep;

use super::members::{Members, until};
use crate::{ClusterConfig, ClusterError, RefusedChange};

const EVICT_AFTER: Duration = Duration::from_secs(10);

async fn running(count: usize) -> Members {
    let cluster = ClusterConfig { evict_after: EVICT_AFTER, ..ClusterConfig::default() };
    Members::running_with(count, cluster).await
}

fn knows(members: &Members, number: usize, id: NodeId) -> bool {
    members.node(number).cluster.view().members().any(|member| member.id == id)
}

/// The side of a cut that sees a majority evicts the others once they have been down for so long, and not
/// before; the other side evicts nobody, and hears it when the cut is healed.
#[tokio::test(start_paused = true)]
async fn only_the_side_that_sees_a_majority_evicts() {
    let members = running(3).await;
    let ids = [0, 1, 2].map(|number| members.id(number));
    members.wires.cut(0, 1);
    members.wires.cut(0, 2);
    members.until_down(&[1, 2], &[0]).await;
    sleep(EVICT_AFTER / 2).await;
    assert!([1, 2].iter().all(|number| knows(&members, *number, ids[0])), "evicted too early");
    let evicted = || [1, 2].iter().all(|number| !knows(&members, *number, ids[0]));
    until("node 0 is evicted", evicted).await;
    sleep(10 * EVICT_AFTER).await;
    assert!(knows(&members, 1, ids[2]) && knows(&members, 2, ids[1]));
    assert!(ids.iter().all(|id| knows(&members, 0, *id)), "evicted by a minority");
    members.wires.heal(0, 1);
    members.wires.heal(0, 2);
    let failure = members.failure(0).await;
    assert!(matches!(failure, ClusterError::Gone { member: Some(_), .. }), "{failure:?}");
}

/// Of two neither evicts the other.
#[tokio::test(start_paused = true)]
async fn of_two_neither_evicts() {
    let members = running(2).await;
    members.wires.cut(0, 1);
    members.until_down(&[0], &[1]).await;
    sleep(10 * EVICT_AFTER).await;
    assert!(knows(&members, 0, members.id(1)) && knows(&members, 1, members.id(0)));
    members.wires.heal(0, 1);
    members.until_whole().await;
}

/// A member that came back in between has not been down for so long.
#[tokio::test(start_paused = true)]
async fn who_comes_back_in_time_is_not_evicted() {
    let mut members = running(3).await;
    for _ in 0..3 {
        let id = members.id(2);
        members.kill(2).await;
        sleep(EVICT_AFTER * 2 / 3).await;
        assert!(knows(&members, 0, id) && knows(&members, 1, id));
        members.start(2);
        members.until_whole().await;
    }
}

/// An operator takes out who is down, at once, and nobody who lives.
#[tokio::test(start_paused = true)]
async fn only_who_is_down_is_removed() {
    let mut members = running(3).await;
    let id = members.id(2);
    assert_eq!(members.node(0).remove(id).await, Err(RefusedChange::Alive(id)));
    let unknown = NodeId(1);
    let nobody = members.node(0).remove(unknown).await;
    assert_eq!(nobody, Err(RefusedChange::NoSuchMember(unknown)));
    members.kill(2).await;
    let down = || members.sees(0, id) == crate::cluster::Liveness::Down;
    until("node 2 is seen as down", down).await;
    assert_eq!(members.node(0).remove(id).await, Ok(()));
    until("both know that it is gone", || !knows(&members, 0, id) && !knows(&members, 1, id)).await;
    members.start(2);
    let failure = members.failure(2).await;
    assert!(matches!(failure, ClusterError::Gone { .. }), "{failure:?}");
}
