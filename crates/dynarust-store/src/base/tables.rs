//! Reads of what is counted: the tables, and how many records have expired unnoticed.

use dynarust_core::{TableName, UnixMillis};
use rusqlite::params;

use super::error::BaseError;
use super::read::ReadBase;
use super::row::{from_signed, to_signed};
use crate::port::TableCount;

impl ReadBase {
    /// The tables behind `after` with records that have a value, in name order, at most so many.
    pub(crate) fn tables(
        &self,
        after: Option<&TableName>,
        tables_max: usize,
    ) -> Result<Vec<TableCount>, BaseError> {
        let after = after.map_or("", TableName::as_str);
        let limit = i64::try_from(tables_max).unwrap_or(i64::MAX);
        let sql = "SELECT name, records, bytes FROM tables WHERE name > ? ORDER BY name LIMIT ?";
        let mut tables = Vec::new();
        self.each(sql, params![after, limit], |row| {
            let name: String = row.get(0)?;
            let table = TableName::parse(&name)
                .map_err(|_| BaseError::Damaged("`tables` has an impossible name".into()))?;
            let (records, bytes) = (from_signed(row.get(1)?), from_signed(row.get(2)?));
            tables.push(TableCount { table, records, bytes });
            Ok(true)
        })?;
        Ok(tables)
    }

    /// How many records are due at `now` and not marked as expired; counted up to `max`.
    pub(crate) fn due_count(&self, now: UnixMillis, max: u64) -> Result<u64, BaseError> {
        let sql = "SELECT count(*) FROM (
                       SELECT 1 FROM records
                       WHERE expiry IS NOT NULL AND flags & 3 = 0 AND expiry BETWEEN 0 AND ?
                       LIMIT ?)";
        let mut count = 0;
        self.each(sql, params![to_signed(now), to_signed(max)], |row| {
            count = from_signed(row.get(0)?);
            Ok(false)
        })?;
        Ok(count)
    }
}
