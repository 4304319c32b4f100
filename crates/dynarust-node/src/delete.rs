//! DELETE: a key becomes absent.

use dynarust_core::{Condition, Consistency, RecordName, RequestKey};
use dynarust_store::{Change, Durability, Write};

use crate::{Acknowledged, Node, RefusedWrite};

/// A record that shall go.
#[derive(Debug, Clone)]
pub struct Delete {
    /// The record.
    pub name: RecordName,
    /// What must hold before.
    pub condition: Condition,
    /// When it counts as done.
    pub durability: Durability,
    /// How many owners must have it then.
    pub consistency: Consistency,
    /// By what a repeat of it is known.
    pub request: Option<RequestKey>,
}

impl Node {
    /// Deletes the record; answers with the tombstone's version once it is as durable, at as many
    /// owners, as was asked. The condition is looked at before the existence. Dropping the future
    /// undoes nothing.
    ///
    /// # Errors
    /// [`RefusedWrite`].
    pub fn delete(
        &self,
        delete: Delete,
    ) -> impl Future<Output = Result<Acknowledged, RefusedWrite>> + Send + use<'_> {
        let consistency = delete.consistency;
        self.write(delete.into(), consistency)
    }
}

impl From<Delete> for Write {
    fn from(delete: Delete) -> Self {
        Self {
            name: delete.name,
            change: Change::Delete,
            condition: delete.condition,
            durability: delete.durability,
            request: delete.request,
            above: None,
        }
    }
}
