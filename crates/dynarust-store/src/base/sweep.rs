//! Forgets tombstones that everybody has had time to hear of (design section 7, "Tombstones").

use dynarust_core::limits::TOMBSTONE_MILLIS;
use dynarust_core::{Seq, UnixMillis};
use rusqlite::{OptionalExtension, params};

use super::apply::ApplyBase;
use super::error::BaseError;
use super::row::{from_signed, to_signed};

/// Tombstones that one transaction forgets.
const SWEEP_MAX: i64 = 1000;

/// Tombstones that are to be forgotten.
pub(crate) struct OldTombstones {
    /// The row of each, and its seq; rising.
    rows: Vec<(i64, Seq)>,
}

impl OldTombstones {
    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is nothing to forget.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The highest seq among them.
    pub(crate) fn through(&self) -> Seq {
        self.rows.last().map_or(0, |(_, seq)| *seq)
    }
}

impl ApplyBase {
    /// Some of the tombstones that this node took in over [`TOMBSTONE_MILLIS`] ago, oldest first.
    pub(crate) fn old_tombstones(&self, now: UnixMillis) -> Result<OldTombstones, BaseError> {
        let taken_through = self.taken_before(now.saturating_sub(TOMBSTONE_MILLIS))?.unwrap_or(0);
        let rows = self
            .connection
            .prepare_cached(
                "SELECT id, seq FROM records WHERE flags & 1 AND seq <= ? ORDER BY seq LIMIT ?",
            )?
            .query_map(params![to_signed(taken_through), SWEEP_MAX], |row| {
                Ok((row.get(0)?, from_signed(row.get(1)?)))
            })?
            .collect::<Result<_, _>>()?;
        Ok(OldTombstones { rows })
    }

    /// Forgets them. Readers must have been told before: from here on a reader that stopped below
    /// their seqs misses deletes.
    pub(crate) fn forget(&mut self, old: &OldTombstones) -> Result<(), BaseError> {
        let mut meta = self.meta.clone();
        meta.forgotten_seq = meta.forgotten_seq.max(old.through());
        let transaction = self.connection.transaction()?;
        for (id, seq) in &old.rows {
            transaction.prepare_cached("DELETE FROM records WHERE id = ?")?.execute([id])?;
            transaction
                .prepare_cached("DELETE FROM feed WHERE seq = ?")?
                .execute([to_signed(*seq)])?;
        }
        meta.save(&transaction)?;
        transaction.commit()?;
        self.meta = meta;
        Ok(())
    }

    /// The newest seq that is known to have been taken in by then.
    fn taken_before(&self, time: UnixMillis) -> Result<Option<Seq>, BaseError> {
        let found: Option<i64> = self
            .connection
            .prepare_cached("SELECT max(seq) FROM feed_times WHERE taken_at <= ?")?
            .query_row([to_signed(time)], |row| row.get(0))
            .optional()?
            .flatten();
        Ok(found.map(from_signed))
    }
}
