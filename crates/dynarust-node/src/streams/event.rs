//! What a stream tells its reader.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::{RecordName, Seq, Stored};

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

/// An event of a stream of this node's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) event: Event,
    /// Where the stream stands behind it; none where nothing was sent yet, or all of it may be gone.
    pub(super) place: Option<Place>,
}

/// Where a stream of this node's feed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// All that is followed was sent up to this seq; while the state goes out, but for what of it is still to
    /// come.
    pub(super) seq: Seq,
    /// Nothing that was sent lies behind this.
    pub(super) told: Seq,
    /// While the state goes out, the last of it.
    pub(super) state_through: Option<RecordName>,
}
