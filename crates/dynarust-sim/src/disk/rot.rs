//! Records that rot at rest: bits of their values flip in the base, under a node that is stopped or runs.
//!
//! SQLite writes the flipped value as any other, and the store's checksum of the record stays what it was:
//! to the store it is as if the disk had done it.

use std::path::Path;

use dynarust_core::RecordName;
use rand::RngExt;
use rand::rngs::StdRng;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Result, params};

/// Flips a bit of this record's value in the base of this folder: that is what is there now. None where it has
/// none there: it is recent, or was deleted.
///
/// # Errors
/// SQLite's; nothing was changed.
pub(crate) fn flip_bit(
    folder: &Path,
    name: &RecordName,
    random: &mut StdRng,
) -> Result<Option<Vec<u8>>> {
    let base = open(folder)?;
    let Some((id, mut value)) = find(&base, name)?.filter(|(_, value)| !value.is_empty()) else {
        return Ok(None);
    };
    let at = random.random_range(0..value.len());
    if let Some(byte) = value.get_mut(at) {
        *byte ^= 1 << random.random_range(0..8);
    }
    let flipped = ToSqlOutput::Borrowed(ValueRef::Text(&value));
    base.execute("UPDATE records SET value = ? WHERE id = ?", params![flipped, id])?;
    Ok(Some(value))
}

/// The value of this record in the base of this folder.
///
/// # Errors
/// SQLite's.
pub(crate) fn value(folder: &Path, name: &RecordName) -> Result<Option<Vec<u8>>> {
    Ok(find(&open(folder)?, name)?.map(|(_, value)| value))
}

fn find(base: &Connection, name: &RecordName) -> Result<Option<(i64, Vec<u8>)>> {
    base.query_row(
        "SELECT id, CAST(value AS BLOB) FROM records WHERE table_name = ? AND key = ?",
        params![name.table(), name.key()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
    .optional()
}

/// As the store does: closing changes nothing.
fn open(folder: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let base = Connection::open_with_flags(folder.join("base.sqlite"), flags)?;
    base.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    base.execute_batch("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0")?;
    Ok(base)
}
