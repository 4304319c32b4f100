//! Names that have rotted: a row calls itself something else than the index does.
//!
//! It may be the row's name, or the index. Either would have a write go over another record, or SQLite take out another's
//! entry; and where an entry is out of order, even one that is sound is found or not as it happens. So what comes to
//! such a row changes nothing: names and index are brought together first, all at once.

use std::collections::BTreeMap;

use dynarust_core::{RecordName, Seq};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::apply::ApplyBase;
use super::counts::Counting;
use super::error::BaseError;
use super::present::head_of;
use super::row::{COLUMNS, Kind, RowRead, read_name, read_stored, to_signed};

/// An entry of the index.
struct Entry {
    row: i64,
    table: String,
    key: String,
}

impl Entry {
    /// Of the first three columns; none where that cannot be a name.
    fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let names = (row.get_ref(1)?.as_str(), row.get_ref(2)?.as_str());
        let (Ok(table), Ok(key)) = names else { return Ok(None) };
        Ok(Some(Self { row: row.get(0)?, table: table.to_owned(), key: key.to_owned() }))
    }
}

/// Entries that do not agree with the rows to which they lead.
#[derive(Default)]
struct Disagreeing {
    /// The row is there, but calls itself something else.
    misnamed: Vec<Entry>,
    /// There is none.
    lost: Vec<Entry>,
}

impl ApplyBase {
    /// Does something that changes all or nothing: once more, where an index led astray.
    pub(super) fn led_right<T>(
        &mut self,
        act: impl Fn(&mut Self) -> Result<T, BaseError>,
    ) -> Result<T, BaseError> {
        match act(self) {
            Err(BaseError::Misled) => {
                tracing::error!(
                    "the indexes of the base lead to other records: they are made anew"
                );
                self.file_by_name()?;
                act(self)
            }
            done => done,
        }
    }

    /// Gives a row the name back by which the index has it; whether nothing else of it has rotted.
    pub(crate) fn rename_rotten(&mut self, row: i64, name: &RecordName) -> Result<bool, BaseError> {
        if name_in_row(&self.connection, row)?.as_ref() != Some(name) {
            self.file_by_name()?;
        }
        is_sound(&self.connection, row)
    }

    /// Brings the names of the rows and the index of them together: rows that are not sound by what they call themselves
    /// are called what the index calls them, and then all indexes of the records are made anew. A record of which nothing is
    /// there but its entry stays known as damaged.
    ///
    /// It looks at each record, and takes memory for all names.
    pub(super) fn file_by_name(&mut self) -> Result<(), BaseError> {
        let mut meta = self.meta.clone();
        let mut counting = Counting::on(meta.counts);
        let transaction = self.connection.transaction()?;
        let Disagreeing { misnamed, lost } = disagreeing(&transaction)?;
        transaction.execute("DROP INDEX records_by_name", [])?;
        if !are_in_order(&transaction)? {
            put_in_order(&transaction, &lost)?;
        }
        for Entry { row, table, key } in &misnamed {
            let set = "UPDATE records SET table_name = ?, key = ? WHERE id = ?";
            transaction.execute(set, params![table, key, row])?;
        }
        transaction.execute("REINDEX records", [])?;
        let mut dead = Vec::new();
        for (name, row) in surplus(&transaction)? {
            if let Some(head) = head_of(&transaction, row)? {
                counting.remove(name.table(), &head);
                if head.kind == Kind::Live {
                    meta.digests.remove(&name, head.version);
                }
                dead.push((head.seq, row));
            }
            transaction.execute("DELETE FROM records WHERE id = ?", [row])?;
        }
        let index = "CREATE UNIQUE INDEX records_by_name ON records (table_name, key)";
        transaction.execute(index, [])?;
        for Entry { row, table, key } in &lost {
            // No record has such a version. Where the entry alone has rotted, the record is there by its name.
            let damaged = "INSERT OR IGNORE INTO records
                (id, table_name, key, seq, version, flags, checksum, value)
                VALUES (?1, ?2, ?3, ifnull((SELECT max(seq) FROM feed WHERE record = ?1), 0),
                        x'', 0, 0, '')";
            transaction.execute(damaged, params![row, table, key])?;
        }
        meta.counts = counting.save(&transaction)?;
        meta.save(&transaction)?;
        transaction.commit()?;
        self.meta = meta;
        self.feed_changes.dead.extend(dead);
        Ok(())
    }
}

