//! The scrub: reads the base through, a little at a time, for bytes that have changed.
//!
//! A record that nobody reads would rot unnoticed until its last good copy is gone as well. And a
//! damaged index would answer "not found", which nobody can tell from the truth: so each record is
//! also looked up by its name and by its seq. Indexes hold nothing that the records do not, and are
//! made anew.

use dynarust_core::{Partition, RecordName, Stored};
use rusqlite::{OptionalExtension, params};

use super::apply::ApplyBase;
use super::row::{COLUMNS, RowRead, read_stored, to_signed};
use super::schema::BaseError;

/// Where the scrub goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScrubPosition {
    /// The row that was read last.
    row: i64,
    /// How often all rows were read.
    pub(crate) passes: u64,
}

/// Something that the scrub found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rot {
    /// A record whose checksum fails; the name as far as the row tells it.
    Record {
        /// Its row.
        row: i64,
        /// Its name.
        name: Option<RecordName>,
    },
    /// A record that is not found by its name, or not in the feed by its seq.
    Index(RecordName),
}

impl ApplyBase {
    /// Reads the next `records`, beginning anew behind the last.
    pub(crate) fn scrub(
        &self,
        position: &mut ScrubPosition,
        records: usize,
    ) -> Result<Vec<Rot>, BaseError> {
        let sql = format!(
            "SELECT {COLUMNS}, r.id FROM records r WHERE r.id > ? ORDER BY r.id LIMIT {records}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![position.row])?;
        let (mut found, mut read) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            read += 1;
            position.row = row.get(9)?;
            match read_stored(row)? {
                RowRead::Corrupt { name } => found.push(Rot::Record { row: position.row, name }),
                RowRead::Sound(stored) if !self.is_indexed(position.row, &stored)? => {
                    found.push(Rot::Index(stored.name));
                }
                RowRead::Sound(_) => {}
            }
        }
        if read < records {
            position.row = 0;
            position.passes += 1;
        }
        Ok(found)
    }

    /// Whether the record is where a reader looks for it.
    fn is_indexed(&self, id: i64, stored: &Stored) -> Result<bool, BaseError> {
        let by_name: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM records WHERE table_name = ? AND key = ?")?
            .query_row(params![stored.name.table(), stored.name.key()], |row| row.get(0))
            .optional()?;
        let by_seq: Option<(i64, u16)> = self
            .connection
            .prepare_cached("SELECT record, partition FROM feed WHERE seq = ?")?
            .query_row([to_signed(stored.seq)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let partition = Partition::of(&stored.name).number();
        Ok(by_name == Some(id) && by_seq == Some((id, partition)))
    }

    /// Makes the indexes and the feed anew from the records. Only while every record is sound: a
    /// damaged one would be filed under a damaged name, and its key would be found absent.
    pub(crate) fn rebuild_indexes(&mut self) -> Result<bool, BaseError> {
        if self.corrupt_records()? > 0 {
            return Ok(false);
        }
        let transaction = self.connection.transaction()?;
        transaction.execute_batch("REINDEX records; DELETE FROM feed")?;
        {
            let mut records =
                transaction.prepare("SELECT id, seq, table_name, key FROM records")?;
            let mut rows = records.query([])?;
            while let Some(row) = rows.next()? {
                let (id, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
                let (table, key): (String, String) = (row.get(2)?, row.get(3)?);
                if let Ok(name) = RecordName::parse(&table, &key) {
                    transaction
                        .prepare_cached(
                            "INSERT INTO feed (seq, record, partition) VALUES (?, ?, ?)",
                        )?
                        .execute(params![seq, id, Partition::of(&name).number()])?;
                }
            }
        }
        transaction.commit()?;
        Ok(true)
    }

    /// How many records are corrupt.
    fn corrupt_records(&self) -> Result<usize, BaseError> {
        let mut position = ScrubPosition::default();
        let mut corrupt = 0;
        while position.passes == 0 {
            let found = self.scrub(&mut position, 10_000)?;
            corrupt += found.iter().filter(|rot| matches!(rot, Rot::Record { .. })).count();
        }
        Ok(corrupt)
    }
}
