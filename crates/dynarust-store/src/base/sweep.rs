//! Forgets tombstones and expired records that everybody has had time to hear of (design section 7,
//! "Tombstones"), and gives the space that is free in the file back.

use dynarust_core::{Seq, UnixMillis};
use rusqlite::params;

use super::apply::ApplyBase;
use super::error::BaseError;
use super::misnamed;
use super::row::{Kind, from_signed, to_signed};

/// Rows that one transaction forgets.
const SWEEP_MAX: i64 = 1000;

/// Pages that are given back at a time: some milliseconds' work.
const PAGES_GIVEN_MAX: u64 = 1024;
/// Free pages that are always kept.
const FREE_PAGES_KEPT: u64 = 64;
/// This part of the file may be free as well.
const FREE_PART_KEPT: u64 = 8;

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
    /// Some of the tombstones and expired records up to a seq that this node took in long enough ago, oldest
    /// first.
    pub(crate) fn old_records(
        &mut self,
        now: UnixMillis,
        up_to: Seq,
    ) -> Result<OldRecords, BaseError> {
        if self.feed_times.lack(self.meta.applied_seq) && self.feed_times.are_due(now) {
            // Nothing was brought in since: what came last would never grow old.
            self.feed_times.note(&self.connection, self.meta.applied_seq, now)?;
            self.feed_times.noted(self.meta.applied_seq, now);
        }
        let taken_through = self.feed_times.old_through(&self.connection, now)?.min(up_to);
        self.led_right(|base| base.gone_through(taken_through))
    }

    fn gone_through(&self, taken_through: Seq) -> Result<OldRecords, BaseError> {
        // The index says which, and where; each row, whether that is so.
        let mut statement = self.connection.prepare_cached(
            "SELECT gone.id, gone.seq, r.seq, r.flags
             FROM records gone INDEXED BY records_gone LEFT JOIN records r ON r.id = gone.id
             WHERE gone.flags & 3 AND gone.seq <= ? ORDER BY gone.seq LIMIT ?",
        )?;
        let mut found = statement.query(params![to_signed(taken_through), SWEEP_MAX])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let number = |column| row.get::<_, Option<i64>>(column).ok().flatten();
            let (id, seq, seq_there) = (number(0), number(1), number(2));
            let kind = number(3).map(Kind::of_flags).filter(|kind| *kind != Kind::Live);
            match (id, seq, kind) {
                (Some(id), Some(seq), Some(kind)) if seq_there == Some(seq) => {
                    rows.push(Gone { id, seq: from_signed(seq), kind });
                }
                _ => return Err(BaseError::Misled),
            }
        }
        Ok(OldRecords { rows })
    }

    /// Gives some of the free pages at the end of the file back to the file system, where that is worth
    /// it; whether it gave any. A base that was made in format 1 has none to give.
    pub(crate) fn give_space_back(&self) -> Result<bool, BaseError> {
        if self.pragma("auto_vacuum")? == 0 {
            return Ok(false);
        }
        let free = self.pragma("freelist_count")?;
        // Some are kept: what comes next needs them.
        let kept = self.pragma("page_count")? / FREE_PART_KEPT + FREE_PAGES_KEPT;
        let given = free.saturating_sub(kept).min(PAGES_GIVEN_MAX);
        if given > 0 {
            // Each step gives one page.
            let mut statement =
                self.connection.prepare(&format!("PRAGMA incremental_vacuum({given})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(given > 0)
    }

    /// Forgets them. Readers must have been told before: from here on a reader that stopped below
    /// their seqs misses deletes.
    pub(crate) fn forget(&mut self, old: &OldRecords) -> Result<(), BaseError> {
        self.steps.take()?;
        self.led_right(|base| base.take_out(old))
    }

    fn take_out(&mut self, old: &OldRecords) -> Result<(), BaseError> {
        let mut meta = self.meta.clone();
        meta.forgotten_seq = meta.forgotten_seq.max(old.through());
        let transaction = self.connection.transaction()?;
        for Gone { id, seq, kind } in &old.rows {
            if misnamed::remove(&transaction, *id, *seq)? {
                meta.counts.forget(*kind);
            }
            transaction
                .prepare_cached("DELETE FROM feed WHERE seq = ? AND record = ?")?
                .execute(params![to_signed(*seq), id])?;
        }
        meta.save(&transaction)?;
        transaction.commit()?;
        self.meta = meta;
        Ok(())
    }
}
