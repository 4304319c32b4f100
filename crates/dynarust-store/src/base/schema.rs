//! The base's tables, its settings, and how it is opened and made.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use dynarust_core::NodeId;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::counts;
use super::error::BaseError;
use super::meta::Meta;

/// At which byte of the file the versions end by which SQLite reads and writes it (SQLite's "Database File Format",
/// section 1.3.3).
const VERSIONS_END: usize = 20;
/// What they are where there is a write-ahead log.
const WRITE_AHEAD_VERSIONS: [u8; 2] = [2, 2];

/// What both formats have.
const SCHEMA_OF_BOTH: &str = "
    CREATE TABLE records (
        id INTEGER PRIMARY KEY, table_name TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL,
        version BLOB NOT NULL, previous BLOB, expiry INTEGER, flags INTEGER NOT NULL,
        checksum INTEGER NOT NULL, value TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX records_by_name ON records (table_name, key);
    CREATE TABLE feed (
        seq INTEGER PRIMARY KEY, record INTEGER NOT NULL, partition INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE epochs (
        incarnation INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, last_seq INTEGER
    ) STRICT;
    CREATE TABLE feed_times (seq INTEGER PRIMARY KEY, taken_at INTEGER NOT NULL) STRICT;
    CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
";

const SCHEMA_OF_FORMAT_1: &str = "
    CREATE INDEX records_tombstones ON records (seq) WHERE flags & 1;
    CREATE INDEX records_by_expiry ON records (expiry) WHERE expiry IS NOT NULL;
";

const SCHEMA_OF_FORMAT_2: &str = "
    CREATE INDEX records_gone ON records (seq) WHERE flags & 3;
    CREATE INDEX records_by_expiry ON records (expiry) WHERE expiry IS NOT NULL AND flags & 3 = 0;
    CREATE TABLE tables (
        name TEXT PRIMARY KEY, records INTEGER NOT NULL, bytes INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE answers (
        request_key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, version BLOB NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX answers_by_version ON answers (version);
";

/// Which tables and numbers a base has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BaseFormat {
    /// To be brought over by [`OpenBase::bring_over`] before anything is written.
    One,
    Two,
}

/// A base that was opened.
pub(crate) struct OpenBase {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) meta: Meta,
    pub(crate) format: BaseFormat,
}

impl OpenBase {
    /// Makes a base of format 1 one of format 2, all or nothing.
    pub(crate) fn bring_over(mut self) -> Result<Self, BaseError> {
        if self.format == BaseFormat::Two {
            return Ok(self);
        }
        let transaction = self.connection.transaction()?;
        transaction.execute_batch("DROP INDEX records_tombstones; DROP INDEX records_by_expiry")?;
        transaction.execute_batch(SCHEMA_OF_FORMAT_2)?;
        let meta = Meta { counts: counts::rebuild(&transaction)?, ..self.meta };
        meta.save(&transaction)?;
        transaction.commit()?;
        Ok(Self { meta, format: BaseFormat::Two, ..self })
    }

    /// Makes it another node's, durably. Of the present format.
    pub(crate) fn hand_over(mut self, node: NodeId) -> Result<Self, BaseError> {
        let meta = Meta { node, ..self.meta };
        // With this a commit is synced.
        self.connection.execute_batch("PRAGMA synchronous = FULL")?;
        let transaction = self.connection.transaction()?;
        meta.save(&transaction)?;
        transaction.commit()?;
        self.connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        Ok(Self { meta, ..self })
    }
}

/// Opens the base, which must be there, of whichever format. Changes nothing.
pub(crate) fn open_existing(path: &Path) -> Result<OpenBase, BaseError> {
    let empty = std::fs::metadata(path)
        .map_err(|error| BaseError::Damaged(error.to_string().into()))?
        .len()
        == 0;
    if empty {
        return Err(BaseError::Damaged("the file is empty".into()));
    }
    check_header(path)?;
    let connection = connect(path)?;
    let format = format_of(&connection)?;
    let meta = match format {
        BaseFormat::One => Meta::read_format_1(&connection)?,
        BaseFormat::Two => Meta::read(&connection)?,
    };
    Ok(OpenBase { connection, path: path.to_owned(), meta, format })
}

/// A file that does not say that it has a write-ahead log SQLite would give one, which writes to it. Every base has
/// had one since it was made.
fn check_header(path: &Path) -> Result<(), BaseError> {
    let mut header = [0; VERSIONS_END];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    if let Err(error) = read {
        return Err(match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                BaseError::Damaged("the file ends within its header".into())
            }
            _ => BaseError::Io(error.to_string().into()),
        });
    }
    if header.ends_with(&WRITE_AHEAD_VERSIONS) {
        Ok(())
    } else {
        Err(BaseError::Damaged("its header does not say that it has a write-ahead log".into()))
    }
}

