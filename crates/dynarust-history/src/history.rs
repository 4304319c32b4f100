//! All that is known of a run: what was asked and told, what streams told, and what is there at the end.

use serde::{Deserialize, Serialize};

use crate::operation::{Nanos, Operation, Seen};
use crate::stream::Stream;

/// What clients of a cluster did and were told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// In any order.
    pub operations: Vec<Operation>,
    /// Of each node and key, once the nodes say the same; of keys that nobody wrote, too.
    pub finals: Vec<Final>,
    /// The live streams.
    pub streams: Vec<Stream>,
}

/// What a node says of a key at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Final {
    /// The node.
    pub node: u32,
    /// The record's name, as in [`Operation::key`].
    pub key: String,
    /// When it was asked.
    pub at: Nanos,
    /// What it says.
    pub seen: Seen,
}
