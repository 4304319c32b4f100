//! The scrub: reads the base through, a little at a time, for records whose bytes have changed.
//!
//! A record that nobody reads would rot unnoticed until its last good copy is gone as well.

use dynarust_core::RecordName;
use rusqlite::params;

use super::apply::ApplyBase;
use super::row::{COLUMNS, RowRead, read_stored};
use super::schema::BaseError;

/// Where the scrub goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScrubPosition {
    /// The row that was read last.
    row: i64,
}

/// A record that the scrub could not read; the name as far as the row tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rotten {
    pub(crate) row: i64,
    pub(crate) name: Option<RecordName>,
}

impl ApplyBase {
    /// Reads the next `records`, beginning anew behind the last, and returns the corrupt ones.
    pub(crate) fn scrub(
        &self,
        position: &mut ScrubPosition,
        records: usize,
    ) -> Result<Vec<Rotten>, BaseError> {
        let sql = format!(
            "SELECT {COLUMNS}, r.id FROM records r WHERE r.id > ? ORDER BY r.id LIMIT {records}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![position.row])?;
        let (mut rotten, mut read) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            read += 1;
            position.row = row.get(9)?;
            if let RowRead::Corrupt { name } = read_stored(row)? {
                rotten.push(Rotten { row: position.row, name });
            }
        }
        if read < records {
            *position = ScrubPosition::default();
        }
        Ok(rotten)
    }
}
