//! Meeting: who is taken as a peer, and who is refused (design section 5).
//!
//! What is looked at here was proved by the handshake: the peer knows the secret.

use std::sync::Arc;

use dynarust_core::{MemberState, NodeId};
use tokio::io::{AsyncRead, AsyncWrite};

use super::peer::Installed;
use super::state::Cluster;
use crate::mesh::handshake::{self, Greeting, HandshakeError, Met, Refusal};
use crate::mesh::{Channel, Link};

impl Cluster {
    /// What this node says of itself. `reached` is the address of the other end, seen from here.
    pub(super) fn greeting(&self, joins: bool, reached: Option<String>) -> Greeting {
        let view = self.view();
        Greeting {
            node: self.me,
            incarnation: self.incarnation,
            cluster: view.cluster,
            alone: view.others().next().is_none(),
            joins,
            address: view.own().map(|own| own.address.to_string()),
            reached,
        }
    }

    /// Whether to take a peer that dialled.
    fn judge(&self, peer: &Greeting, channel: Channel) -> Result<(), Refusal> {
        self.judge_identity(peer, Some(channel))?;
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
        if known || view.registry.has_room() { Ok(()) } else { Err(Refusal::Full) }
    }

    /// Whether to take the peer that answers at the address to join.
    pub(super) fn judge_host(&self, peer: &Greeting) -> Result<(), Refusal> {
        self.judge_identity(peer, None)?;
        let view = self.view();
        let alone = view.others().next().is_none();
        match (view.cluster, peer.cluster) {
            (_, None) => Err(Refusal::NotReady),
            (None, Some(_)) => Ok(()),
            (Some(ours), Some(theirs)) if ours == theirs || alone => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::Cluster),
        }
    }

    /// Whether to take the peer that answers at a member's address.
    pub(super) fn judge_member(&self, member: NodeId, peer: &Greeting) -> Result<(), Refusal> {
        self.judge_identity(peer, None)?;
        if peer.node == member && peer.cluster == self.view().cluster {
            Ok(())
        } else {
            // Another node has its address now; if it is to be a member, it will join.
            Err(Refusal::NotReady)
        }
    }

    fn judge_identity(&self, peer: &Greeting, dialled: Option<Channel>) -> Result<(), Refusal> {
        let view = self.view();
        if peer.node == self.me {
            let same = peer.address == view.own().map(|own| own.address.to_string());
            return Err(if same { Refusal::Itself } else { Refusal::Cloned });
        }
        let Some(known) = view.registry.get(peer.node) else {
            return Ok(());
        };
        if known.state == MemberState::Gone {
            return Err(Refusal::Gone);
        }
        if peer.incarnation < known.incarnation {
            return Err(Refusal::Outdated);
        }
        // The same start of the same node, from another address, while the first is there.
        let elsewhere = peer.incarnation == known.incarnation
            && peer.address.as_deref().is_some_and(|address| address != &*known.address);
        let there = dialled.is_some()
            && self.peer(peer.node).is_some_and(|it| it.liveness() == super::Liveness::Up);
        if elsewhere && there { Err(Refusal::Cloned) } else { Ok(()) }
    }

    /// Serves a connection on which somebody asked for the mesh.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let Some(secret) = self.config.secret.clone() else {
            return;
        };
        let greet = |peer: &Greeting| {
            self.learn_address(peer.reached.as_deref());
            self.greeting(false, None)
        };
        let judge = |peer: &Greeting, channel| self.judge(peer, channel);
        match handshake::accept(io, secret.as_bytes(), greet, judge).await {
            Ok(met) => self.serve_link(met, None).await,
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
        let Greeting { node, incarnation, .. } = met.peer;
        let channel = met.channel;
        let peer = self.peer_or_new(node);
        let link = Link::new(incarnation, channel, Arc::clone(&self.figures.traffic));
        if peer.install(&link, by.unwrap_or(node)) == Installed::Superfluous {
            return;
        }
        tracing::debug!(peer = %node, ?channel, "linked");
        self.tell_change();
        let ended = self.session(&peer, &link, met).await;
        if peer.remove(&link, self.clock.now()) {
            tracing::info!(peer = %node, ?channel, "the link ended: {ended}");
            self.notice_loss(&peer, channel);
        }
    }

    fn notice_loss(self: &Arc<Self>, peer: &Arc<super::Peer>, channel: Channel) {
        self.tell_change();
        if channel == Channel::Data {
            // Who waits for it looks again when it counts as down.
            let (cluster, until) = (Arc::clone(self), peer.lost_until());
            self.spawn(async move {
                tokio::time::sleep_until(until).await;
                cluster.tell_change();
            });
        }
    }
}
