//! GET: what a key holds.

use std::sync::Arc;

use dynarust_core::{RecordName, Stored};
use dynarust_store::ReadError;

use crate::Node;

/// What can be told of a key without waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtHand {
    /// It holds this.
    Live(Arc<Stored>),
    /// It holds nothing.
    Absent,
    /// Only [`Node::get`] can tell.
    Unknown,
}

impl Node {
    /// The record if it is in memory: no wait, no allocation.
    #[must_use]
    pub fn get_at_hand(&self, name: &RecordName) -> AtHand {
        match self.store.peek(name) {
            None => AtHand::Unknown,
            Some(stored) => self.if_live(stored).map_or(AtHand::Absent, AtHand::Live),
        }
    }

    /// The record; `None` where there is none, or it was deleted or has expired.
    ///
    /// # Errors
    /// [`ReadError`]: nothing is known of the record.
    pub async fn get(&self, name: RecordName) -> Result<Option<Arc<Stored>>, ReadError> {
        match self.get_at_hand(&name) {
            AtHand::Live(stored) => Ok(Some(stored)),
            AtHand::Absent => Ok(None),
            AtHand::Unknown => {
                let stored = self.store.get(name).await?;
                Ok(stored.and_then(|stored| self.if_live(stored)))
            }
        }
    }

    fn if_live(&self, stored: Arc<Stored>) -> Option<Arc<Stored>> {
        stored.record.is_live(self.now()).then_some(stored)
    }
}
