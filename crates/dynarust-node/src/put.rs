//! PUT: a key gets a value.

use bytes::Bytes;
use dynarust_core::{Condition, Consistency, RecordName, RequestKey, UnixMillis};
use dynarust_store::{Change, Durability, Write};

use crate::{Acknowledged, Node, RefusedWrite};

/// A value for a key.
#[derive(Debug, Clone)]
pub struct Put {
    /// The record.
    pub name: RecordName,
    /// The value's JSON text: valid, within the limits, and owned alone (a slice of a larger buffer
    /// would keep all of that in memory).
    pub value: Bytes,
    /// From when on the record is gone by itself; `None`: never.
    pub expiry: Option<UnixMillis>,
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
    /// Stores the value; answers with the record's version once it is as durable, at as many
    /// owners, as was asked. Dropping the future undoes nothing.
    ///
    /// # Errors
    /// [`RefusedWrite`], but never as absent.
    pub fn put(
        &self,
        put: Put,
    ) -> impl Future<Output = Result<Acknowledged, RefusedWrite>> + Send + use<'_> {
        let consistency = put.consistency;
        self.write(put.into(), consistency)
    }
}

impl From<Put> for Write {
    fn from(put: Put) -> Self {
        Self {
            name: put.name,
            change: Change::Put { value: put.value, expiry: put.expiry },
            condition: put.condition,
            durability: put.durability,
            request: put.request,
            above: None,
        }
    }
}
