//! Meeting: who is taken as a peer, and who is refused (design section 5).
//!
//! What is looked at here was proved by the handshake: the peer knows the secret.

use std::sync::Arc;

use dynarust_core::{Epoch, Incarnation, MemberState, NodeId};
use tokio::io::{AsyncRead, AsyncWrite};

use super::peer::{Installed, News};
use super::state::Cluster;
use crate::mesh::handshake::{self, Greeting, HandshakeError, Met, Refusal};
use crate::mesh::{Channel, Link};

impl Cluster {
    /// What this node says of itself. `reached` is the address of the other end, seen from here.
    /// Where others reach it is not in it: that may change, and is told with its entry among the members.
    pub(super) fn greeting(&self, joins: bool, reached: Option<String>) -> Greeting {
        let view = self.view();
        Greeting {
            node: self.me,
            incarnation: self.incarnation,
            start: self.store.position().epoch,
            cluster: view.cluster,
            alone: view.others().next().is_none(),
            joins,
            reached,
            now: self.clock.now(),
        }
    }

    /// Whether to take a peer that dialled.
    fn judge(&self, peer: &Greeting) -> Result<(), Refusal> {
        self.judge_identity(peer)?;
        let view = self.view();
        match (view.cluster, peer.cluster) {
            (None, _) => Err(Refusal::NotReady),
            (Some(ours), Some(theirs)) if ours == theirs => Ok(()),
            (Some(_), None) if peer.joins => self.judge_newcomer(peer),
            // It gives up its cluster of one.
            (Some(_), Some(_)) if peer.joins && peer.alone => self.judge_newcomer(peer),
            (Some(_), None) => Err(Refusal::NotReady),
            (Some(_), Some(_)) => Err(Refusal::Cluster),
        }
    }

    fn judge_newcomer(&self, peer: &Greeting) -> Result<(), Refusal> {
        let view = self.view();
        let known = view.registry.get(peer.node).is_some();
        if !known && !view.registry.has_room() {
            return Err(Refusal::Full);
        }
        // Else it would be a member of a cluster that nobody knows any more after a crash of this node.
        if self.noted().is_some() { Ok(()) } else { Err(Refusal::NotReady) }
    }

