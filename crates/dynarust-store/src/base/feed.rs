//! The feed of the base: for each record an entry at its newest seq.
//!
//! Records go into the base in name order, and their seqs are then in no order at all: changing the feed
//! with each of them would touch all of its pages for every small part. So the changes are kept back for a
//! while and made in seq order.
//!
//! What that leaves, for the time of a round or behind a crash in the middle of one:
//! - a record above `applied_seq` may lack its entry. The journal has the record, and bringing it in
//!   again brings the entry;
//! - an entry may be *dead*: its record has a newer seq by now. Readers pass it over, and
//!   [`ApplyBase::forget_dead_entries`] removes it.

use dynarust_core::{Partition, RecordName, Seq};
use rusqlite::{Connection, params};

use super::apply::ApplyBase;
use super::error::BaseError;
use super::row::{COLUMNS, RowRead, from_signed, read_stored, to_signed};

/// Changes that are kept back before the feed is brought up to date: a page of it then changes for many of
/// them, and they take a few hundred kilobytes at most.
const CHANGES_KEPT_BACK: usize = 16 << 10;
/// Changes of one transaction.
const CHANGES_AT_A_TIME: usize = 4096;
/// Entries that are looked at for dead ones at a time.
const LOOKED_AT: i64 = 4096;

/// An entry of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) seq: Seq,
    /// The row of `records`.
    pub(super) record: i64,
    pub(super) partition: u16,
}

impl Entry {
    pub(super) fn write(&self, transaction: &Connection) -> Result<(), BaseError> {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO feed (seq, record, partition) VALUES (?, ?, ?)",
            )?
            .execute(params![to_signed(self.seq), self.record, self.partition])?;
        Ok(())
    }
}

/// Changes of the feed that are not made yet.
#[derive(Debug, Default)]
pub(super) struct FeedChanges {
    /// Entries to come.
    pub(super) new: Vec<Entry>,
    /// Those that are dead: seq and record.
    pub(super) dead: Vec<(Seq, i64)>,
}

impl FeedChanges {
    fn len(&self) -> usize {
        self.new.len().max(self.dead.len())
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.new.extend(other.new);
        self.dead.extend(other.dead);
    }

    /// The lowest seqs first.
    fn sort(&mut self) {
        self.new.sort_unstable();
        self.dead.sort_unstable();
    }

    fn write_some(&self, transaction: &Connection) -> Result<(), BaseError> {
        self.new.iter().take(CHANGES_AT_A_TIME).try_for_each(|entry| entry.write(transaction))?;
        let mut delete =
            transaction.prepare_cached("DELETE FROM feed WHERE seq = ? AND record = ?")?;
        for (seq, record) in self.dead.iter().take(CHANGES_AT_A_TIME) {
            delete.execute(params![to_signed(*seq), record])?;
        }
        Ok(())
    }

    fn forget_some(&mut self) {
        self.dead.drain(..self.dead.len().min(CHANGES_AT_A_TIME));
        self.new.drain(..self.new.len().min(CHANGES_AT_A_TIME));
    }
}

/// Where the look for dead entries goes on: behind this one, or nowhere once all were looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeadEntriesPosition(Option<Seq>);

impl Default for DeadEntriesPosition {
    fn default() -> Self {
        Self(Some(0))
    }
}

impl ApplyBase {
    /// Whether so many changes are kept back that the feed should be brought up to date.
    pub(crate) fn feed_lags(&self) -> bool {
        self.feed_changes.len() >= CHANGES_KEPT_BACK
    }

    /// Makes some of the changes that were kept back, lowest seqs first; true once that is all.
    pub(crate) fn bring_feed(&mut self) -> Result<bool, BaseError> {
        if self.feed_changes.len() == 0 {
            return Ok(true);
        }
        self.steps.take()?;
        self.feed_changes.sort();
        let transaction = self.connection.transaction()?;
        self.feed_changes.write_some(&transaction)?;
        transaction.commit()?;
        self.feed_changes.forget_some();
        Ok(self.feed_changes.len() == 0)
    }

    /// Removes some entries whose record has a newer one; true once all were looked at. Only a round that was
    /// cut short leaves any.
    pub(crate) fn forget_dead_entries(
        &mut self,
        position: &mut DeadEntriesPosition,
    ) -> Result<bool, BaseError> {
        let Some(behind) = position.0 else {
            return Ok(true);
        };
        let transaction = self.connection.transaction()?;
        let (mut last, mut dead) = (None, Vec::new());
        {
            let mut statement = transaction.prepare_cached(
                "SELECT f.seq, r.seq IS f.seq FROM feed f LEFT JOIN records r ON r.id = f.record
                 WHERE f.seq > ? AND f.seq <= ? ORDER BY f.seq LIMIT ?",
            )?;
            let applied = to_signed(self.meta.applied_seq);
            let mut rows = statement.query(params![to_signed(behind), applied, LOOKED_AT])?;
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get(0)?;
                last = Some(from_signed(seq));
                if !row.get::<_, bool>(1)? {
                    dead.push(seq);
                }
            }
        }
        for seq in dead {
            transaction.prepare_cached("DELETE FROM feed WHERE seq = ?")?.execute([seq])?;
        }
        transaction.commit()?;
        *position = DeadEntriesPosition(last);
        Ok(last.is_none())
    }

    /// Gives each sound record its entry, and removes those that are dead.
    pub(crate) fn complete_feed(&mut self) -> Result<(), BaseError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "DELETE FROM feed WHERE NOT EXISTS (
                 SELECT 1 FROM records r WHERE r.id = feed.record AND r.seq = feed.seq)",
            [],
        )?;
        let mut lacking = Vec::new();
        {
            let sql = format!(
                "SELECT {COLUMNS}, r.id FROM records r NOT INDEXED
                 WHERE NOT EXISTS (SELECT 1 FROM feed f WHERE f.seq = r.seq AND f.record = r.id)"
            );
            let mut statement = transaction.prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if let RowRead::Sound(stored) = read_stored(row)? {
                    lacking.push(entry(&stored.name, stored.seq, row.get(9)?));
                }
            }
        }
        lacking.iter().try_for_each(|entry| entry.write(&transaction))?;
        transaction.commit()?;
        Ok(())
    }
}

