//! Rows whose name has rotted: they call themselves something else than the index does.
//!
//! Who looks a record up by its name sees what the index has of that, and the record is whole. Who comes to it by its
//! row, as the feed and the scrub do, would take it for damaged, or, where nobody looks at checksums, for another.

use dynarust_core::RecordName;
use rusqlite::{Connection, OptionalExtension, params};

use super::apply::{ApplyBase, is_sound};
use super::error::BaseError;
use super::row::{COLUMNS, RowRead, read_name, read_stored};

impl ApplyBase {
    /// Gives a row the name back by which the index has it, where nothing else of it has rotted; whether it did.
    pub(crate) fn rename_rotten(&self, row: i64, name: &RecordName) -> Result<bool, BaseError> {
        let is_only_misnamed = name_in_row(&self.connection, row)?.as_ref() != Some(name)
            && is_sound(&self.connection, name)?
            && row_of(&self.connection, name)? == Some(row);
        if is_only_misnamed {
            let transaction = self.connection.unchecked_transaction()?;
            rename(&transaction, row, (name.table(), name.key()))?;
            transaction.commit()?;
        }
        Ok(is_only_misnamed)
    }
}

/// Whether the row is sound by the name that it calls itself: then it is the index that has rotted.
pub(super) fn is_sound_by_its_name(connection: &Connection, row: i64) -> Result<bool, BaseError> {
    let sql = format!("SELECT {COLUMNS} FROM records r WHERE r.id = ?");
    connection.query_row(&sql, [row], |row| {
        Ok(read_stored(row).map(|read| matches!(read, RowRead::Sound(_))))
    })?
}

/// Takes a row out, whatever it calls itself.
///
/// SQLite would give up where the index does not have it by that name, or take out the entry of another row.
pub(super) fn remove(connection: &Connection, row: i64) -> Result<(), BaseError> {
    let claimed = connection
        .prepare_cached("SELECT table_name, key FROM records WHERE id = ?")?
        .query_row([row], |row| Ok(read_name(row)))
        .optional()?
        .transpose()?;
    // It has gone already.
    let Some(claimed) = claimed else { return Ok(()) };
    if !is_indexed_as(connection, row, claimed.as_ref())? {
        match indexed_as(connection, row, None)? {
            Some(name) => rename(connection, row, (name.table(), name.key()))?,
            // No record has such a name, and no index an entry of it but this one.
            None => rename(connection, row, ("", &row.to_string()))?,
        }
    }
    connection.prepare_cached("DELETE FROM records WHERE id = ?")?.execute([row])?;
    Ok(())
}

/// The row that the index has under a name.
pub(super) fn row_of(connection: &Connection, name: &RecordName) -> Result<Option<i64>, BaseError> {
    let sql = "SELECT id FROM records WHERE table_name = ? AND key = ?";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(params![name.table(), name.key()], |row| row.get(0)).optional()?)
}

/// Whether the index has the row under that name.
pub(super) fn is_indexed_as(
    connection: &Connection,
    row: i64,
    name: Option<&RecordName>,
) -> Result<bool, BaseError> {
    Ok(name.map(|name| row_of(connection, name)).transpose()?.flatten() == Some(row))
}

/// By what name the index has a damaged row, which claims this one: that may have rotted. What is looked up by its
/// name is told by the index how it is called, and so is whole.
pub(super) fn indexed_as(
    connection: &Connection,
    row: i64,
    claimed: Option<RecordName>,
) -> Result<Option<RecordName>, BaseError> {
    if is_indexed_as(connection, row, claimed.as_ref())? {
        return Ok(claimed);
    }
    // All of the index is read, which nothing but such damage is worth.
    let sql = "SELECT table_name, key FROM records INDEXED BY records_by_name WHERE id = ?";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([row], |row| Ok(read_name(row))).optional()?.transpose()?.flatten())
}

/// What the row calls itself, where that can be a name.
fn name_in_row(connection: &Connection, row: i64) -> Result<Option<RecordName>, BaseError> {
    let sql = "SELECT table_name, key FROM records WHERE id = ?";
    let name = connection.query_row(sql, [row], |row| Ok(read_name(row))).optional()?;
    Ok(name.transpose()?.flatten())
}

/// Has the index lead to a row by the row's own name, in place of this one, by which it does; false where that would not
/// be right: the row is not sound by its name, or the index has another by that.
///
/// From an index SQLite takes an entry out by its name: so the row takes on that name for a moment.
pub(super) fn file_by_its_name(
    connection: &Connection,
    row: i64,
    wrong: &RecordName,
) -> Result<bool, BaseError> {
    let own = name_in_row(connection, row)?;
    let Some(own) = own.filter(|_| is_sound_by_its_name(connection, row).unwrap_or(false)) else {
        return Ok(false);
    };
    if let Some(other) = row_of(connection, &own)?.filter(|other| *other != row)
        && name_in_row(connection, other)?.as_ref() == Some(&own)
    {
        // It was written anew, since it was not found.
        return Ok(false);
    }
    tracing::error!(row, name = %own, "the damaged index did not lead to a record by its name");
    // Where yet another entry stands in the way, nothing is changed.
    let set = "UPDATE OR IGNORE records SET table_name = ?, key = ? WHERE id = ?";
    over_damage(connection, || {
        connection.execute(set, params![wrong.table(), wrong.key(), row])?;
        connection.execute(set, params![own.table(), own.key(), row])?;
        Ok(())
    })?;
    Ok(true)
}

/// All rows that the index has under a name: more than one only where it has rotted.
pub(super) fn rows_of(connection: &Connection, name: &RecordName) -> Result<Vec<i64>, BaseError> {
    // By a range: of one name SQLite looks for one row.
    let sql = "SELECT id FROM records INDEXED BY records_by_name
               WHERE table_name = ?1 AND key >= ?2 AND key <= ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![name.table(), name.key()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// SQLite does not give up where an index lacks an entry that is to go.
fn over_damage(
    connection: &Connection,
    act: impl FnOnce() -> Result<(), BaseError>,
) -> Result<(), BaseError> {
    connection.pragma_update(None, "writable_schema", true)?;
    let acted = act();
    connection.pragma_update(None, "writable_schema", false)?;
    acted
}

/// Gives a row whose name has rotted the name back by which the index has it.
///
/// The index has no entry of the rotten name; or it has another row's, which goes, and is put back.
pub(super) fn rename(
    connection: &Connection,
    id: i64,
    (table, key): (&str, &str),
) -> Result<(), BaseError> {
    // Where another entry stands in the way, the row is found by this name all the same.
    let set = "UPDATE OR IGNORE records SET table_name = ?, key = ? WHERE id = ?";
    over_damage(connection, || {
        let claimed = name_in_row(connection, id)?;
        let other = claimed.as_ref().map(|it| row_of(connection, it)).transpose()?.flatten();
        connection.execute(set, params![table, key, id])?;
        // But not where it is the entry that has rotted, which leads to a row of yet another name.
        if let (Some(other), Some(its)) = (other, claimed)
            && name_in_row(connection, other)?.as_ref() == Some(&its)
        {
            connection.execute(set, params![its.table(), its.key(), other])?;
        }
        Ok(())
    })
}
