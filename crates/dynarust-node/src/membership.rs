//! Who is there.

use std::sync::Arc;

use dynarust_core::{MemberState, NodeId, Replicas, UnixMillis};

use crate::Node;
use crate::cluster::Liveness;

/// Who stands behind what a node alone answers.
pub(crate) const ALONE: Replicas = Replicas { stand: 1, owners: 1 };

/// All nodes that this node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// In the order of their addresses.
    pub members: Vec<Member>,
    /// When this was told.
    pub timestamp: UnixMillis,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where others reach it: host and port.
    pub address: String,
    /// Its name, born with its data folder.
    pub id: NodeId,
    /// How many times it has started.
    pub incarnation: u64,
    /// What may fail as a whole with it, where it says so.
    pub zone: Option<Arc<str>>,
    /// How much of the data it takes, against others.
    pub weight: u16,
    /// How it does.
    pub status: Status,
    /// When it was last heard of; for the node itself, now.
    pub last_heartbeat: UnixMillis,
    /// How many partitions it owns.
    pub partitions: u16,
}

/// How a member does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It answers.
    Active,
    /// It did a moment ago.
    Suspect,
    /// It does not answer.
    Down,
    /// It came in, and copies what it is to own.
    Joining,
    /// It hands over what it owns, and goes then.
    Leaving,
}

impl Membership {
    /// How many members answer.
    #[must_use]
    pub fn active_count(&self) -> usize {
        let active = |member: &&Member| member.status == Status::Active;
        self.members.iter().filter(active).count()
    }
}

impl Node {
    /// Who is there, as this node sees it.
    #[must_use]
    pub fn membership(&self) -> Membership {
        let now = self.now();
        let view = self.cluster.view();
        let mut members: Vec<_> = view
            .members()
            .map(|member| Member {
                address: member.address.to_string(),
                id: member.id,
                incarnation: member.incarnation.0,
                zone: member.zone.clone(),
                weight: member.weight,
                status: self.status(member),
                last_heartbeat: self.heard(member.id, now),
                partitions: view.placement.owned(member.id).len(),
            })
            .collect();
        members.sort_by(|a, b| a.address.cmp(&b.address));
        Membership { members, timestamp: now }
    }

    fn status(&self, member: &dynarust_core::Member) -> Status {
        match (self.cluster.liveness(member.id), member.state) {
            (Liveness::Down, _) => Status::Down,
            (Liveness::Lost, _) => Status::Suspect,
            (Liveness::Up, MemberState::Joining) => Status::Joining,
            (Liveness::Up, MemberState::Leaving) => Status::Leaving,
            (Liveness::Up, MemberState::Up | MemberState::Gone) => Status::Active,
        }
    }

    fn heard(&self, id: NodeId, now: UnixMillis) -> UnixMillis {
        if id == self.id() {
            return now;
        }
        self.cluster.peer(id).map_or(0, |peer| peer.heard(now))
    }
}
