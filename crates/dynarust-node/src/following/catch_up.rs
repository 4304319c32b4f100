//! Catching up: what lay in a feed before its source was asked to ship is read page by page, within the
//! budget of background work.
//!
//! ```text
//! read before, in this feed      names and stamps behind the position ─▶ what is lacking is pulled
//! never read in this feed        copied whole, if it is this source's turn (`copying`)
//!                                else, once it was copied: digests compared ─▶ equal: names of what is gone
//!                                                                         └─▶ unlike: names of all
//! ```
//!
//! Equal digests tell that all that is live there is live here: a store counts a record before it publishes
//! it, so that its digests, asked for behind its head, miss nothing up to the head; and what it publishes from
//! there on is shipped.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::digest::Digests;
use dynarust_core::limits::{
    COMPARE_AGAIN_MILLIS, COMPARE_TRIES_MAX, FEED_PAGE_BYTES_MAX, FEED_PAGE_RECORDS_MAX,
    FEED_RETRY_MILLIS, NAMES_READ_AT_ONCE_MAX, NOTICE_BYTES_ASSUMED,
};
use dynarust_core::{Epoch, Partition, PartitionSet, Seq};
use dynarust_store::Durability;
use prost::Message;
use tokio::time::sleep;

use super::copying::Turn;
use super::lacking::{Notices, take_lacking};
use super::positions::Position;
use super::taking::take_in_for_sure;
use crate::cluster::{Cluster, Peer};
use crate::mesh::message::{
    Acknowledge, DigestsText, Done, FeedAsk, FeedPart, Follow, Following, Shipped, number,
};
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
            match follow_anew(cluster, peer, link, &wants).await {
                None => return,
                Some(Outcome::Done) => followed = Some(wants),
                Some(Outcome::WantsOthers) => {
                    // It has begun anew: nothing is followed, whatever is wanted next.
                    followed = None;
                    continue;
                }
            }
            cluster.tell_change();
            cluster.serve_what_is_complete();
            cluster.let_forget();
            continue;
        }
        if changes.changed().await.is_err() {
            return;
        }
        cluster.serve_what_is_complete();
    }
}

/// What came of following a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing is missing any more.
    Done,
    /// This node wants other partitions now, or some anew.
    WantsOthers,
}

/// None where it cannot be done on this link.
async fn follow_anew(
    cluster: &Arc<Cluster>,
    peer: &Arc<Peer>,
    link: &Arc<Link>,
    wants: &PartitionSet,
) -> Option<Outcome> {
    let uncoverings = cluster.positions.uncoverings();
    if cluster.view().wants() != *wants {
        return Some(Outcome::WantsOthers);
    }
    let follow_number = peer.taking.begin(link.serial(), wants.clone())?;
    peer.to_tell.tell_again();
    let ask = Follow { partitions: wants.to_bytes().to_vec().into(), number: follow_number };
    let Following { epoch, head } = link.ask_for_sure(number::FOLLOW, &ask).await?;
    let epoch = Epoch(epoch);
    peer.taking.answered(follow_number, head);
    let known = cluster.positions.get(peer.id);
    let covered = known.as_ref().map(|it| it.covered.clone()).unwrap_or_default();
    let reader = Reader { cluster, peer, link };
    if let Some(known) = known {
        let old = wants.intersection(&covered);
        if !old.is_empty() {
            reader.read(&Wanted::names(&old), (known.epoch, known.seq), head).await?;
        }
    }
    let new = wants.difference(&covered);
    if reader.read_new(new, wants, head).await? == Outcome::WantsOthers {
        return Some(Outcome::WantsOthers);
    }
    if cluster.positions.uncoverings() != uncoverings {
        return Some(Outcome::WantsOthers);
    }
    let through = peer.taking.is_caught_up(follow_number)?;
    let kept = peer.to_tell.take();
    // What is not followed any more is not covered from here on.
    let covered = wants.intersection(&cluster.view().wants());
    let position = Position { epoch, seq: through, covered };
    if !cluster.positions.set_as_of(uncoverings, peer.id, position) {
        return Some(Outcome::WantsOthers);
    }
    // The peer may wait until this node knows it for good.
    cluster.note_is_due();
    link.notify(
        number::ACKNOWLEDGE,
        &Acknowledge { number: follow_number, through, kept, contiguous: true },
    );
    tracing::debug!(peer = %peer.id, head, "caught up");
    Some(Outcome::Done)
}