/// The entry of a record that stands in this row.
pub(super) fn entry(name: &RecordName, seq: Seq, record: i64) -> Entry {
    Entry { seq, record, partition: Partition::of(name).number() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use dynarust_core::{NodeId, Record, Stored, Version};

    use super::super::apply::Reached;
    use super::super::read::{Bounds, ReadBase, Wanted};
    use super::super::schema::open_or_create;
    use super::*;

    const NODE: NodeId = NodeId(1);

    fn record(key: u64, seq: Seq) -> Arc<Stored> {
        let record = Record {
            version: Version { hlc: seq << 16, node: NODE },
            previous: None,
            expiry: None,
            tombstone: false,
            expired: false,
            value: Bytes::from_static(b"1"),
        };
        let name = RecordName::parse("t", &format!("{key:03}")).unwrap();
        Arc::new(Stored { name, seq, record })
    }

    struct Base {
        folder: tempfile::TempDir,
        base: ApplyBase,
    }

    impl Base {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let base = Self::open(&folder);
            Self { folder, base }
        }

        fn open(folder: &tempfile::TempDir) -> ApplyBase {
            let open = open_or_create(&folder.path().join("base.sqlite"), NODE).unwrap();
            ApplyBase::new(open, std::time::Duration::from_secs(60)).unwrap()
        }

        /// As a kill does: what was kept back in memory is gone.
        fn kill(self) -> Self {
            let base = Self::open(&self.folder);
            Self { base, ..self }
        }

        fn round(&mut self, records: &[Arc<Stored>]) {
            self.base.apply(records).unwrap();
            while !self.base.bring_feed().unwrap() {}
            let applied_seq = records.iter().map(|it| it.seq).max().unwrap_or(0);
            let reached = Reached { applied_seq, clock_ceiling: 0, answers: Vec::new(), now: 0 };
            self.base.reach(&reached).unwrap();
        }

        /// What a reader of the feed sees.
        fn feed(&self) -> Vec<Seq> {
            let reader = ReadBase::open(&self.folder.path().join("base.sqlite")).unwrap();
            let bounds = Bounds { records: usize::MAX, bytes: usize::MAX };
            reader
                .feed(0, bounds, &Wanted::ALL, false, |_, _| None)
                .unwrap()
                .records
                .into_iter()
                .map(|it| it.seq)
                .collect()
        }

        fn entries(&self) -> Vec<i64> {
            let mut statement = self.base.connection.prepare("SELECT seq FROM feed").unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        }

        fn problems(&self) -> usize {
            self.base.audit().unwrap().problems.len()
        }
    }

    /// Records 1 to 9; then 3 to 9 anew, of which only the records came into the base before a kill.
    fn cut_short() -> (Base, Vec<Arc<Stored>>) {
        let mut base = Base::new();
        base.round(&(1..10).map(|nth| record(nth, nth)).collect::<Vec<_>>());
        let anew: Vec<_> = (3..10).map(|nth| record(nth, 20 - nth)).collect();
        base.base.apply(&anew).unwrap();
        (base.kill(), anew)
    }

    #[test]
    fn readers_pass_over_dead_entries_and_what_is_not_reached() {
        let (base, _) = cut_short();
        assert_eq!(base.feed(), [1, 2]);
        assert!(base.entries().len() > 2);
    }

    #[test]
    fn the_end_of_the_feed_shows_how_far_a_round_that_was_cut_short_came() {
        let (base, _) = cut_short();
        assert_eq!(base.base.newest_seq().unwrap(), 17);
    }

    #[test]
    fn bringing_the_records_in_again_completes_the_feed() {
        let (mut base, anew) = cut_short();
        base.round(&anew);
        assert_eq!(base.feed(), [1, 2, 11, 12, 13, 14, 15, 16, 17]);
        assert_eq!(base.problems(), 0);
        let mut position = DeadEntriesPosition::default();
        while !base.base.forget_dead_entries(&mut position).unwrap() {}
        assert_eq!(base.entries(), [1, 2, 11, 12, 13, 14, 15, 16, 17]);
        assert_eq!(base.problems(), 0);
    }

    #[test]
    fn a_record_without_its_entry_is_a_problem() {
        let mut base = Base::new();
        base.round(&[record(1, 1), record(2, 2)]);
        base.base.connection.execute("DELETE FROM feed WHERE seq = 1", []).unwrap();
        assert_eq!(base.problems(), 1);
        base.base.complete_feed().unwrap();
        assert_eq!(base.problems(), 0);
    }

    #[test]
    fn more_changes_than_go_into_one_transaction_all_come() {
        let mut base = Base::new();
        let many = CHANGES_AT_A_TIME as u64 * 2 + 5;
        base.round(&(0..many).map(|nth| record(nth, many - nth)).collect::<Vec<_>>());
        assert_eq!(base.feed(), (1..=many).collect::<Vec<_>>());
        base.round(&(0..many).map(|nth| record(nth, 3 * many - nth)).collect::<Vec<_>>());
        assert_eq!(base.feed(), (2 * many + 1..=3 * many).collect::<Vec<_>>());
        assert_eq!(base.entries().len() as u64, many);
    }
}
