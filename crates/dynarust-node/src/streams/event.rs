//! What a stream tells its reader.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::Stored;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A record, as state or as change. One that is not live was deleted, or has expired.
    Change(Arc<Stored>),
    /// The state, or all that was missed, was sent; what follows comes as it happens.
    Ready,
    /// The reader's past is unknown here, or gone: the whole state follows.
    Reset,
    /// The reader was too slow. It resumes by the id; this stream ends.
    Lagged,
    /// The node closes. This stream ends.
    Closing {
        /// How long the reader waits before it comes back: spread over the streams.
        retry: Duration,
    },
}

/// An event with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What happened.
    pub event: Event,
    /// Where a stream goes on behind it: URL-safe ASCII, for [`super::Begin::After`]. `Lagged` and
    /// `Closing` repeat the last one.
    pub id: String,
}
