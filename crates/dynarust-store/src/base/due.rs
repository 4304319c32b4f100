//! Reads of what will expire, by deadline (the partial index `records_by_expiry`).

use dynarust_core::{RecordName, UnixMillis, Version};
use rusqlite::{Row, params};

use super::error::BaseError;
use super::read::ReadBase;
use super::row::{from_signed, to_signed};
use crate::expirer::Due;

/// A place among the records that will expire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DuePosition {
    expiry: i64,
    row: i64,
}

impl ReadBase {
    /// Records behind `after` that are due at `now` and not marked, at most so many, by deadline; and
    /// where the last of them is. Their bytes are not looked at: whoever marks them reads them.
    pub(crate) fn due(
        &self,
        after: DuePosition,
        now: UnixMillis,
        records_max: usize,
    ) -> Result<(Vec<Due>, DuePosition), BaseError> {
        let (mut due, mut last) = (Vec::new(), after);
        // Two statements, each of which is a range of the index.
        self.each(
            "SELECT expiry, id, table_name, key, version FROM records
             WHERE expiry IS NOT NULL AND flags & 3 = 0 AND expiry = ? AND id > ?
             ORDER BY id LIMIT ?",
            params![after.expiry, after.row, limit(records_max)],
            |row| take(row, &mut due, &mut last),
        )?;
        self.each(
            "SELECT expiry, id, table_name, key, version FROM records
             WHERE expiry IS NOT NULL AND flags & 3 = 0 AND expiry > ? AND expiry <= ?
             ORDER BY expiry, id LIMIT ?",
            params![after.expiry, to_signed(now), limit(records_max.saturating_sub(due.len()))],
            |row| take(row, &mut due, &mut last),
        )?;
        Ok((due, last))
    }

    /// How many records are due at `now` and not marked; counted up to `max`.
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

fn take(row: &Row<'_>, due: &mut Vec<Due>, last: &mut DuePosition) -> Result<bool, BaseError> {
    *last = DuePosition { expiry: row.get(0)?, row: row.get(1)? };
    let (table, key): (String, String) = (row.get(2)?, row.get(3)?);
    // What cannot be read is the scrub's to find.
    if let (Ok(name), Ok(version)) = (RecordName::parse(&table, &key), row.get(4)) {
        due.push(Due { name, version: Version::from_bytes(version) });
    }
    Ok(true)
}

fn limit(records_max: usize) -> i64 {
    i64::try_from(records_max).unwrap_or(i64::MAX)
}
