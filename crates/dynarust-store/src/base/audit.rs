//! Reads the whole base and says what is wrong with it. For `verify` and `salvage`.

use dynarust_core::digest::Digests;
use dynarust_core::{Partition, Seq};
use rusqlite::Connection;

use super::answers;
use super::counts;
use super::error::BaseError;
use super::meta::Meta;
use super::row::{COLUMNS, RowRead, from_signed, read_stored, to_signed};
use super::schema::BaseFormat;
use crate::finding::{Finding, Part};

/// Problems beyond so many are not listed.
const PROBLEMS_MAX: usize = 100;

/// What a base holds.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) records: u64,
    pub(crate) tombstones: u64,
    pub(crate) expired: u64,
    pub(crate) feed_entries: u64,
    pub(crate) problems: Vec<Finding>,
    /// The digests that the sound records make.
    pub(crate) digests: Digests,
}

/// Checks SQLite's own structure, every record's checksum, every feed entry, the digests and the counts. No
/// seq can be above `newest`.
pub(crate) fn audit(
    connection: &Connection,
    newest: Seq,
    meta: &Meta,
    format: BaseFormat,
) -> Result<Audit, BaseError> {
    let mut audit = Audit::default();
    audit.structure(connection)?;
    audit.records(connection, newest)?;
    audit.feed(connection, meta.applied_seq)?;
    if format == BaseFormat::Two {
        audit.answers(connection)?;
    }
    // A record that is damaged tells its part of the sums no more.
    if audit.problems.is_empty() {
        if audit.digests != meta.digests {
            audit.problem(Part::Sums, "the digests are not those of the records".to_owned());
        }
        if format == BaseFormat::Two && !counts::are_right(connection, meta.counts)? {
            audit.problem(Part::Sums, "the counts are not those of the records".to_owned());
        }
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

    fn records(&mut self, connection: &Connection, newest: Seq) -> Result<(), BaseError> {
        let sql = format!("SELECT {COLUMNS}, r.id FROM records r NOT INDEXED");
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.records += 1;
            match read_stored(row)? {
                RowRead::Sound(stored) => {
                    self.tombstones += u64::from(stored.record.tombstone);
                    self.expired += u64::from(stored.record.expired);
                    if stored.record.holds_value() {
                        self.digests.add(&stored.name, stored.record.version);
                    }
                    if stored.seq > newest {
                        let (name, seq) = (&stored.name, stored.seq);
                        self.problem(
                            Part::Base,
                            format!("{name}: seq {seq} is behind the newest, {newest}"),
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

    fn answers(&mut self, connection: &Connection) -> Result<(), BaseError> {
        let damaged = answers::damaged(connection)?;
        if damaged > 0 {
            let what = format!("{damaged} answers to idempotency keys are damaged");
            self.problem(Part::Base, what);
        }
        Ok(())
    }

    /// Each record up to `applied` has its entry. An entry that is no record's newest is passed over by
    /// readers: a round of the applier that was cut short leaves such.
    fn feed(&mut self, connection: &Connection, applied: Seq) -> Result<(), BaseError> {
        let sql = format!(
            "SELECT {COLUMNS}, f.seq, f.partition FROM feed f JOIN records r ON r.id = f.record
             WHERE r.seq = f.seq"
        );
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.feed_entries += 1;
            let (seq, partition) = (from_signed(row.get(9)?), from_signed(row.get(10)?));
            if let RowRead::Sound(stored) = read_stored(row)?
                && u64::from(Partition::of(&stored.name).number()) != partition
            {
                let name = &stored.name;
                self.problem(Part::Base, format!("feed entry {seq} is not that of {name}"));
            }
        }
        let lacking: i64 = connection.query_row(
            "SELECT count(*) FROM records r NOT INDEXED WHERE r.seq <= ? AND NOT EXISTS (
                 SELECT 1 FROM feed f WHERE f.seq = r.seq AND f.record = r.id)",
            [to_signed(applied)],
            |row| row.get(0),
        )?;
        if lacking > 0 {
            self.problem(Part::Base, format!("{lacking} records without a feed entry"));
        }
        Ok(())
    }
}
