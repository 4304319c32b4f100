//! Who is there. Until nodes can join, a membership of one.

use dynarust_core::partition::PARTITIONS;
use dynarust_core::{NodeId, UnixMillis};

use crate::Node;

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
            status: Status::Active,
            last_heartbeat: now,
            partitions: PARTITIONS,
        };
        Membership { members: vec![this], timestamp: now }
    }
}
