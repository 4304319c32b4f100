//! Agreeing: a change of who serves what is known to all live members, and what any of them acknowledged
//! before it knew stands at all of them.
//!
//! Writers and readers count the owners that their view shows. Of two views that differ in one owner, a
//! majority of each have an owner in common; of two that differ in more they need not: a read would miss
//! a write that was acknowledged. So who takes an owner away, after others were added, agrees in between.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::NodeId;
use dynarust_core::limits::{AGREE_MILLIS_MAX, LOOK_AGAIN_MILLIS};
use futures_util::future::join_all;
use prost::Message;
use tokio::time::{sleep, timeout};

use super::state::Cluster;
use crate::mesh::message::{Done, Failure, Members, number};
use crate::mesh::{Channel, Reply};

const PATIENCE: Duration = Duration::from_millis(AGREE_MILLIS_MAX);

impl Cluster {
    /// Whether all live members know what this node knows of members, and what was acknowledged before
    /// stands at all of them. Those that are live and have not said so are the error.
    pub(crate) async fn agree(self: &Arc<Self>) -> Result<(), Vec<NodeId>> {
        let view = self.view();
        let Some(members) = self.members_text(view.registry.iter()) else {
            return Err(vec![self.me]);
        };
        let others = view.others().map(|member| member.id);
        let asked = join_all(others.map(|id| self.agrees(id, &members)));
        let (asked, stands) = tokio::join!(asked, timeout(PATIENCE, self.until_all_have_all()));
        let own = stands.is_err().then_some(self.me);
        let unsure: Vec<NodeId> = asked.into_iter().flatten().chain(own).collect();
        if unsure.is_empty() { Ok(()) } else { Err(unsure) }
    }

    /// The member, where it is live and does not agree.
    async fn agrees(&self, id: NodeId, members: &Members) -> Option<NodeId> {
        let asking = async {
            let link = self.peer(id)?.link(Channel::Data)?;
            link.ask::<Done>(number::AGREE, members).await.ok()
        };
        match timeout(PATIENCE, asking).await {
            Ok(Some(Done {})) => None,
            _ => self.liveness(id).is_live().then_some(id),
        }
    }

    /// Waits until all live members have what this node has published so far. What they lack of what lay
    /// before they followed is no matter: they say that they are behind.
    pub(super) async fn until_all_have_all(&self) {
        let head = self.store.position().seq;
        let lacks = |id: NodeId| self.liveness(id).is_live() && !self.acks.reached(id, head);
        while self.view().others().any(|member| lacks(member.id)) {
            sleep(Duration::from_millis(LOOK_AGAIN_MILLIS)).await;
        }
    }
}

/// Answers a member that wants this one to agree.
pub(super) async fn answer_agree(cluster: Arc<Cluster>, body: Bytes) -> Reply {
    cluster.note_members(body).ok_or(Failure::NotUnderstood)?;
    let stands = timeout(PATIENCE, cluster.until_all_have_all()).await;
    stands.map_err(|_| Failure::Overloaded)?;
    Ok(Done {}.encode_to_vec().into())
}
