//! When what was taken in: the newest seq, noted now and then, so that the sweep knows what is old.
//!
//! Invariant: a seq that a note names, and every one below it, had been taken in by the note's time. The
//! first note of a seq counts.

use std::time::Duration;

use dynarust_core::{Seq, UnixMillis};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::BaseError;
use super::row::{from_signed, to_signed};

/// Notes that an age is divided into: about so many are kept.
const NOTES_AN_AGE: UnixMillis = 1440;
/// Notes are at least so far apart.
const GRAIN_MILLIS_MIN: UnixMillis = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct FeedTimes {
    /// What is older may be forgotten.
    age_millis: UnixMillis,
    /// The newest note of this start.
    noted_at: UnixMillis,
    noted_seq: Seq,
}

impl FeedTimes {
    pub(super) fn keeping(age: Duration) -> Self {
        let age_millis = UnixMillis::try_from(age.as_millis()).unwrap_or(UnixMillis::MAX);
        Self { age_millis, noted_at: 0, noted_seq: 0 }
    }

    /// Whether it is time for another note.
    pub(super) fn are_due(&self, now: UnixMillis) -> bool {
        now.abs_diff(self.noted_at) >= (self.age_millis / NOTES_AN_AGE).max(GRAIN_MILLIS_MIN)
    }

    /// Whether something was taken in since the newest note.
    pub(super) fn lack(&self, seq: Seq) -> bool {
        seq > self.noted_seq
    }

    /// Writes a note, in the transaction at hand. Once that is committed, [`FeedTimes::noted`].
    pub(super) fn note(
        &self,
        transaction: &Connection,
        seq: Seq,
        now: UnixMillis,
    ) -> Result<(), BaseError> {
        transaction.execute(
            "INSERT OR IGNORE INTO feed_times (seq, taken_at) VALUES (?, ?)",
            params![to_signed(seq), to_signed(now)],
        )?;
        // Of the times that lie so far back only the newest is of use.
        transaction.execute(
            "DELETE FROM feed_times WHERE seq <
                (SELECT max(seq) FROM feed_times WHERE taken_at <= ?)",
            [to_signed(now.saturating_sub(self.age_millis))],
        )?;
        Ok(())
    }

    pub(super) fn noted(&mut self, seq: Seq, now: UnixMillis) {
        (self.noted_seq, self.noted_at) = (seq, now);
    }

    /// The newest seq that is known to be old enough to be forgotten.
    pub(super) fn old_through(
        &self,
        connection: &Connection,
        now: UnixMillis,
    ) -> Result<Seq, BaseError> {
        let found: Option<i64> = connection
            .prepare_cached("SELECT max(seq) FROM feed_times WHERE taken_at <= ?")?
            .query_row([to_signed(now.saturating_sub(self.age_millis))], |row| row.get(0))
            .optional()?
            .flatten();
        Ok(found.map_or(0, from_signed))
    }
}