    /// Whether to take the peer that answers at the address to join.
    pub(super) fn judge_host(&self, peer: &Greeting) -> Result<(), Refusal> {
        self.judge_identity(peer)?;
        let view = self.view();
        let alone = view.others().next().is_none();
        match (view.cluster, peer.cluster) {
            (_, None) => Err(Refusal::NotReady),
            (None, Some(theirs)) => self.judge_return(theirs, peer.now),
            (Some(ours), Some(theirs)) if ours == theirs || alone => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::Cluster),
        }
    }

    /// Whether to take the peer that answers at a member's address.
    pub(super) fn judge_member(&self, member: NodeId, peer: &Greeting) -> Result<(), Refusal> {
        self.judge_identity(peer)?;
        if peer.node == member && peer.cluster == self.view().cluster {
            Ok(())
        } else {
            // Another node has its address now; if it is to be a member, it will join.
            Err(Refusal::NotReady)
        }
    }

    fn judge_identity(&self, peer: &Greeting) -> Result<(), Refusal> {
        if peer.node == self.me {
            let same = peer.start == self.store.position().epoch;
            return Err(if same { Refusal::Itself } else { Refusal::Cloned });
        }
        let Some(known) = self.view().registry.get(peer.node).cloned() else {
            return Ok(());
        };
        if known.state == MemberState::Gone {
            return Err(Refusal::Gone);
        }
        if peer.incarnation < known.incarnation {
            return Err(Refusal::Outdated);
        }
        let there = self.peer(peer.node).and_then(|it| it.link(Channel::Data));
        match there.map(|link| (link.incarnation(), link.start())) {
            Some(present) if is_clone(present, (peer.incarnation, peer.start)) => {
                Err(Refusal::Cloned)
            }
            _ => Ok(()),
        }
    }

    /// Serves a connection on which somebody asked for the mesh.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let Some(secret) = self.config.secret.clone() else {
            return;
        };
        let greeting = self.greeting(false, None);
        let judge = |peer: &Greeting| self.judge(peer);
        match handshake::accept(io, secret.as_bytes(), &greeting, judge).await {
            Ok(met) => {
                // Only one that has proved itself is believed.
                self.learn_address(met.peer.reached.as_deref());
                self.serve_link(met, None).await;
            }
            // It comes again by itself, as long as that lasts.
            Err(HandshakeError::Refused(refusal)) if refusal.passes() => {
                tracing::debug!("a node was told to try again: {refusal}");
            }
            Err(HandshakeError::RefusedByPeer(refusal)) if refusal.passes() => {}
            Err(HandshakeError::RefusedByPeer(Refusal::Itself)) => {}
            Err(HandshakeError::Refused(Refusal::Itself)) => {}
            Err(HandshakeError::Refused(refusal)) => {
                tracing::warn!("a node that asked to be let in was refused: {refusal}");
            }
            Err(error) => tracing::warn!("no node came in: {error}"),
        }
    }

    /// Runs a link to a peer that has met this node, to its end. `by`: this node, where it dialled.
    pub(super) async fn serve_link<S: AsyncRead + AsyncWrite + Send + 'static>(
        self: &Arc<Self>,
        met: Met<S>,
        by: Option<NodeId>,
    ) {
        let Greeting { node, incarnation, start, .. } = met.peer;
        let channel = met.channel;
        let peer = self.peer_or_new(node);
        let link = Link::new((incarnation, start), channel, Arc::clone(&self.figures.traffic));
        if peer.install(&link, by.unwrap_or(node)) == Installed::Superfluous {
            return;
        }
        tracing::debug!(peer = %node, ?channel, "linked");
        self.say_how_it_does(&peer);
        self.tell_change();
        let ended = self.session(&peer, &link, met).await;
        if peer.remove(&link, self.clock.now()) {
            tracing::debug!(peer = %node, ?channel, "the link ended: {ended}");
            self.notice_loss(&peer, channel);
        }
    }

    /// Tells the log where a member came, went, or is back. A link that is made anew within a moment is no
    /// news.
    pub(super) fn say_how_it_does(&self, peer: &super::Peer) {
        let Some(news) = peer.news() else {
            return;
        };
        let view = self.view();
        // One that joins is told of when it is a member.
        let Some(member) = view.others().find(|member| member.id == peer.id) else {
            return;
        };
        let (node, address) = (member.id, &member.address);
        match news {
            News::Met => tracing::info!(%node, %address, "another node is there"),
            News::Missing => tracing::warn!(%node, %address, "a node does not answer"),
            News::Lost => tracing::warn!(%node, %address, "a node does not answer any more"),
            News::Back => tracing::info!(%node, %address, "a node is back"),
        }
    }

    fn notice_loss(self: &Arc<Self>, peer: &Arc<super::Peer>, channel: Channel) {
        self.tell_change();
        if channel == Channel::Data {
            // Who waits for it looks again when it counts as down.
            let (cluster, peer, until) = (Arc::clone(self), Arc::clone(peer), peer.lost_until());
            self.spawn(async move {
                tokio::time::sleep_until(until).await;
                cluster.say_how_it_does(&peer);
                cluster.tell_change();
            });
        }
    }
}

/// Whether a node is another than the one of its id that is there: both count the same start of their
/// folder, and each has its own.
fn is_clone(present: (Incarnation, Epoch), other: (Incarnation, Epoch)) -> bool {
    present.0 == other.0 && present.1 != other.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_counts_the_same_start_and_is_another() {
        let present = (Incarnation(3), Epoch(7));
        assert!(is_clone(present, (Incarnation(3), Epoch(8))));
        // The same start, wherever it is reached now; and the next start, while the link to the one before
        // is not known to be broken.
        assert!(!is_clone(present, present));
        assert!(!is_clone(present, (Incarnation(4), Epoch(8))));
    }
}
