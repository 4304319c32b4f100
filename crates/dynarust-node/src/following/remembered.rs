//! How far the others remember this node's feed, and so which tombstones may go (design section 7).
//!
//! A tombstone goes only behind the position of every member, not gone, as that member has it on stable
//! storage: one that was not heard of in this start holds back all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{NodeId, Seq};
use parking_lot::Mutex;
use prost::Message;

use super::positions::{Position, PositionText};
use crate::cluster::{Cluster, Peer};
use crate::mesh::Channel;
use crate::mesh::message::number;

/// By member.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<BTreeMap<NodeId, Position>>);

impl Cluster {
    /// Tells each source how far this node will know its feed after a crash.
    pub(crate) fn tell_remembered(&self, positions: &BTreeMap<NodeId, Position>) {
        for (source, position) in positions {
            let link = self.peer(*source).and_then(|peer| peer.link(Channel::Data));
            if let Some(link) = link {
                link.notify(number::REMEMBERED, &PositionText::of((source, position)));
            }
        }
    }

    /// Lets the store forget tombstones as far as everybody has them.
    pub(crate) fn let_forget(&self) {
        let view = self.view();
        let remembered = self.remembered.0.lock();
        let epoch = self.store.position().epoch;
        let through = |member: &dynarust_core::Member| -> Seq {
            let wants = view.placement.owned(member.id).union(&member.serves);
            let position = remembered.get(&member.id).filter(|position| {
                position.epoch == epoch && wants.difference(&position.covered).is_empty()
            });
            position.map_or(0, |position| position.seq)
        };
        self.store.forget_up_to(view.others().map(through).min().unwrap_or(Seq::MAX));
    }
}

/// A follower has told what it remembers. None where it makes no sense.
pub(crate) fn note_remembered(cluster: &Arc<Cluster>, peer: &Peer, body: Bytes) -> Option<()> {
    let (source, position) = PositionText::decode(body).ok()?.understood()?;
    if source == cluster.me {
        cluster.remembered.0.lock().insert(peer.id, position);
        cluster.let_forget();
    }
    Some(())
}
