//! Reads the whole base and says what is wrong with it. For `verify` and `salvage`.

use dynarust_core::digest::Digests;
use dynarust_core::{Partition, Seq};
use rusqlite::Connection;

use super::error::BaseError;
use super::row::{COLUMNS, RowRead, from_signed, read_stored};
use crate::finding::{Finding, Part};

/// Problems beyond so many are not listed.
const PROBLEMS_MAX: usize = 100;

/// What a base holds.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) records: u64,
    pub(crate) tombstones: u64,
    pub(crate) feed_entries: u64,
    pub(crate) problems: Vec<Finding>,
    /// The digests that the sound records make.
    pub(crate) digests: Digests,
}

/// Checks SQLite's own structure, every record's checksum, every feed entry, and the digests.
pub(crate) fn audit(
    connection: &Connection,
    applied: Seq,
    digests: &Digests,
) -> Result<Audit, BaseError> {
    let mut audit = Audit::default();
    audit.structure(connection)?;
    audit.records(connection, applied)?;
    audit.feed(connection)?;
    if audit.digests != *digests && audit.problems.is_empty() {
        audit.problem(Part::Digests, "the digests are not those of the records".to_owned());
    }
    Ok(audit)
}

impl Audit {
    fn problem(&mut self, part: Part, what: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Finding::new(part, what));
        }
    }

    fn structure(&mut self, connection: &Connection) -> Result<(), BaseError> {
        let mut statement = connection.prepare("PRAGMA integrity_check")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line: String = row.get(0)?;
            if line != "ok" {
                self.problem(Part::Base, line);
            }
        }
        Ok(())
    }

    fn records(&mut self, connection: &Connection, applied: Seq) -> Result<(), BaseError> {
        let sql = format!("SELECT {COLUMNS}, r.id FROM records r NOT INDEXED");
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.records += 1;
            match read_stored(row)? {
                RowRead::Sound(stored) => {
                    self.tombstones += u64::from(stored.record.tombstone);
                    if !stored.record.tombstone {
                        self.digests.add(&stored.name, stored.record.version);
                    }
                    if stored.seq > applied {
                        let (name, seq) = (&stored.name, stored.seq);
                        self.problem(
                            Part::Base,
                            format!("{name}: seq {seq} is behind applied_seq {applied}"),
                        );
                    }
                }
                RowRead::Corrupt { name } => {
                    let id: i64 = row.get(9)?;
                    let name = name.map_or_else(|| "?".to_owned(), |name| name.to_string());
                    self.problem(Part::Record, format!("{name} (row {id}): its checksum fails"));
                }
            }
        }
        Ok(())
    }

    /// Each entry has its record, and each record its entry.
    fn feed(&mut self, connection: &Connection) -> Result<(), BaseError> {
        let sql = format!(
            "SELECT {COLUMNS}, f.seq, f.partition FROM feed f LEFT JOIN records r ON r.id = f.record"
        );
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.feed_entries += 1;
            let (seq, partition) = (from_signed(row.get(9)?), from_signed(row.get(10)?));
            if let RowRead::Sound(stored) = read_stored(row)? {
                let right = stored.seq == seq
                    && u64::from(Partition::of(&stored.name).number()) == partition;
                if !right {
                    self.problem(
                        Part::Base,
                        format!("feed entry {seq} is not that of {}", stored.name),
                    );
                }
            }
        }
        for (what, sql) in [
            (
                "feed entries without a record",
                "SELECT count(*) FROM feed WHERE record NOT IN (SELECT id FROM records)",
            ),
            (
                "records without a feed entry",
                "SELECT count(*) FROM records WHERE id NOT IN (SELECT record FROM feed)",
            ),
        ] {
            let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
            if count > 0 {
                self.problem(Part::Base, format!("{count} {what}"));
            }
        }
        if self.feed_entries != self.records {
            let (records, entries) = (self.records, self.feed_entries);
            self.problem(Part::Base, format!("{records} records have {entries} feed entries"));
        }
        Ok(())
    }
}
