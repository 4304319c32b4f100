//! The row of a record that is about to be written.

use std::sync::LazyLock;

use dynarust_core::{RecordName, Stored, Version};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::BaseError;
use super::row::{Head, Kind, from_signed, row_checksum};

/// The columns that [`Present::read`] wants first, in its order.
const COLUMNS: &str = "r.table_name, r.key, r.seq, r.version, r.flags, r.checksum, octet_length(r.key) + octet_length(r.value)";

/// The row that the index has under a name.
#[derive(Clone, Copy)]
pub(super) struct Present {
    pub(super) id: i64,
    /// What it says; nothing where it is damaged.
    pub(super) head: Option<Head>,
    checksum: Option<u64>,
    /// It calls itself something else, or is not there: its name has rotted, or the index has.
    pub(super) is_misnamed: bool,
}

impl Present {
    /// What the index has under a name, if anything.
    pub(super) fn of_name(
        connection: &Connection,
        name: &RecordName,
    ) -> Result<Option<Self>, BaseError> {
        // The index alone gives the row, which then is read by its number: else SQLite would take the name from the index,
        // and say nothing where there is no such row.
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "SELECT {COLUMNS}, named.id FROM records named LEFT JOIN records r ON r.id = named.id
                 WHERE named.table_name = ? AND named.key = ?"
            )
        });
        let mut statement = connection.prepare_cached(&SQL)?;
        let names = params![name.table(), name.key()];
        Ok(statement.query_row(names, |row| Self::read(row, name)).optional()?)
    }

    fn read(row: &Row<'_>, name: &RecordName) -> rusqlite::Result<Self> {
        let (table, key) = (row.get_ref(0)?, row.get_ref(1)?);
        let is_named = table.as_bytes() == Ok(name.table().as_bytes())
            && key.as_bytes() == Ok(name.key().as_bytes());
        Ok(Self {
            id: row.get(7)?,
            head: read_head(row)?,
            checksum: row.get(5).ok().map(from_signed),
            is_misnamed: !is_named,
        })
    }

    /// What a damaged row was, where it was just this record.
    pub(super) fn as_it_was(&self, stored: &Stored) -> Option<Head> {
        let seq = self.head?.seq;
        let was = self.checksum == Some(row_checksum(&Stored { seq, ..stored.clone() }));
        was.then(|| Head { seq, ..Head::of(stored) })
    }
}

/// What a row says of itself; nothing where it is damaged.
pub(super) fn head_of(connection: &Connection, row: i64) -> Result<Option<Head>, BaseError> {
    let sql = format!("SELECT {COLUMNS} FROM records r WHERE r.id = ?");
    Ok(connection.query_row(&sql, [row], read_head)?)
}

/// Of [`COLUMNS`].
fn read_head(row: &Row<'_>) -> rusqlite::Result<Option<Head>> {
    let seq: Option<i64> = row.get(2).ok();
    let version = row.get_ref(3)?.as_blob().ok().and_then(|it| it.try_into().ok());
    let flags: Option<i64> = row.get(4).ok();
    let bytes: Option<i64> = row.get(6)?;
    Ok(version.zip(seq).zip(flags).map(|((version, seq), flags)| Head {
        version: Version::from_bytes(version),
        seq: from_signed(seq),
        kind: Kind::of_flags(flags),
        bytes: bytes.map_or(0, from_signed),
    }))
}
