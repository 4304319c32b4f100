//! How others go: removed by an operator, or evicted, after they were down for long, by the side that sees
//! a majority (design section 5).
//!
//! Who is gone stays so: its id never comes back.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::NodeId;
use dynarust_core::limits::EVICT_LOOK_MILLIS;
use dynarust_core::quorum::majority;
use tokio::time::sleep;

use super::Liveness;
use super::state::Cluster;
use crate::leaving::RefusedChange;

impl Cluster {
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
        loop {
            sleep(Duration::from_millis(EVICT_LOOK_MILLIS)).await;
            let view = self.view();
            let is = |id, liveness| self.liveness(id) == liveness;
            let up = view.members().filter(|member| is(member.id, Liveness::Up)).count();
            if !may_evict(view.members().count(), up) {
                continue;
            }
            for member in view.others().filter(|member| is(member.id, Liveness::Down)) {
                let gone_for = self.peer(member.id).map_or(Duration::ZERO, |it| it.lost_for());
                if gone_for >= self.config.evict_after {
                    tracing::warn!(node = %member.id, "evicted: it was down for too long");
                    self.mark_gone(member.id);
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
