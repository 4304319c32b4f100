//! What SQLite's errors mean here.

use std::sync::Arc;

use rusqlite::{ErrorCode, ffi};

/// Why the base cannot be used. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BaseError {
    /// No space.
    #[error("the disk is full")]
    Full,
    /// Another program holds it.
    #[error("{0}")]
    Busy(Arc<str>),
    /// It is not what this program wrote.
    #[error("{0}")]
    Damaged(Arc<str>),
    /// An index leads to another record, or to none: the indexes are to be made anew.
    #[error("an index does not agree with the records")]
    Misled,
    /// The operating system refused.
    #[error("{0}")]
    Io(Arc<str>),
}

impl From<rusqlite::Error> for BaseError {
    fn from(error: rusqlite::Error) -> Self {
        let text: Arc<str> = error.to_string().into();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt) if has_code(&error, ffi::SQLITE_CORRUPT_INDEX) => {
                Self::Misled
            }
            // Nothing that is written breaks a constraint by itself.
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation,
            ) => Self::Damaged(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(text),
            // Growing the shared-memory index of a full disk is told as an I/O failure.
            Some(ErrorCode::SystemIoFailure) if has_code(&error, ffi::SQLITE_IOERR_SHMSIZE) => {
                Self::Full
            }
            Some(_) => Self::Io(text),
            None => Self::Damaged(text),
        }
    }
}

fn has_code(error: &rusqlite::Error, code: i32) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == code)
}
