//! Reads of what is counted: the tables, and how much they hold.

use dynarust_core::TableName;
use rusqlite::params;

use super::error::BaseError;
use super::read::ReadBase;
use super::row::from_signed;
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
}
