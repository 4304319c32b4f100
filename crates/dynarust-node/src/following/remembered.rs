//! How far the others remember this node's feed, and so which tombstones may go (design section 7).
//!
//! A tombstone goes only behind the position of every member, not gone, as that member has it on stable
//! storage: one that was not heard of in this start holds back all of them. So does one whose own feed this node
//! has not read yet: it may hold records of what it does not want any more, and hears no deletes of.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{Epoch, NodeId, Partition, Seq};
use parking_lot::Mutex;
use prost::Message;

use super::positions::{Position, PositionText};
use crate::cluster::{Cluster, Peer};
use crate::mesh::Channel;
use crate::mesh::message::number;

/// By member.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<BTreeMap<NodeId, Position>>);

impl Remembered {
    /// Whether the member knows this node for good, as it does once it remembers its feed.
    pub(crate) fn knows(&self, member: NodeId) -> bool {
        self.0.lock().contains_key(&member)
    }

    /// Whether the member has everything of this partition up to a seq of this node's feed on stable storage.
    pub(crate) fn reaches(
        &self,
        member: NodeId,
        epoch: Epoch,
        partition: Partition,
        seq: Seq,
    ) -> bool {
        self.0.lock().get(&member).is_some_and(|position| {
            position.epoch == epoch && position.covered.contains(partition) && position.seq >= seq
        })
    }
}

/// What the sources were told, and over which links.
pub(crate) type Told = BTreeMap<NodeId, (u64, Position)>;

impl Cluster {
    /// Tells each of the members that the note names how far this node will know its feed after a crash, where
    /// it was not told yet. Whose feed could not be read so far, as by a node whose disk is full, is told that
    /// it is known.
    pub(crate) fn tell_remembered(
        &self,
        members: &[NodeId],
        positions: &BTreeMap<NodeId, Position>,
        told: &mut Told,
    ) {
        let nothing = Position::nothing();
        for source in members {
            let position = positions.get(source).unwrap_or(&nothing);
            let link = self.peer(*source).and_then(|peer| peer.link(Channel::Data));
            let Some(link) = link else {
                continue;
            };
            let telling = (link.serial(), position.clone());
            if told.get(source) != Some(&telling) {
                link.notify(number::REMEMBERED, &PositionText::of((source, position)));
                told.insert(*source, telling);
            }
        }
    }

    /// Lets the store forget tombstones as far as everybody has them.
    pub(crate) fn let_forget(&self) {
        let view = self.view();
        let remembered = self.remembered.0.lock();
        let epoch = self.store.position().epoch;
        let through = |member: &dynarust_core::Member| -> Seq {
            let wants = view.wanted_by(member);
            let position = remembered.get(&member.id).filter(|position| {
                position.epoch == epoch
                    && wants.difference(&position.covered).is_empty()
                    && !self.is_behind_in(member.id)
            });
            position.map_or(0, |position| position.seq)
        };
        // Who waits to join may hold deletes that nobody else has heard of.
        let alone = if view.cluster.is_some() { Seq::MAX } else { 0 };
        self.store.forget_up_to(view.others().map(through).min().unwrap_or(alone));
    }
}

/// A follower has told what it remembers. None where it makes no sense.
pub(crate) fn note_remembered(cluster: &Arc<Cluster>, peer: &Peer, body: Bytes) -> Option<()> {
    let (source, position) = PositionText::decode(body).ok()?.understood()?;
    if source == cluster.me {
        let first = cluster.remembered.0.lock().insert(peer.id, position).is_none();
        cluster.let_forget();
        if first {
            cluster.serve_what_is_complete();
        }
    }
    Some(())
}