/// What is read of a feed.
pub(super) struct Wanted<'a> {
    pub(super) partitions: &'a PartitionSet,
    pub(super) form: Form,
    /// What was deleted or has expired, too, where this node has nothing of it.
    pub(super) gone: bool,
}

/// In what form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole records, since this node has none of them.
    Whole,
    /// Names and stamps: what is lacking is pulled.
    Names,
    /// The same, of what was deleted or has expired alone: what is live there is live here.
    NamesOfGone,
}

impl<'a> Wanted<'a> {
    /// All that the source has, by name.
    pub(super) fn names(partitions: &'a PartitionSet) -> Self {
        Self { partitions, form: Form::Names, gone: true }
    }
}

/// Reads the feed of a peer.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) peer: &'a Arc<Peer>,
    /// It follows the peer over this, and ends with it.
    pub(super) link: &'a Arc<Link>,
}

impl Reader<'_> {
    /// Reads what was never read of this peer, up to the head.
    async fn read_new(
        &self,
        mut new: PartitionSet,
        wants: &PartitionSet,
        head: Seq,
    ) -> Option<Outcome> {
        let mut changes = self.cluster.changes();
        self.cluster.look_what_is_held().await;
        loop {
            changes.mark_unchanged();
            match self.cluster.turn_to_copy(self.peer.id, &new) {
                Turn::Copy(claim) => {
                    for (partitions, form) in
                        [(&claim.whole, Form::Whole), (&claim.held, Form::Names)]
                    {
                        self.read_some(partitions, form, head).await?;
                    }
                    new = new.difference(claim.partitions());
                    claim.end_copied();
                }
                Turn::Wait => tokio::select! {
                    _ = changes.changed() => if self.cluster.view().wants() != *wants {
                        return Some(Outcome::WantsOthers);
                    },
                    () = self.link.closed() => return None,
                },
                Turn::Compare => break,
            }
        }
        let alike = self.alike(&new, head).await?;
        let unlike = new.difference(&alike);
        for (partitions, form) in [(&alike, Form::NamesOfGone), (&unlike, Form::Names)] {
            self.read_some(partitions, form, head).await?;
        }
        Some(Outcome::Done)
    }

    /// Reads these partitions from the beginning up to the head.
    async fn read_some(&self, partitions: &PartitionSet, form: Form, head: Seq) -> Option<()> {
        if partitions.is_empty() {
            return Some(());
        }
        let wanted = Wanted { form, ..Wanted::names(partitions) };
        self.read(&wanted, (Epoch(0), 0), head).await
    }

    /// Those of the partitions of which all that is live there is live here.
    async fn alike(&self, partitions: &PartitionSet, head: Seq) -> Option<PartitionSet> {
        let mut alike = PartitionSet::default();
        if partitions.is_empty() || head <= NAMES_READ_AT_ONCE_MAX {
            return Some(alike);
        }
        for again in 0..COMPARE_TRIES_MAX {
            if again > 0 {
                // What is under way arrives.
                sleep(Duration::from_millis(COMPARE_AGAIN_MILLIS)).await;
            }
            let theirs: DigestsText = self.ask(number::DIGESTS, &Done {}).await?;
            let (theirs, ours) = (Digests::from_bytes(&theirs.sums), self.cluster.store.digests());
            if let (Some(theirs), Some(ours)) = (theirs, ours) {
                let same = |partition: &Partition| theirs.of(*partition) == ours.of(*partition);
                partitions.iter().filter(same).for_each(|partition| {
                    alike.insert(partition);
                });
            }
            if partitions.difference(&alike).is_empty() {
                break;
            }
        }
        Some(alike)
    }

    /// Reads from a place up to the head. None where it cannot be done on this link.
    pub(super) async fn read(
        &self,
        wanted: &Wanted<'_>,
        from: (Epoch, Seq),
        head: Seq,
    ) -> Option<()> {
        let (mut epoch, mut after) = from;
        loop {
            // What is not wanted any more is not to come once it was dropped, however long this goes on.
            let partitions = wanted.partitions.intersection(&self.cluster.view().wants());
            if partitions.is_empty() {
                return Some(());
            }
            let (part, entries) = self.page(wanted, &partitions, (epoch, after)).await?;
            let entries = self.cluster.wanted(entries);
            let (whole, notices): (Vec<_>, Vec<_>) =
                entries.into_iter().partition(|it| it.record.is_some());
            let arrivals: Vec<_> =
                whole.iter().filter_map(|it| it.clone().into_arrival(false)).collect();
            self.cluster.figures.caught_up(arrivals.len() as u64);
            if !arrivals.is_empty() {
                let taken = take_in_for_sure(self.cluster, arrivals, Durability::Relaxed).await?;
                self.cluster.note_kept(self.peer, &whole, taken).await;
            }
            if !notices.is_empty() {
                let bulk = self.bulk().await?;
                let notices = Notices { notices, gone: wanted.gone };
                let from = (&**self.peer, &bulk);
                let pulled = take_lacking(self.cluster, from, notices, Durability::Relaxed).await;
                match pulled {
                    Some(bytes) => self.cluster.budget.moved(bytes),
                    // With the bulk link alone this page is lost: it is read again.
                    None if bulk.is_closed() && !self.link.is_closed() => continue,
                    None => return None,
                }
            }
            // The source says in which of its starts it counts; another's seqs can't be compared.
            let counts_on = epoch == Epoch(part.epoch);
            epoch = Epoch(part.epoch);
            if part.through >= head || counts_on && part.through == after {
                return Some(());
            }
            after = part.through;
        }
    }

    /// A page behind a place, and its entries.
    async fn page(
        &self,
        wanted: &Wanted<'_>,
        partitions: &PartitionSet,
        (epoch, after): (Epoch, Seq),
    ) -> Option<(FeedPart, Vec<Shipped>)> {
        let ask = FeedAsk {
            epoch: epoch.0,
            after,
            partitions: partitions.to_bytes().to_vec().into(),
            whole: wanted.form == Form::Whole,
            gone: wanted.form == Form::NamesOfGone,
            packs: true,
        };
        let budget = &self.cluster.budget;
        let reckoned = budget.wait_for(page_bytes(ask.whole)).await;
        let mut part: FeedPart = self.ask(number::FEED, &ask).await?;
        let entries = part.take_entries()?;
        if part.clients {
            budget.clients_are_there();
        }
        budget.settle(reckoned, entries.iter().map(Message::encoded_len).sum());
        let understood: Option<Vec<Shipped>> =
            entries.into_iter().map(|entry| entry.understood()).collect();
        Some((part, understood?))
    }

    /// Asks over the bulk link, again and again while the data link lasts.
    async fn ask<A: Message + Default>(&self, number: u16, message: &impl Message) -> Option<A> {
        loop {
            match self.bulk().await?.ask(number, message).await {
                Ok(answer) => return Some(answer),
                Err(AskError::Nonsense) => return None,
                Err(error) => tracing::debug!(peer = %self.peer.id, %error, "no answer yet"),
            }
            sleep(Duration::from_millis(FEED_RETRY_MILLIS)).await;
        }
    }

    /// The bulk link, once there is one. None where the data link has ended.
    async fn bulk(&self) -> Option<Arc<Link>> {
        let mut changes = self.cluster.changes();
        loop {
            changes.mark_unchanged();
            if self.link.is_closed() {
                return None;
            }
            if let Some(bulk) = self.peer.link(Channel::Bulk) {
                return Some(bulk);
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = self.link.closed() => return None,
            }
        }
    }
}

/// Bytes that a page of a feed is reckoned at before it is there.
pub(super) fn page_bytes(whole: bool) -> usize {
    if whole { FEED_PAGE_BYTES_MAX } else { FEED_PAGE_RECORDS_MAX * NOTICE_BYTES_ASSUMED }
}
