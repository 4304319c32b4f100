//! Batches: many writes of one request, submitted one behind the other before the first is waited for,
//! so that a group commit covers as many as it can.
//!
//! Batches write in parts, a few parts at a time over all of them, so that they never fill the queue
//! in front of the journal for writes of other requests. Parts get their turn in the order in which
//! they ask.

use dynarust_store::WriteError;
use tokio::sync::SemaphorePermit;

use crate::{Acknowledged, Delete, Node, Put, RefusedWrite};

/// The right to write one part: at most [`BATCH_PART_OPERATIONS_MAX`] writes, and
/// [`BATCH_PART_BYTES_MAX`] bytes or one larger value. It ends when dropped, which is to be once all
/// of them are answered.
///
/// [`BATCH_PART_OPERATIONS_MAX`]: dynarust_core::limits::BATCH_PART_OPERATIONS_MAX
/// [`BATCH_PART_BYTES_MAX`]: dynarust_core::limits::BATCH_PART_BYTES_MAX
#[derive(Debug)]
pub struct BatchPart<'a> {
    node: &'a Node,
    _permit: SemaphorePermit<'a>,
}

impl Node {
    /// Waits for the turn to write a part of a batch.
    ///
    /// # Errors
    /// [`WriteError::Stopped`], where the node closes. Nothing was begun.
    pub async fn batch_part(&self) -> Result<BatchPart<'_>, RefusedWrite> {
        let permit = self.batch_parts.acquire().await;
        let permit = permit.map_err(|_| WriteError::Stopped("the node closes".into()))?;
        Ok(BatchPart { node: self, _permit: permit })
    }
}

impl<'a> BatchPart<'a> {
    /// Whether writes take effect in the order in which they are submitted. Among others they go to their
    /// owners, and not all the same way.
    #[must_use]
    pub fn keeps_order(&self) -> bool {
        self.node.cluster.is_alone()
    }

    /// As [`Node::put`]; the call submits it.
    pub fn put(
        &self,
        put: Put,
    ) -> impl Future<Output = Result<Acknowledged, RefusedWrite>> + Send + use<'a> {
        let consistency = put.consistency;
        self.node.write_at_once(put.into(), consistency)
    }

    /// As [`Node::delete`]; the call submits it.
    pub fn delete(
        &self,
        delete: Delete,
    ) -> impl Future<Output = Result<Acknowledged, RefusedWrite>> + Send + use<'a> {
        let consistency = delete.consistency;
        self.node.write_at_once(delete.into(), consistency)
    }
}
