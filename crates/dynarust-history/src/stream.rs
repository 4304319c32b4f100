//! What a live stream told its reader, over all its connections.

use serde::{Deserialize, Serialize};

use crate::operation::{Nanos, Seen};

/// One reader of a live stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Who reads.
    pub reader: u32,
    /// What it follows.
    pub follows: Follows,
    /// One after the other.
    pub connections: Vec<Connection>,
    /// Whether it was followed, on its last connection, until nothing more came and nothing was written
    /// any more.
    pub to_the_end: bool,
}

/// What a stream follows: records by their names, and all whose names begin with something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Follows {
    /// Whole names, as in [`crate::Operation::key`].
    pub keys: Vec<String>,
    /// Beginnings of names.
    pub prefixes: Vec<String>,
}

impl Follows {
    /// All records whose names begin so.
    #[must_use]
    pub fn prefix(prefix: &str) -> Self {
        Self { prefixes: vec![prefix.to_owned()], ..Self::default() }
    }

    /// Whether that record is among them.
    #[must_use]
    pub fn holds(&self, key: &str) -> bool {
        self.keys.iter().any(|it| it == key) || self.prefixes.iter().any(|it| key.starts_with(it))
    }
}

impl std::fmt::Display for Follows {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefixes = self.prefixes.iter().map(|prefix| format!("{prefix}…"));
        let all: Vec<String> = self.keys.iter().cloned().chain(prefixes).collect();
        formatter.write_str(&all.join(", "))
    }
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
    /// When the reader left it, or gave up, where all that came by then is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Nanos>,
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
