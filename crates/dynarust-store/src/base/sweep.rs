//! Forgets tombstones and expired records that everybody has had time to hear of (design section 7, "Tombstones").

use dynarust_core::limits::TOMBSTONE_MILLIS;
use dynarust_core::{Seq, UnixMillis};
use rusqlite::{OptionalExtension, params};

use super::apply::ApplyBase;
use super::error::BaseError;
use super::row::{Kind, from_signed, to_signed};

/// Rows that one transaction forgets.
const SWEEP_MAX: i64 = 1000;

/// Tombstones and expired records that are to be forgotten.
pub(crate) struct OldRecords {
    /// By seq, rising.
    rows: Vec<Gone>,
}

/// A row without a value.
struct Gone {
    id: i64,
    seq: Seq,
    kind: Kind,
}

impl OldRecords {
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
        self.rows.last().map_or(0, |row| row.seq)
    }
}

impl ApplyBase {
    /// Some of the tombstones and expired records that this node took in over [`TOMBSTONE_MILLIS`] ago, oldest first.
    pub(crate) fn old_records(&self, now: UnixMillis) -> Result<OldRecords, BaseError> {
        let taken_through = self.taken_before(now.saturating_sub(TOMBSTONE_MILLIS))?.unwrap_or(0);
        let rows = self
            .connection
            .prepare_cached(
                "SELECT id, seq, flags FROM records WHERE flags & 3 AND seq <= ?
                 ORDER BY seq LIMIT ?",
            )?
            .query_map(params![to_signed(taken_through), SWEEP_MAX], |row| {
                let kind = Kind::of_flags(row.get(2)?);
                Ok(Gone { id: row.get(0)?, seq: from_signed(row.get(1)?), kind })
            })?
            .collect::<Result<_, _>>()?;
        Ok(OldRecords { rows })
    }

    /// Forgets them. Readers must have been told before: from here on a reader that stopped below
    /// their seqs misses deletes.
    pub(crate) fn forget(&mut self, old: &OldRecords) -> Result<(), BaseError> {
        let mut meta = self.meta.clone();
        meta.forgotten_seq = meta.forgotten_seq.max(old.through());
        let transaction = self.connection.transaction()?;
        for Gone { id, seq, kind } in &old.rows {
            transaction.prepare_cached("DELETE FROM records WHERE id = ?")?.execute([id])?;
            transaction
                .prepare_cached("DELETE FROM feed WHERE seq = ?")?
                .execute([to_signed(*seq)])?;
            meta.counts.forget(*kind);
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
