//! What a node is and has done, in numbers.

use dynarust_core::{NodeId, Seq};

use crate::Node;
use crate::streams::StreamFigures;

/// See the module.
#[derive(Debug, Clone)]
pub struct NodeStats {
    /// The node's name, born with its data folder.
    pub id: NodeId,
    /// Where others reach it: host and port.
    pub address: String,
    /// How many records it took in since its folder was made: the newest seq.
    pub head: Seq,
    /// Its live streams.
    pub streams: StreamFigures,
}

impl Node {
    /// The node in numbers. Cheap: nothing is read from the disk.
    #[must_use]
    pub fn stats(&self) -> NodeStats {
        let position = self.store.position();
        NodeStats {
            id: position.node,
            address: self.address.clone(),
            head: position.seq,
            streams: self.streams.figures(),
        }
    }
}
