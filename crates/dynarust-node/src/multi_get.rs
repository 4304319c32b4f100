//! Multi-get: many records by name, in the order asked for, a few read at a time.

use std::sync::Arc;

use dynarust_core::limits::READS_AT_A_TIME_MAX;
use dynarust_core::{Consistency, RecordName, Stored};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use crate::{Node, RefusedRead};

impl Node {
    /// The live ones of these records, in this order, each from as many owners as was asked. Not a
    /// snapshot: each is as it was at some moment before it came.
    ///
    /// The stream ends at its first error.
    pub fn get_many(
        self: Arc<Self>,
        names: Vec<RecordName>,
        consistency: Consistency,
    ) -> impl Stream<Item = Result<Arc<Stored>, RefusedRead>> + Send + 'static {
        stream::iter(names)
            .map(move |name| {
                let node = Arc::clone(&self);
                async move { node.get(name, consistency).await }
            })
            .buffered(READS_AT_A_TIME_MAX)
            .try_filter_map(async |found| Ok(found.stored))
    }
}
