//! What a live stream told its reader, over all its connections.

use serde::{Deserialize, Serialize};

use crate::operation::{Nanos, Seen};

/// One reader of a live stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Who reads.
    pub reader: u32,
    /// What it follows: all records whose names begin with this.
    pub prefix: String,
    /// One after the other.
    pub connections: Vec<Connection>,
    /// Whether it was followed, on its last connection, until nothing more came and nothing was written
    /// any more.
    pub to_the_end: bool,
}

/// From a request to the end of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The node that was asked.
    pub node: u32,
    /// When.
    pub opened: Nanos,
    /// The id that it was to go on behind; without one it begins with the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<String>,
    /// What came, in order.
    pub events: Vec<Event>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it came.
    pub at: Nanos,
    /// Its id.
    pub id: String,
    /// What it says.
    pub what: Told,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// A record: of the state, or as it was changed.
    Change {
        /// Its name, as in [`crate::Operation::key`].
        key: String,
        /// Written, or with its version deleted.
        seen: Seen,
        /// It went because its time was over; the version is that of the write.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        expired: bool,
    },
    /// The state, or what was missed, is complete.
    Ready,
    /// The history is not there; the whole state follows.
    Reset,
    /// The reader was too slow.
    Lagged,
    /// The node stops.
    Closing,
}
