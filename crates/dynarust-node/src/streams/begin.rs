//! Where a stream starts.

use dynarust_core::{Claims, PartitionSet, RecordName, Selection, Seq, StreamCursor};
use dynarust_store::Store;

use super::event::Place;
use super::samples::Samples;
use super::state::StateReader;

/// An id that leads to `reset` and the whole state, as an unknown one does: one character is no
/// base64. It stands where nothing was sent yet, and beside `reset`: a reader that is cut there still
/// needs all of the state, and to be told that what it holds may be gone.
pub const RESET_ID: &str = "0";

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

/// What a stream of this node's feed begins with.
#[derive(Debug)]
pub(super) enum Start {
    /// The present state.
    State {
        /// The reader may hold what is gone.
        reset: bool,
    },
    /// What is published from now on.
    Now,
    /// What lies behind what the reader has.
    Behind(Resumed),
}

/// What the reader of a stream has, in terms of this node's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resumed {
    /// All that is followed was sent up to here, but for the rest of the state.
    pub(super) from: Seq,
    /// Nothing that was sent lies behind this; it may come from elsewhere, and so be above `from`.
    pub(super) told: Seq,
    /// What it has of the feeds of others.
    pub(super) claims: Claims,
    /// While the state goes out, the last of it.
    pub(super) state_through: Option<RecordName>,
}

/// Where a stream's phases begin.
#[derive(Debug)]
pub(super) struct Beginning {
    /// What of the state is to be told first.
    pub(super) state: Option<StateReader>,
    /// Then, what changed behind this.
    pub(super) from: Seq,
    /// Nothing that was sent lies behind this.
    pub(super) told: Seq,
    /// What is claimed by that.
    pub(super) claims: Claims,
    /// Where the reader stands; none where it has nothing yet, or all of it may be gone.
    pub(super) place: Option<Place>,
}

impl Start {
    pub(super) fn beginning(
        self,
        (store, samples): (&dyn Store, &Samples),
        selection: &Selection,
        partitions: &PartitionSet,
    ) -> Beginning {
        match self {
            Self::Behind(Resumed { from, told, claims, state_through }) => {
                let rest = |through| StateReader::new(selection, Some(through));
                let state = state_through.as_ref().map(rest);
                let place = Some(Place { seq: from, told, state_through });
                Beginning { state, from, told, claims, place }
            }
            Self::Now | Self::State { .. } => {
                // Sampled before the state is read: see the module header.
                let sample = samples.take(store);
                let (from, claims) = (sample.head(), sample.claims(partitions));
                let (state, place) = match self {
                    Self::Now => (None, Some(Place { seq: from, told: from, state_through: None })),
                    _ => (Some(StateReader::new(selection, None)), None),
                };
                Beginning { state, from, told: from, claims, place }
            }
        }
    }
}

impl Resumed {
    /// Behind what only this node's feed has told. `None` where others have told some of it, or it cannot be
    /// resumed here.
    pub(super) fn here(store: &dyn Store, cursor: &StreamCursor) -> Option<Self> {
        let mut told = 0;
        for position in cursor.told.iter() {
            told = told.max(store.resume(*position)?);
        }
        Self::behind(store, cursor, told)
    }

    /// Behind what the cursor claims in this node's feed, where nothing that was told lies behind `told` there.
    pub(super) fn behind(store: &dyn Store, cursor: &StreamCursor, told: Seq) -> Option<Self> {
        let from = store.resume(cursor.claims.on(store.position().node)?)?;
        let claims = cursor.claims.clone();
        let state_through = cursor.state_through.clone();
        Some(Self { from, told: told.max(from), claims, state_through })
    }
}

/// What a stream of this selection can be resumed behind, of what an id says.
pub(super) fn read(id: &str, selection: &Selection) -> Option<StreamCursor> {
    StreamCursor::decode(id).filter(|cursor| cursor.selection == selection.fingerprint())
}

/// The id of what was sent; one that resets where that cannot be said.
pub(super) fn id(cursor: &StreamCursor) -> String {
    cursor.encode().unwrap_or_else(|| RESET_ID.to_owned())
}
