//! A session: what runs while there is a link to a peer.
//!
//! ```text
//! data   members told ─▶ follow, catch up ─▶ take what is shipped      ship what is published here
//! bulk   answers alone
//! ```

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::ClusterId;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};

use super::peer::Peer;
use super::state::Cluster;
use crate::following;
use crate::mesh::message::{Failure, Members, number};
use crate::mesh::{Channel, FrameError, Handler, Link, Met, Reply};
use crate::streams::Tellings;

impl Cluster {
    /// Until the link ends; tells why.
    pub(super) async fn session<S: AsyncRead + AsyncWrite>(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        link: &Arc<Link>,
        met: Met<S>,
    ) -> FrameError {
        let handler = Dispatch {
            cluster: Arc::clone(self),
            peer: Arc::clone(peer),
            tellings: Tellings::default(),
        };
        let running = link.run(met, &handler, &*self.clock);
        if link.channel() == Channel::Bulk {
            return running.await;
        }
        let view = self.view();
        // Those that are gone, too: the peer may have been away when they went.
        if let Some(members) = self.members_text(view.registry.iter()) {
            link.notify(number::MEMBERS, &members);
        }
        let talking = async {
            // Each ends where the link does, or what came makes no sense.
            tokio::select! {
                () = following::follow(self, peer, link) => {}
                () = following::take(self, peer, link) => {}
                () = following::ship(self, peer, link) => {}
                () = following::repair_again(self, peer, link) => {}
                () = crate::coordinate::confirm(peer, link) => {}
            }
        };
        // The link's own end tells why.
        let ended = tokio::select! {
            biased;
            ended = running => ended,
            () = talking => FrameError::Closed,
        };
        link.close();
        peer.taking.end(link.serial());
        peer.shipment.end(link.serial());
        peer.confirming.end();
        ended
    }

    /// None where it makes no sense.
    pub(super) fn note_members(self: &Arc<Self>, body: Bytes) -> Option<()> {
        let text = Members::decode(body).ok()?;
        let cluster = ClusterId(u128::from_be_bytes(text.cluster.try_into().ok()?));
        let members: Option<Vec<_>> = text.members.into_iter().map(|it| it.understood()).collect();
        let view = self.view();
        let joins = view.cluster.is_none() || view.others().next().is_none();
        if view.cluster == Some(cluster) {
            self.admit(cluster, members?);
        } else if joins {
            self.join(cluster, members?);
        }
        Some(())
    }
}

/// Hands what a peer sends to those whom it concerns.
struct Dispatch {
    cluster: Arc<Cluster>,
    peer: Arc<Peer>,
    /// What the peer's streams are told over this link: they end with it.
    tellings: Tellings,
}

impl Handler for Dispatch {
    fn answer(&self, link: &Arc<Link>, number: u16, body: Bytes) -> BoxFuture<'static, Reply> {
        let cluster = Arc::clone(&self.cluster);
        let peer = Arc::clone(&self.peer);
        match number {
            number::FOLLOW => {
                let reply = following::begin_shipping(&cluster, &peer, link, body);
                async move { reply }.boxed()
            }
            number::AGREE => super::agree::answer_agree(cluster, body).boxed(),
            number::FEED => following::feed(cluster, body).boxed(),
            number::DIGESTS => {
                let reply = following::digests(&cluster);
                async move { Ok(reply) }.boxed()
            }
            number::PULL => following::pull(cluster, body).boxed(),
            number::READ => crate::coordinate::answer_read(cluster, body).boxed(),
            number::CONFIRM => {
                let reply = crate::coordinate::answer_confirm(&cluster, body);
                async move { reply }.boxed()
            }
            number::HOLD => {
                let reply = crate::streams::answer_hold(&cluster, body);
                async move { reply }.boxed()
            }
            number::SCAN => crate::coordinate::answer_scan(cluster, body).boxed(),
            number::TABLES => crate::coordinate::answer_tables(cluster, body).boxed(),
            number::REPAIR => following::repair(cluster, body).boxed(),
            number::ANSWERED => crate::coordinate::answer_answered(cluster, body).boxed(),
            number::ACCEPT => crate::coordinate::answer_accept(cluster, body).boxed(),
            number::WRITE => match cluster.node() {
                Some(node) => crate::coordinate::answer_write(node, body).boxed(),
                None => async { Err(Failure::NotReady) }.boxed(),
            },
            _ => async { Err(Failure::NotUnderstood) }.boxed(),
        }
    }

    fn note(&self, link: &Arc<Link>, number: u16, body: Bytes) {
        let noted = match number {
            number::MEMBERS => self.cluster.note_members(body),
            number::SHIP => self.peer.taking.arrive(link.serial(), body),
            number::ACKNOWLEDGE => {
                following::note_acknowledged(&self.cluster, &self.peer, link, body)
            }
            number::WATCH => self.tellings.begin(&self.cluster, link, body),
            number::WATCH_MORE => self.tellings.more(body),
            number::UNWATCH => self.tellings.end(body),
            number::WATCHED => self.cluster.watches.arrive(body),
            number::REMEMBERED => following::note_remembered(&self.cluster, &self.peer, body),
            // Of a newer release.
            _ => Some(()),
        };
        if noted.is_none() {
            tracing::warn!(peer = %self.peer.id, number, "a peer's message makes no sense");
            link.close();
        }
    }
}
