//! What a node is and has done, in numbers.

use dynarust_core::{NodeId, TableName};
use dynarust_store::{ReadError, StoreStats, TableCount};

use crate::streams::StreamFigures;
use crate::{ClusterStats, Node};

/// See the module.
#[derive(Debug, Clone)]
pub struct NodeStats {
    /// The node's name, born with its data folder.
    pub id: NodeId,
    /// Where others reach it: host and port.
    pub address: String,
    /// Its live streams.
    pub streams: StreamFigures,
    /// What it remembers.
    pub store: StoreStats,
    /// It among others.
    pub cluster: ClusterStats,
}

impl Node {
    /// The node in numbers. Cheap: nothing is read from the disk.
    #[must_use]
    pub fn stats(&self) -> NodeStats {
        NodeStats {
            id: self.id(),
            address: self.cluster.own_address().to_string(),
            streams: self.streams.figures(),
            store: self.store.stats(),
            cluster: self.cluster.stats(),
        }
    }

    /// How much the tables behind `after` hold, at most so many of them, as of some moments ago.
    ///
    /// # Errors
    /// [`ReadError::Base`].
    pub async fn table_counts(
        &self,
        after: Option<TableName>,
        tables_max: usize,
    ) -> Result<Vec<TableCount>, ReadError> {
        self.store.table_counts(after, tables_max).await
    }
}
