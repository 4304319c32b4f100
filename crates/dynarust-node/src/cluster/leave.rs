//! How members go: by themselves, once others hold what they held; removed by an operator; or evicted, after
//! they were down for long, by the side that sees a majority (design section 5).
//!
//! Who is gone stays so: its id never comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{EVICT_LOOK_MILLIS, LEAVE_LOOK_MILLIS, LEAVE_TELL_MILLIS};
use dynarust_core::quorum::majority;
use dynarust_core::{MemberState, NodeId};
use tokio::time::{Instant, sleep};

use super::Liveness;
use super::state::Cluster;
use crate::leaving::RefusedChange;

impl Cluster {
    /// Says that this node leaves, so that others take over what it holds.
    pub(crate) fn begin_to_leave(self: &Arc<Self>) -> Result<(), RefusedChange> {
        if self.is_alone() {
            return Err(RefusedChange::Alone);
        }
        self.change_own(|own| own.state = MemberState::Leaving);
        if !self.leaving.swap(true, std::sync::atomic::Ordering::AcqRel) {
            tracing::info!(
                "this node leaves its cluster: it waits until others hold what it holds"
            );
            let cluster = Arc::clone(self);
            self.spawn(async move { cluster.leave().await });
        }
        Ok(())
    }

    async fn leave(self: Arc<Self>) {
        while !self.is_handed_over() {
            sleep(Duration::from_millis(LEAVE_LOOK_MILLIS)).await;
        }
        self.mark_gone(self.me);
        // The others hear of it over links that end with this process.
        sleep(Duration::from_millis(LEAVE_TELL_MILLIS)).await;
        tracing::info!("this node has left its cluster");
        self.left.send_replace(true);
    }

    /// Whether every partition that this node serves is served by all that are to own it without it, and
    /// they have read this node's feed to its end.
    fn is_handed_over(&self) -> bool {
        let view = self.view();
        let Some(own) = view.own() else {
            return true;
        };
        let head = self.store.position().seq;
        let has_all =
            |id: &NodeId| self.acks.contiguous(*id).is_some_and(|through| through >= head);
        own.serves.iter().all(|partition| {
            let owners = view.placement.owners(partition);
            !owners.is_empty()
                && owners.iter().all(|id| {
                    view.registry.get(*id).is_some_and(|it| it.serves.contains(partition))
                        && has_all(id)
                })
        })
    }

    /// Waits until this node has left.
    pub(crate) async fn until_left(&self) {
        let mut left = self.left.subscribe();
        if left.wait_for(|left| *left).await.is_err() {
            std::future::pending().await
        }
    }

    /// Takes a member that is down out of the cluster.
    pub(crate) fn remove(self: &Arc<Self>, id: NodeId) -> Result<(), RefusedChange> {
        let view = self.view();
        if view.others().next().is_none() {
            return Err(RefusedChange::Alone);
        }
        if view.members().all(|member| member.id != id) {
            return Err(RefusedChange::NoSuchMember(id));
        }
        if self.liveness(id) != Liveness::Down {
            return Err(RefusedChange::Alive(id));
        }
        tracing::warn!(node = %id, "removed from the cluster");
        self.mark_gone(id);
        Ok(())
    }

    /// Evicts members that are down for long, without end.
    pub(super) async fn evict_again(self: Arc<Self>) {
        let mut down: BTreeMap<NodeId, Instant> = BTreeMap::new();
        loop {
            sleep(Duration::from_millis(EVICT_LOOK_MILLIS)).await;
            let view = self.view();
            let is_down = |id: &NodeId| self.liveness(*id) == Liveness::Down;
            let members: Vec<NodeId> = view.members().map(|member| member.id).collect();
            down.retain(|id, _| members.contains(id) && is_down(id));
            let up = members.iter().filter(|id| self.liveness(**id) == Liveness::Up).count();
            for id in members.iter().filter(|id| is_down(id)) {
                let since = *down.entry(*id).or_insert_with(Instant::now);
                if may_evict(members.len(), up) && since.elapsed() >= self.config.evict_after {
                    tracing::warn!(node = %id, "evicted: it was down for too long");
                    self.mark_gone(*id);
                }
            }
        }
    }
}

/// Only the side that sees a majority of all members, itself among them, may tell who is gone.
fn may_evict(members: usize, up: usize) -> bool {
    up >= majority(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_majority_evicts() {
        assert!(may_evict(3, 2) && may_evict(5, 3) && !may_evict(5, 2));
        // Of two nobody can tell.
        assert!(!may_evict(2, 1));
    }
}
