//! How many records there are: of each table those that have a value, and of the base by kind.
//!
//! Kept in the transaction that brings the records in, and made anew from the records by `salvage` and
//! wherever the feed and the indexes are.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::error::BaseError;
use super::row::{Head, Kind, from_signed};

/// The records of a base by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Records that have a value.
    pub(crate) live_records: u64,
    /// Bytes of the keys and values of those.
    pub(crate) live_bytes: u64,
    pub(crate) tombstones: u64,
    /// Records that were marked as expired.
    pub(crate) expired: u64,
}

impl Counts {
    /// A record without a value goes for good.
    pub(super) fn forget(&mut self, kind: Kind) {
        match kind {
            Kind::Tombstone => self.tombstones = self.tombstones.saturating_sub(1),
            Kind::Expired => self.expired = self.expired.saturating_sub(1),
            Kind::Live => {}
        }
    }
}

/// What a table holds, by number.
#[derive(Debug, Clone, Copy, Default)]
struct Change {
    records: i64,
    bytes: i64,
}

/// What one transaction changes, table by table.
pub(super) struct Counting {
    pub(super) counts: Counts,
    tables: BTreeMap<String, Change>,
}

impl Counting {
    pub(super) fn on(counts: Counts) -> Self {
        Self { counts, tables: BTreeMap::new() }
    }

    /// A record comes into the base.
    pub(super) fn add(&mut self, table: &str, head: &Head) {
        let counts = &mut self.counts;
        match head.kind {
            Kind::Live => {
                counts.live_records = counts.live_records.saturating_add(1);
                counts.live_bytes = counts.live_bytes.saturating_add(head.bytes);
                self.change(table, 1, head.bytes.cast_signed());
            }
            Kind::Tombstone => counts.tombstones = counts.tombstones.saturating_add(1),
            Kind::Expired => counts.expired = counts.expired.saturating_add(1),
        }
    }

    /// A record leaves the base, or is replaced.
    pub(super) fn remove(&mut self, table: &str, head: &Head) {
        let counts = &mut self.counts;
        match head.kind {
            Kind::Live => {
                counts.live_records = counts.live_records.saturating_sub(1);
                counts.live_bytes = counts.live_bytes.saturating_sub(head.bytes);
                self.change(table, -1, head.bytes.cast_signed().saturating_neg());
            }
            Kind::Tombstone => counts.tombstones = counts.tombstones.saturating_sub(1),
            Kind::Expired => counts.expired = counts.expired.saturating_sub(1),
        }
    }

    fn change(&mut self, table: &str, records: i64, bytes: i64) {
        // Records come in name order: no new text for each.
        if !self.tables.contains_key(table) {
            self.tables.insert(table.to_owned(), Change::default());
        }
        if let Some(change) = self.tables.get_mut(table) {
            change.records += records;
            change.bytes += bytes;
        }
    }

    /// Writes what changed, in the transaction at hand; returns the counts as they are now.
    pub(super) fn save(self, transaction: &Connection) -> Result<Counts, BaseError> {
        for (table, change) in self.tables {
            transaction
                .prepare_cached(
                    "INSERT INTO tables (name, records, bytes) VALUES (?, ?, ?)
                     ON CONFLICT (name) DO UPDATE SET
                         records = records + excluded.records, bytes = bytes + excluded.bytes",
                )?
                .execute(params![table, change.records, change.bytes])?;
            if change.records < 0 {
                transaction
                    .prepare_cached("DELETE FROM tables WHERE name = ? AND records <= 0")?
                    .execute([table])?;
            }
        }
        Ok(self.counts)
    }
}

/// What `tables` must hold.
const OF_RECORDS: &str = "
    SELECT table_name, count(*), sum(octet_length(key) + octet_length(value))
    FROM records NOT INDEXED WHERE flags & 3 = 0 GROUP BY table_name";

/// Makes `tables` anew from the records; returns the counts.
pub(super) fn rebuild(transaction: &Connection) -> Result<Counts, BaseError> {
    transaction.execute("DELETE FROM tables", [])?;
    transaction.execute(&format!("INSERT INTO tables (name, records, bytes) {OF_RECORDS}"), [])?;
    of_records(transaction)
}

/// The counts as the records tell them.
fn of_records(connection: &Connection) -> Result<Counts, BaseError> {
    let counts = connection.query_row(
        "SELECT count(*) FILTER (WHERE flags & 3 = 0),
                ifnull(sum(octet_length(key) + octet_length(value)) FILTER (WHERE flags & 3 = 0), 0),
                count(*) FILTER (WHERE flags & 1), count(*) FILTER (WHERE flags & 3 = 2)
         FROM records NOT INDEXED",
        [],
        |row| {
            let number = |column| row.get(column).map(from_signed);
            Ok(Counts {
                live_records: number(0)?,
                live_bytes: number(1)?,
                tombstones: number(2)?,
                expired: number(3)?,
            })
        },
    )?;
    Ok(counts)
}

/// Whether the records tell these counts, and of each table what `tables` says of it.
pub(super) fn are_right(connection: &Connection, counts: Counts) -> Result<bool, BaseError> {
    let differing: i64 = connection.query_row(
        &format!(
            "SELECT (SELECT count(*) FROM (
                         {OF_RECORDS} EXCEPT SELECT name, records, bytes FROM tables))
                  + (SELECT count(*) FROM (
                         SELECT name, records, bytes FROM tables EXCEPT {OF_RECORDS}))"
        ),
        [],
        |row| row.get(0),
    )?;
    Ok(differing == 0 && of_records(connection)? == counts)
}
