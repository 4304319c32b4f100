//! Catching up: what lay in a feed before its source was asked to ship is read page by page.
//!
//! Of a feed that is read for the first time, with nothing read of others, records come whole; else the
//! source gives their names and stamps, and only what is lacking is pulled.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::FEED_RETRY_MILLIS;
use dynarust_core::{Epoch, PartitionSet, Seq};
use dynarust_store::Durability;

use super::lacking::{Notices, take_lacking};
use super::positions::Position;
use super::taking::take_in_for_sure;
use crate::cluster::{Cluster, Peer};
use crate::mesh::message::{Acknowledge, FeedAsk, FeedPart, Follow, Following, Shipped, number};
use crate::mesh::{AskError, Channel, Link};

/// Follows the peer until the link ends, anew whenever this node wants other partitions.
pub(crate) async fn follow(cluster: &Arc<Cluster>, peer: &Arc<Peer>, link: &Arc<Link>) {
    let mut changes = cluster.changes();
    let mut followed: Option<PartitionSet> = None;
    loop {
        changes.mark_unchanged();
        let view = cluster.view();
        let wants = view.wants();
        let member = view.cluster.is_some() && view.others().any(|it| it.id == peer.id);
        if member && followed.as_ref() != Some(&wants) {
            if follow_anew(cluster, peer, link, &wants).await.is_none() {
                return;
            }
            followed = Some(wants);
            cluster.tell_change();
            cluster.serve_what_is_complete();
            continue;
        }
        if changes.changed().await.is_err() {
            return;
        }
        cluster.serve_what_is_complete();
    }
}

/// None where it cannot be done on this link.
async fn follow_anew(
    cluster: &Arc<Cluster>,
    peer: &Arc<Peer>,
    link: &Arc<Link>,
    wants: &PartitionSet,
) -> Option<()> {
    let follow_number = peer.taking.begin(link.serial(), wants.clone())?;
    let ask = Follow { partitions: wants.to_bytes().to_vec().into(), number: follow_number };
    let Following { epoch, head } = link.ask(number::FOLLOW, &ask).await.ok()?;
    let epoch = Epoch(epoch);
    peer.taking.answered(follow_number, head);
    let known = cluster.positions.get(peer.id);
    let covered = known.as_ref().map(|it| it.covered.clone()).unwrap_or_default();
    let (old, new) = (wants.intersection(&covered), wants.difference(&covered));
    if let Some(known) = known.filter(|_| !old.is_empty()) {
        let from = (known.epoch, known.seq);
        Reading { cluster, peer, link, partitions: &old, whole: false, gone: true }
            .read(from, head)
            .await?;
    }
    if !new.is_empty() {
        // With nothing read of anybody, nothing is there; but for what a node held before it joined.
        let whole = cluster.positions.is_empty();
        Reading { cluster, peer, link, partitions: &new, whole, gone: true }
            .read((Epoch(0), 0), head)
            .await?;
    }
    let through = peer.taking.is_caught_up(follow_number)?;
    // What is not followed any more is not covered from here on.
    let covered = wants.intersection(&cluster.view().wants());
    let position = Position { epoch, seq: through, covered };
    cluster.positions.set(peer.id, position);
    link.notify(
        number::ACKNOWLEDGE,
        &Acknowledge { number: follow_number, through, kept: Vec::new(), contiguous: true },
    );
    tracing::debug!(peer = %peer.id, head, "caught up");
    Some(())
}

/// A part of a feed, being read.
pub(super) struct Reading<'a> {
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) peer: &'a Arc<Peer>,
    pub(super) link: &'a Arc<Link>,
    pub(super) partitions: &'a PartitionSet,
    /// Whole records, since this node has none of them.
    pub(super) whole: bool,
    /// What was deleted or has expired, too, where this node has nothing of it.
    pub(super) gone: bool,
}

impl Reading<'_> {
    /// Reads from a place up to the head. None where it cannot be done on this link.
    pub(super) async fn read(&self, from: (Epoch, Seq), head: Seq) -> Option<()> {
        let (mut epoch, mut after) = from;
        loop {
            let part = self.page(epoch, after).await?;
            let entries: Option<Vec<Shipped>> =
                part.entries.into_iter().map(|entry| entry.understood()).collect();
            let (whole, notices): (Vec<_>, Vec<_>) =
                entries?.into_iter().partition(|it| it.record.is_some());
            let arrivals: Vec<_> =
                whole.into_iter().filter_map(|it| it.into_arrival(false)).collect();
            self.cluster.figures.caught_up(arrivals.len() as u64);
            if !arrivals.is_empty() {
                take_in_for_sure(self.cluster, arrivals, Durability::Relaxed).await?;
            }
            let notices = Notices { notices, gone: self.gone };
            take_lacking(self.cluster, self.link, notices, Durability::Relaxed).await?;
            // The source says in which of its starts it counts; another's seqs can't be compared.
            let counts_on = epoch == Epoch(part.epoch);
            epoch = Epoch(part.epoch);
            if part.through >= head || counts_on && part.through == after {
                return Some(());
            }
            after = part.through;
        }
    }

    async fn page(&self, epoch: Epoch, after: Seq) -> Option<FeedPart> {
        let ask = FeedAsk {
            epoch: epoch.0,
            after,
            partitions: self.partitions.to_bytes().to_vec().into(),
            whole: self.whole,
        };
        let mut changes = self.cluster.changes();
        loop {
            if self.link.is_closed() {
                return None;
            }
            changes.mark_unchanged();
            let Some(bulk) = self.peer.link(Channel::Bulk) else {
                tokio::select! {
                    _ = changes.changed() => continue,
                    () = self.link.closed() => return None,
                }
            };
            match bulk.ask(number::FEED, &ask).await {
                Ok(part) => return Some(part),
                Err(AskError::Nonsense) => return None,
                Err(error) => tracing::debug!(peer = %self.peer.id, %error, "no feed yet"),
            }
            tokio::time::sleep(Duration::from_millis(FEED_RETRY_MILLIS)).await;
        }
    }
}
