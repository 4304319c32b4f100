//! GET: what a key holds.

use std::sync::Arc;

use dynarust_core::{Consistency, RecordName, Replicas, Stored};
use dynarust_store::ReadError;

use crate::Node;
use crate::coordinate::read_deadline;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The record; `None` where there is none, or it was deleted or has expired.
    pub stored: Option<Arc<Stored>>,
    /// Who was asked.
    pub replicas: Replicas,
}

/// Why nothing is known of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedRead {
    /// The store could not read it.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// Fewer owners than the consistency asks for are there, or answered in time. Ask for less, or try
    /// again when more are there.
    #[error("{needed} owners of the record must be asked, and {live} of them are there")]
    NotEnoughReplicas {
        /// So many must be asked.
        needed: u16,
        /// So many are there.
        live: u16,
    },
    /// The node has not joined its cluster yet. Ask another node, or wait.
    #[error("this node has not joined its cluster yet: ask another node, or try again in a moment")]
    NotReady,
    /// The node's clock is off: it cannot tell what has expired. Set the clock.
    #[error(
        "this node's clock is off from those of the others: set it, and ask another node until then"
    )]
    ClockSkew,
}

impl Node {
    /// What the key holds, if it is in memory and nobody else needs to be asked: no wait, no
    /// allocation. `None`: only [`Node::get`] can tell.
    #[must_use]
    pub fn get_at_hand(&self, name: &RecordName, consistency: Consistency) -> Option<Found> {
        let replicas = self.cluster.answers_alone(name, consistency)?;
        let stored = self.store.peek(name)?;
        Some(Found { stored: self.if_live(stored), replicas })
    }

    /// What the key holds, from as many owners as was asked.
    ///
    /// # Errors
    /// [`RefusedRead`]: nothing is known of the record.
    pub async fn get(
        &self,
        name: RecordName,
        consistency: Consistency,
    ) -> Result<Found, RefusedRead> {
        let Some(replicas) = self.cluster.answers_alone(&name, consistency) else {
            let found = self.read_owners(&name, consistency, read_deadline()).await?;
            let stored = found.stored.and_then(|stored| self.if_live(stored));
            return Ok(Found { stored, ..found });
        };
        let stored = self.cluster.get_own(&name).await?;
        Ok(Found { stored: stored.and_then(|stored| self.if_live(stored)), replicas })
    }

    fn if_live(&self, stored: Arc<Stored>) -> Option<Arc<Stored>> {
        stored.record.is_live(self.now()).then_some(stored)
    }
}
