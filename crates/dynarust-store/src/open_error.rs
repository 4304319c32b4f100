//! Why a folder is not opened, each in one line that says what to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::BaseError;
use crate::journal::disk::is_full;
use crate::journal::recovery::RecoveryError;
use crate::note::NoteError;

/// Why a folder could not be opened. It holds what it held.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("cannot use {path}: {error}", path = path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "{path} is in use by another process: stop that one, or choose another folder with --data-dir",
        path = path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A later release wrote it.
    #[error(
        "{path} has format {found}, newer than this release reads (up to {newest}): use the release \
         that wrote it, or a later one",
        path = path.display()
    )]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// The format.
        found: u32,
        /// The newest that this release reads.
        newest: u32,
    },
    /// It is not a node's.
    #[error(
        "{path} does not say the format of a node's folder: bring it back from a copy",
        path = path.display()
    )]
    UnknownFormat {
        /// The file that should.
        path: PathBuf,
    },
    /// The folder has had data, and the base is gone, or is no base of this node.
    #[error(
        "the base {path} is damaged or missing: {reason}. Bring the folder back from a copy; nothing \
         was changed",
        path = path.display()
    )]
    Base {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Arc<str>,
    },
    /// The journal is damaged at a place that had been synced.
    #[error(
        "the journal is damaged: {place}. `DynaRust verify {folder}` tells more; bring the folder \
         back from a copy, or go on without what is lost by `DynaRust salvage {folder}`",
        folder = folder.display()
    )]
    Journal {
        /// The node's folder.
        folder: PathBuf,
        /// File, offset, and what is wrong.
        place: String,
    },
    /// The node's note of its cluster cannot be used.
    #[error(
        "{path} has what the node knows of its cluster, and cannot be used: {reason}. Bring the folder \
         back from a copy, or put the file aside by `DynaRust salvage {folder}`, and have the node join again",
        path = path.display(), folder = path.parent().unwrap_or(path).display()
    )]
    Note {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Arc<str>,
    },
    /// No space for what a start needs.
    #[error("the disk of {path} is full: free some space, then start again", path = path.display())]
    Full {
        /// The folder.
        path: PathBuf,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: std::io::Error) -> Self {
        let path = path.to_owned();
        if is_full(&error) { Self::Full { path } } else { Self::Folder { path, error } }
    }

    pub(crate) fn base(path: &Path, error: BaseError) -> Self {
        let path = path.to_owned();
        match error {
            BaseError::Full => Self::Full { path },
            BaseError::Busy(reason) | BaseError::Damaged(reason) | BaseError::Io(reason) => {
                Self::Base { path, reason }
            }
            BaseError::Misled => Self::Base { path, reason: error.to_string().into() },
        }
    }

    pub(crate) fn note(path: PathBuf, error: NoteError) -> Self {
        match error {
            NoteError::Io(error) => Self::io(&path, error),
            damage => Self::Note { path, reason: damage.to_string().into() },
        }
    }

    pub(crate) fn journal(folder: &Path, error: RecoveryError) -> Self {
        match error {
            RecoveryError::Io { path, error } => Self::Folder { path, error },
            RecoveryError::Damaged(damage) => {
                Self::Journal { folder: folder.to_owned(), place: damage.to_string() }
            }
        }
    }
}
