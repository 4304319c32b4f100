//! Reads of the base: a record, a part of a table, a part of the feed. Each call is one snapshot, or within one.

use std::path::Path;
use std::sync::Arc;

use dynarust_core::{KeyRange, Partition, PartitionSet, RecordName, Seq, Stored};
use rusqlite::{Connection, Params, Transaction, params};

use super::error::BaseError;
use super::misnamed::{indexed_as, is_sound, row_of};
use super::row::{
    COLUMNS, COLUMNS_UNCHECKED, Claimed, RowRead, from_signed, read_claimed, read_name,
    read_stored, read_unchecked, to_signed,
};
use super::schema::connect;

/// Entries of the feed that one read passes over at most: some milliseconds' work.
const PASSED_OVER_MAX: usize = if cfg!(test) { 16 } else { 32 << 10 };

/// How much a read may bring at most; one record it may always bring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

impl Bounds {
    /// One row more than may be brought: it tells whether there are more.
    fn limit(self) -> i64 {
        i64::try_from(self.records).unwrap_or(i64::MAX).saturating_add(1)
    }
}

/// Which records a read brings, and how much of them.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Only those of these partitions.
    pub(crate) partitions: Option<Arc<PartitionSet>>,
    /// Their values, too; else nobody looks whether they are sound.
    pub(crate) values: bool,
}

impl Wanted {
    /// All of them, whole.
    pub(crate) const ALL: Self = Self { partitions: None, values: true };

    pub(crate) fn has(&self, name: &RecordName) -> bool {
        self.has_partition(|| Partition::of(name))
    }

    fn has_partition(&self, partition: impl FnOnce() -> Partition) -> bool {
        self.partitions.as_ref().is_none_or(|partitions| partitions.contains(partition()))
    }

    /// Reads one of these rows, selected by [`Wanted::columns`].
    fn read(&self, row: &rusqlite::Row<'_>) -> Result<RowRead, BaseError> {
        if self.values { read_stored(row) } else { read_unchecked(row) }
    }

    fn columns(&self) -> &'static str {
        if self.values { COLUMNS } else { COLUMNS_UNCHECKED }
    }
}

/// A read-only connection.
pub(crate) struct ReadBase {
    connection: Connection,
}

/// See [`ReadBase::snapshot`].
pub(crate) struct Snapshot<'a> {
    _transaction: Transaction<'a>,
}

/// A part of a table as the base has it.
#[derive(Debug, Default)]
pub(crate) struct BaseScan {
    pub(crate) records: Vec<Stored>,
    /// The bounds ended it, or a corrupt record did: there may be more behind.
    pub(crate) more: bool,
    /// The record behind the last is corrupt.
    pub(crate) corrupt: Option<RecordName>,
}

/// A part of the feed as the base has it.
#[derive(Debug)]
pub(crate) struct BaseFeed {
    pub(crate) records: Vec<Arc<Stored>>,
    /// Entries up to here were looked at.
    pub(crate) through: Seq,
}

impl ReadBase {
    /// Opens one more connection to the base.
    pub(crate) fn open(path: &Path) -> Result<Self, BaseError> {
        let connection = connect(path)?;
        // In KiB, for the upper pages of the trees. More shows no gain: the others are the kernel's to cache.
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -128")?;
        Ok(Self { connection })
    }

