//! Multi-get: many records by name, in the order asked for, a few read at a time.

use std::sync::Arc;

use dynarust_core::limits::READS_AT_A_TIME_MAX;
use dynarust_core::{RecordName, Stored};
use dynarust_store::ReadError;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use crate::Node;

impl Node {
    /// The live ones of these records, in this order. Not a snapshot: each is as it was at some
    /// moment before it came.
    ///
    /// The stream ends at its first error.
    pub fn get_many(
        self: Arc<Self>,
        names: Vec<RecordName>,
    ) -> impl Stream<Item = Result<Arc<Stored>, ReadError>> + Send + 'static {
        stream::iter(names)
            .map(move |name| {
                let node = Arc::clone(&self);
                async move { node.get(name).await }
            })
            .buffered(READS_AT_A_TIME_MAX)
            .try_filter_map(async |found| Ok(found))
    }
}