/// All that disagrees, but for what the rows know better.
fn disagreeing(transaction: &Transaction<'_>) -> Result<Disagreeing, BaseError> {
    // All of the index, beside all of the table.
    let mut statement = transaction.prepare(
        "SELECT n.id, n.table_name, n.key, r.table_name, r.key, r.id
         FROM records n INDEXED BY records_by_name LEFT JOIN records r ON r.id = n.id",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Disagreeing::default();
    while let Some(row) = rows.next()? {
        let agrees = row.get_ref(1)? == row.get_ref(3)? && row.get_ref(2)? == row.get_ref(4)?;
        if row.get_ref(5)? == ValueRef::Null {
            found.lost.extend(Entry::read(row)?);
        } else if !agrees {
            found.misnamed.extend(Entry::read(row)?);
        }
    }
    let mut misnamed = Vec::new();
    for entry in found.misnamed {
        // Where the index has it by its own name, too, that is what it is called.
        if !is_sound(transaction, entry.row)? && !is_filed(transaction, entry.row)? {
            misnamed.push(entry);
        }
    }
    Ok(Disagreeing { misnamed, ..found })
}

/// Whether each row is found by its number.
fn are_in_order(transaction: &Transaction<'_>) -> Result<bool, BaseError> {
    let mut statement = transaction.prepare("SELECT id FROM records NOT INDEXED")?;
    let mut rows = statement.query([])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if last.replace(id).is_some_and(|last| last >= id) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes all rows anew, those whose numbers have rotted by the numbers that the index has.
fn put_in_order(transaction: &Transaction<'_>, lost: &[Entry]) -> Result<(), BaseError> {
    tracing::error!("rows of the base have lost their numbers: all are written anew");
    transaction.execute_batch("CREATE TABLE aside AS SELECT * FROM records NOT INDEXED")?;
    for Entry { row, table, key } in lost {
        let set = "UPDATE aside SET id = ? WHERE table_name = ? AND key = ?";
        transaction.execute(set, params![row, table, key])?;
    }
    // Without a condition all pages go as they are, in whatever order.
    transaction.execute_batch(
        "DELETE FROM records;
         INSERT OR IGNORE INTO records SELECT * FROM aside;
         UPDATE aside SET id = NULL WHERE NOT EXISTS (
             SELECT 1 FROM records r WHERE r.id = aside.id
             AND r.table_name = aside.table_name AND r.key = aside.key);
         INSERT INTO records SELECT * FROM aside WHERE id IS NULL;
         DROP TABLE aside",
    )?;
    Ok(())
}

/// Rows beside better ones of the same name: a record that was not found may have been written once more.
fn surplus(transaction: &Transaction<'_>) -> Result<Vec<(RecordName, i64)>, BaseError> {
    let mut statement = transaction.prepare(
        "SELECT table_name, key, id FROM records NOT INDEXED WHERE (table_name, key) IN (
             SELECT table_name, key FROM records NOT INDEXED
             GROUP BY table_name, key HAVING count(*) > 1)",
    )?;
    let mut rows = statement.query([])?;
    let mut of_names = BTreeMap::<RecordName, Vec<i64>>::new();
    while let Some(row) = rows.next()? {
        if let Some(name) = read_name(row)? {
            of_names.entry(name).or_default().push(row.get(2)?);
        }
    }
    let mut surplus = Vec::new();
    for (name, mut rows) in of_names {
        let (mut best, mut worth) = (None, None);
        for row in &rows {
            let head = head_of(transaction, *row)?;
            let its = (is_sound(transaction, *row)?, head.map(|it| (it.version, it.seq)));
            if Some(its) > worth {
                (best, worth) = (Some(*row), Some(its));
            }
        }
        rows.retain(|row| Some(*row) != best);
        surplus.extend(rows.into_iter().map(|row| (name.clone(), row)));
    }
    Ok(surplus)
}

/// Whether the row is what was written, by the name that it calls itself.
pub(super) fn is_sound(connection: &Connection, row: i64) -> Result<bool, BaseError> {
    let sql = format!("SELECT {COLUMNS} FROM records r WHERE r.id = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([row])?;
    match rows.next()? {
        Some(row) => Ok(matches!(read_stored(row)?, RowRead::Sound(_))),
        None => Ok(false),
    }
}

/// Whether the index has the row by what it calls itself; true of one that is not there.
fn is_filed(connection: &Connection, row: i64) -> Result<bool, BaseError> {
    let sql = "SELECT n.id IS r.id FROM records r
               LEFT JOIN records n ON n.table_name = r.table_name AND n.key = r.key WHERE r.id = ?";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([row], |row| row.get(0)).optional()?.unwrap_or(true))
}

/// Takes the row out that has this seq; whether it was there. Since the caller looked, rows may have got other numbers.
///
/// From the index SQLite takes an entry out by its name: that might be another's.
pub(super) fn remove(transaction: &Transaction<'_>, row: i64, seq: Seq) -> Result<bool, BaseError> {
    if !is_filed(transaction, row)? {
        return Err(BaseError::Misled);
    }
    let mut delete = transaction.prepare_cached("DELETE FROM records WHERE id = ? AND seq = ?")?;
    Ok(delete.execute(params![row, to_signed(seq)])? > 0)
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