    /// What is read until this goes is of one state of the base: that at the first read.
    pub(crate) fn snapshot(&self) -> Result<Snapshot<'_>, BaseError> {
        Ok(Snapshot { _transaction: self.connection.unchecked_transaction()? })
    }

    /// One record; [`ReadFailure::Corrupt`] where its bytes are not what was written.
    pub(crate) fn get(&self, name: &RecordName) -> Result<Option<Stored>, ReadFailure> {
        let sql = format!("SELECT {COLUMNS} FROM records r WHERE table_name = ? AND key = ?");
        let mut statement = self.connection.prepare_cached(&sql).map_err(BaseError::from)?;
        let mut rows =
            statement.query(params![name.table(), name.key()]).map_err(BaseError::from)?;
        match rows.next().map_err(BaseError::from)? {
            None => Ok(None),
            Some(row) => match read_stored(row)? {
                RowRead::Sound(stored) if stored.name == *name => Ok(Some(stored)),
                _ => Err(ReadFailure::Corrupt(name.clone())),
            },
        }
    }

    /// The records of a range in key order (or in reverse) as far as the bounds allow.
    pub(crate) fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        bounds: Bounds,
        wanted: &Wanted,
    ) -> Result<BaseScan, BaseError> {
        let order = if reverse { "DESC" } else { "ASC" };
        let below = if range.upper.is_some() { "AND key < ?4" } else { "AND ?4 IS NULL" };
        let sql = format!(
            "SELECT {} FROM records r WHERE table_name = ?1 AND key >= ?2 {below}
             ORDER BY key {order} LIMIT ?3",
            wanted.columns()
        );
        let limit = if wanted.partitions.is_none() { bounds.limit() } else { i64::MAX };
        let parameters = params![range.table.as_str(), range.lower, limit, range.upper];
        let mut scan = BaseScan::default();
        let mut bytes = 0;
        self.each(&sql, parameters, |row| {
            if scan.records.len() >= bounds.records || (bytes > 0 && bytes >= bounds.bytes) {
                scan.more = true;
                return Ok(false);
            }
            if wanted.partitions.is_some() && read_name(row)?.is_some_and(|name| !wanted.has(&name))
            {
                return Ok(true);
            }
            match wanted.read(row)? {
                RowRead::Sound(stored) => {
                    bytes += stored.memory_bytes();
                    scan.records.push(stored);
                }
                RowRead::Corrupt { name } => {
                    let name = name.ok_or_else(|| {
                        BaseError::Damaged("a row of records has no readable name".into())
                    })?;
                    scan.corrupt = Some(name);
                    scan.more = true;
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        Ok(scan)
    }

    /// The feed behind `after`; only what was deleted or has expired of it, where that is asked for. A corrupt record
    /// is left out, unless `instead` has what stood there.
    pub(crate) fn feed(
        &self,
        after: Seq,
        bounds: Bounds,
        wanted: &Wanted,
        gone: bool,
        mut instead: impl FnMut(Option<RecordName>, Seq) -> Option<Arc<Stored>>,
    ) -> Result<BaseFeed, BaseError> {
        // One snapshot for all statements.
        let snapshot = self.connection.unchecked_transaction()?;
        let applied = from_signed(snapshot.query_row(
            "SELECT value FROM meta WHERE name = 'applied_seq'",
            [],
            |row| row.get(0),
        )?);
        let record = format!("SELECT {} FROM records r WHERE r.id = ?", wanted.columns());
        let mut feed = BaseFeed { records: Vec::new(), through: applied.max(after) };
        let (mut looked_at, mut passed_over, mut bytes, mut through) = (0, 0, 0, after);
        // Entries above are of a round that the applier has not ended.
        let entries = if gone {
            "SELECT seq, id, NULL FROM records
             WHERE flags & 3 AND seq > ? AND seq <= ? ORDER BY seq"
        } else {
            "SELECT seq, record, partition FROM feed
             WHERE seq > ? AND seq <= ? ORDER BY seq"
        };
        self.each(entries, params![to_signed(after), to_signed(applied)], |row| {
            if looked_at >= bounds.records
                || (bytes > 0 && bytes >= bounds.bytes)
                || passed_over >= PASSED_OVER_MAX
            {
                feed.through = through;
                return Ok(false);
            }
            through = from_signed(row.get(0)?);
            // Unknown before the name is.
            let partition = row.get::<_, Option<u16>>(2)?.and_then(Partition::new);
            if partition.is_some_and(|partition| !wanted.has_partition(|| partition)) {
                passed_over += 1;
                return Ok(true);
            }
            looked_at += 1;
            let id = row.get(1)?;
            self.each(&record, [id], |row| {
                // One of another partition has a name that has rotted.
                let is_filed = |name: &RecordName| match partition {
                    Some(partition) => Ok::<_, BaseError>(partition == Partition::of(name)),
                    None => Ok(row_of(&self.connection, name)? == Some(id)
                        || is_sound(&self.connection, id)?),
                };
                let stored = match wanted.read(row)? {
                    RowRead::Sound(stored) if is_filed(&stored.name)? => Arc::new(stored),
                    _ => {
                        let name = indexed_as(&self.connection, id, read_name(row)?)?;
                        let by_name = name.as_ref().map(|name| self.get(name));
                        let stored = match by_name {
                            Some(Ok(Some(stored))) if stored.seq == through => {
                                Some(Arc::new(stored))
                            }
                            Some(Err(ReadFailure::Base(error))) => return Err(error),
                            _ => instead(name, through),
                        };
                        let Some(stored) = stored else { return Ok(false) };
                        stored
                    }
                };
                // Else it has a newer entry.
                if stored.seq == through && wanted.has_partition(|| Partition::of(&stored.name)) {
                    bytes += stored.memory_bytes();
                    feed.records.push(stored);
                }
                Ok(false)
            })?;
            Ok(true)
        })?;
        Ok(feed)
    }

    /// What a record says of itself, without its value; damaged as it may be.
    pub(crate) fn claimed(&self, name: &RecordName) -> Result<Option<Claimed>, BaseError> {
        // By its row: else its name would be the index's.
        let sql = format!(
            "SELECT {COLUMNS} FROM records named JOIN records r ON r.id = named.id
             WHERE named.table_name = ? AND named.key = ?"
        );
        let mut claimed = None;
        self.each(&sql, params![name.table(), name.key()], |row| {
            if read_name(row)?.as_ref() == Some(name) {
                claimed = read_claimed(row)?;
            }
            Ok(false)
        })?;
        Ok(claimed)
    }

    /// Gives each row to `take` until that says false.
    pub(crate) fn each(
        &self,
        sql: &str,
        parameters: impl Params,
        mut take: impl FnMut(&rusqlite::Row<'_>) -> Result<bool, BaseError>,
    ) -> Result<(), BaseError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            if !take(row)? {
                break;
            }
        }
        Ok(())
    }
}

/// Why one record could not be read.
#[derive(Debug)]
pub(crate) enum ReadFailure {
    /// Its bytes are not what was written.
    Corrupt(RecordName),
    /// The base itself.
    Base(BaseError),
}

impl From<BaseError> for ReadFailure {
    fn from(error: BaseError) -> Self {
        Self::Base(error)
    }
}
