//! Who is there.

use std::sync::Arc;

use dynarust_core::partition::PARTITIONS;
use dynarust_core::{NodeId, Replicas, UnixMillis};

use crate::Node;

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
        let this = Member {
            address: self.address.clone(),
            id: self.id(),
            incarnation: self.store.stats().incarnation,
            zone: self.cluster.zone.clone(),
            weight: self.cluster.weight,
            status: Status::Active,
            last_heartbeat: now,
            partitions: PARTITIONS,
        };
        Membership { members: vec![this], timestamp: now }
    }
}
