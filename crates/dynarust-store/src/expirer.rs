//! The expirer: a thread that notices records whose deadline has passed (design section 2).
//!
//! ```text
//! recent, base ─▶ expirer: which are due ─▶ submissions ─▶ writer thread: mark them, in portions
//! ```
//!
//! Readers need none of this: to them a record is gone at its deadline. Streams and followers read the
//! feed, and there it needs a seq.
//!
//! Invariants:
//! - the writer thread decides: what is handed to it is a hint, looked at again there;
//! - one portion is on its way at a time, so that clients' writes get their turn between two;
//! - what was handed over in vain, or is lost in a crash, is found again.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::EXPIRIES_AT_A_TIME_MAX;
use dynarust_core::{RecordName, Seq, UnixMillis, Version};

use crate::base::{BaseError, DuePosition, ReadBase};
use crate::clock::WallClock;
use crate::shared::Shared;
use crate::submission::Marked;

/// How often it looks: well within the second in which streams are to hear of an expiry.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// A record that is due, as far as the expirer saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) name: RecordName,
    pub(crate) version: Version,
}

/// All that the expirer owns.
pub(crate) struct Expirer {
    shared: Arc<Shared>,
    base: ReadBase,
    wall_clock: Arc<dyn WallClock>,
    /// Records of the base up to here were handed over.
    handed: DuePosition,
    /// The base as it was when they were: once more is in it, it is looked at from the beginning.
    applied: Seq,
}

impl Expirer {
    pub(crate) fn new(shared: Arc<Shared>, base: ReadBase, wall_clock: Arc<dyn WallClock>) -> Self {
        let applied = shared.recent.read().applied();
        Self { shared, base, wall_clock, handed: DuePosition::default(), applied }
    }

    /// Runs until the store closes or fails.
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut mark = |due| shared.submissions.mark_expired(due);
        while self.turn(&mut mark) && !shared.submissions.is_closed_within(LOOK_INTERVAL) {}
    }

    /// One look; false where none follows.
    pub(crate) fn turn(&mut self, mark: &mut impl FnMut(Vec<Due>) -> Marked) -> bool {
        self.look(mark).map_or_else(
            |error| {
                tracing::error!(%error, "expired records cannot be looked for");
                true
            },
            |marked| marked != Marked::Closed,
        )
    }

    /// Has all that is due now marked, where the clock can be trusted. `mark` hands a portion to the writer,
    /// and tells what became of it.
    pub(crate) fn look(
        &mut self,
        mark: &mut impl FnMut(Vec<Due>) -> Marked,
    ) -> Result<Marked, BaseError> {
        if !self.shared.trusts_clock() {
            return Ok(Marked::All);
        }
        let now = self.wall_clock.now();
        // Recent first: what moves into the base meanwhile is found there.
        let marked = self.look_at_recent(now, mark);
        if marked != Marked::All {
            return Ok(marked);
        }
        self.look_at_base(now, mark)
    }

    fn look_at_recent(&self, now: UnixMillis, mark: &mut impl FnMut(Vec<Due>) -> Marked) -> Marked {
        let mut after = (0, 0);
        loop {
            let (due, last) = self.shared.recent.read().due(after, now, EXPIRIES_AT_A_TIME_MAX);
            let Some(last) = last else {
                return Marked::All;
            };
            after = last;
            let marked = mark(due);
            if marked != Marked::All {
                return marked;
            }
        }
    }

    fn look_at_base(
        &mut self,
        now: UnixMillis,
        mark: &mut impl FnMut(Vec<Due>) -> Marked,
    ) -> Result<Marked, BaseError> {
        let applied = self.shared.recent.read().applied();
        if applied != self.applied {
            (self.applied, self.handed) = (applied, DuePosition::default());
        }
        loop {
            let (due, last) = self.base.due(self.handed, now, EXPIRIES_AT_A_TIME_MAX)?;
            if due.is_empty() {
                return Ok(Marked::All);
            }
            let marked = mark(due);
            if marked != Marked::All {
                self.handed = DuePosition::default();
                return Ok(marked);
            }
            self.handed = last;
        }
    }
}
