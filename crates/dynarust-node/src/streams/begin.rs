//! Where a stream starts.

use dynarust_core::{Selection, Seq, StreamCursor};
use dynarust_store::Store;

use super::state::StateReader;

/// An id that leads to `reset` and the whole state, as an unknown one does: one character is no
/// base64. It stands where nothing was sent yet, and beside `reset`: a reader that is cut there still
/// needs all of the state, and to be told that what it holds may be gone.
pub(super) const RESET_ID: &str = "0";

/// What the reader asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// The present state first.
    State,
    /// Only what changes from now on (`?state=false`).
    Changes,
    /// What came behind the event with this id (`Last-Event-ID`, as it came). Where that cannot be
    /// told, the stream begins with [`super::Event::Reset`] and the state.
    After(String),
}

/// What it comes to.
#[derive(Debug)]
pub(super) enum Start {
    /// The state, or the rest of it, then what changed behind `began`.
    State {
        reader: StateReader,
        began: Seq,
        /// The reader may hold what is gone.
        reset: bool,
        /// The id of what it has.
        id: String,
    },
    /// What changed behind `from`.
    Changes {
        from: Seq,
        /// The id of what it has.
        id: String,
    },
}

impl Start {
    /// The whole state, as of now.
    pub(super) fn whole(store: &dyn Store, selection: &Selection, reset: bool) -> Self {
        Self::State {
            // Sampled before the state is read: see the module header.
            began: store.position().seq,
            reader: StateReader::new(selection, None),
            reset,
            id: RESET_ID.to_owned(),
        }
    }

    /// From the present head.
    pub(super) fn now(store: &dyn Store, selection: &Selection) -> Self {
        let position = store.position();
        let cursor =
            StreamCursor { position, selection: selection.fingerprint(), state_through: None };
        Self::Changes { from: position.seq, id: cursor.encode() }
    }

    /// Behind the event with this id; `None` for one that cannot be resumed.
    pub(super) fn after(store: &dyn Store, selection: &Selection, id: String) -> Option<Self> {
        let cursor = StreamCursor::decode(&id)?;
        if cursor.selection != selection.fingerprint() {
            return None;
        }
        let from = store.resume(cursor.position)?;
        Some(match cursor.state_through {
            None => Self::Changes { from, id },
            Some(through) => Self::State {
                reader: StateReader::new(selection, Some(&through)),
                began: from,
                reset: false,
                id,
            },
        })
    }
}
