//! Forgets tombstones that everybody has had time to hear of (design section 7, "Tombstones").

use dynarust_core::limits::TOMBSTONE_MILLIS;
use dynarust_core::{Seq, UnixMillis};
use rusqlite::{OptionalExtension, params};

use super::apply::ApplyBase;
use super::row::{from_signed, to_signed};
use super::schema::{BaseError, set_meta};

/// Tombstones that one transaction forgets.
const SWEEP_MAX: i64 = 1000;

impl ApplyBase {
    /// Removes tombstones that this node took in over [`TOMBSTONE_MILLIS`] ago, some at a time;
    /// returns how many. Readers below `forgotten_seq` get `reset` from then on.
    pub(crate) fn sweep(&mut self, now: UnixMillis) -> Result<usize, BaseError> {
        let Some(through) = self.taken_before(now.saturating_sub(TOMBSTONE_MILLIS))? else {
            return Ok(0);
        };
        let mut meta = self.meta.clone();
        let transaction = self.connection.transaction()?;
        let old: Vec<(i64, i64)> = transaction
            .prepare_cached(
                "SELECT id, seq FROM records WHERE flags & 1 AND seq <= ? ORDER BY seq LIMIT ?",
            )?
            .query_map(params![to_signed(through), SWEEP_MAX], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        for (id, seq) in &old {
            transaction.prepare_cached("DELETE FROM records WHERE id = ?")?.execute([id])?;
            transaction.prepare_cached("DELETE FROM feed WHERE seq = ?")?.execute([seq])?;
            meta.forgotten_seq = meta.forgotten_seq.max(from_signed(*seq));
        }
        // Of the times that lie so far back only the newest is of use.
        transaction.execute("DELETE FROM feed_times WHERE seq < ?", [to_signed(through)])?;
        set_meta(&transaction, "forgotten_seq", to_signed(meta.forgotten_seq))?;
        transaction.commit()?;
        self.meta = meta;
        Ok(old.len())
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
