//! What SQLite's errors mean here.

use std::sync::Arc;

use rusqlite::ErrorCode;

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
    /// The operating system refused.
    #[error("{0}")]
    Io(Arc<str>),
}

impl From<rusqlite::Error> for BaseError {
    fn from(error: rusqlite::Error) -> Self {
        let text: Arc<str> = error.to_string().into();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(text),
            Some(ErrorCode::SystemIoFailure) if is_full(&error) => Self::Full,
            Some(_) => Self::Io(text),
            None => Self::Damaged(text),
        }
    }
}

/// Growing the shared-memory index of a full disk is told as an I/O failure.
fn is_full(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}