/// Opens the base, or makes one of a new node. Only for a folder that never had one.
pub(crate) fn open_or_create(path: &Path, node: NodeId) -> Result<OpenBase, BaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // These take only where the file is still empty; elsewhere they would write. What is freed in it can be
    // given back.
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;")?;
    let mut connection = with_settings(connection)?;
    let transaction = connection.transaction()?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(SCHEMA_OF_BOTH)?;
        transaction.execute_batch(SCHEMA_OF_FORMAT_2)?;
        Meta::of_new(node).save(&transaction)?;
    }
    transaction.commit()?;
    drop(connection);
    open_existing(path)
}

/// Opens a connection with the settings that all of ours have. Writes nothing.
pub(super) fn connect(path: &Path) -> Result<Connection, BaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    with_settings(Connection::open_with_flags(path, flags)?)
}

fn with_settings(connection: Connection) -> Result<Connection, BaseError> {
    // Closing must change nothing: what was found damaged stays as it was. The applier's checkpoints
    // bring the log into the base.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Else a statement that might use a partial index is made anew whenever a parameter is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(std::time::Duration::from_secs(1))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 16777216;
         PRAGMA temp_store = MEMORY;",
    )?;
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode.eq_ignore_ascii_case("wal") {
        Ok(connection)
    } else {
        Err(BaseError::Io(format!("SQLite keeps no write-ahead log here, but {mode}").into()))
    }
}

/// Tables and indexes must be as this program, or the one before, makes them: one that is not might
/// answer, and answer wrongly.
fn format_of(connection: &Connection) -> Result<BaseFormat, BaseError> {
    let found = schema_of(connection)?;
    for (format, schema) in
        [(BaseFormat::Two, SCHEMA_OF_FORMAT_2), (BaseFormat::One, SCHEMA_OF_FORMAT_1)]
    {
        let ours = Connection::open_in_memory()?;
        ours.execute_batch(SCHEMA_OF_BOTH)?;
        ours.execute_batch(schema)?;
        if found == schema_of(&ours)? {
            return Ok(format);
        }
    }
    Err(BaseError::Damaged("its tables are not those of a node".into()))
}

fn schema_of(connection: &Connection) -> Result<Vec<[Option<String>; 4]>, BaseError> {
    let rows = connection
        .prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")?
        .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn no_statement_is_made_anew_when_a_parameter_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_or_create(&folder.path().join("base"), NodeId(7)).unwrap().connection;
        // What is asked of two tables at once, or could be answered by an index of some rows.
        for sql in [
            "SELECT r.seq FROM records n LEFT JOIN records r ON r.id = n.id WHERE n.table_name = ?",
            "SELECT id FROM records WHERE expiry IS NOT NULL AND flags & 3 = 0 AND expiry = ?",
        ] {
            let mut statement = connection.prepare(sql).unwrap();
            for bound in 0..3 {
                assert!(statement.query([bound]).unwrap().next().unwrap().is_none());
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
        }
    }
}
