//! Opens a folder: identity, base, journal, in that order; then the threads.
//!
//! Invariant: an error leaves the folder as it was, but for files that hold nothing. A folder that had
//! data is never opened as an empty one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dynarust_core::{Epoch, NodeId, Seq};

use crate::base::{self, ApplyBase, BaseError, OpenBase};
use crate::config::StoreConfig;
use crate::folder::{FORMAT, Folder};
use crate::journal::disk::{Disk, is_full};
use crate::journal::frame::Binding;
use crate::journal::recovery::{self, Mode, Recovered, RecoveryError};
use crate::journal::{Begin, Complete, CompleteSegments, JournalWriter, segment};
use crate::recent::Recent;

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
        "{path} has format {found}, newer than this release reads (up to {FORMAT}): use the release \
         that wrote it, or a later one",
        path = path.display()
    )]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// The format.
        found: u32,
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
    /// No space for what a start needs.
    #[error("the disk of {path} is full: free some space, then start again", path = path.display())]
    Full {
        /// The folder.
        path: PathBuf,
    },
}

/// A folder with all that is needed to run.
pub(crate) struct Opened {
    pub(crate) folder: Folder,
    pub(crate) node: NodeId,
    pub(crate) epoch: Epoch,
    /// How many times this folder has been started.
    pub(crate) incarnation: u64,
    /// Earlier starts, each with its last seq.
    pub(crate) known_epochs: Vec<(Epoch, Seq)>,
    pub(crate) base: ApplyBase,
    pub(crate) journal: JournalWriter,
    pub(crate) complete: CompleteSegments,
    pub(crate) recent: Recent,
    /// Bytes of the journal that the base does not have.
    pub(crate) journaled: usize,
    /// No version that was handed out is above it.
    pub(crate) clock_ceiling: u64,
}

/// Opens the folder of a node, or makes one.
pub(crate) fn open(config: &StoreConfig, disk: Arc<dyn Disk>) -> Result<Opened, OpenError> {
    let folder = Folder::lock(&config.folder)?;
    let base = open_base(&folder)?;
    let node = base.meta.node;
    segment::remove_unfinished(&folder.journal()).map_err(|error| io(&folder, error))?;
    let (recovered, recent, journaled) = recover(&folder, base.meta.applied_seq)?;
    let segments =
        recovered.settle(disk.as_ref()).map_err(|error| journal_error(&folder, error))?;
    tell(&folder, &recovered);

    let epoch = Epoch(rand::random());
    let last_seq = recent.head();
    let clock_ceiling = base.meta.clock_ceiling.max(recovered.clock_ceiling);
    let path = base.path.clone();
    let mut base = ApplyBase::new(base).map_err(|error| base_error(&path, error))?;
    let (incarnation, known_epochs) = base
        .begin_epoch(epoch, last_seq, clock_ceiling)
        .map_err(|error| base_error(&path, error))?;
    let complete = complete_segments(segments, last_seq);
    let begin = Begin {
        binding: Binding { segment: recovered.next_segment(), secret: rand::random() },
        ordinal: recovered.last_ordinal + 1,
        last_seq,
        segment_bytes: config.segment_bytes,
    };
    let journal = JournalWriter::begin(disk, folder.journal(), begin, Arc::clone(&complete))
        .map_err(|error| io(&folder, error))?;
    Ok(Opened {
        folder,
        node,
        epoch,
        incarnation,
        known_epochs,
        base,
        journal,
        complete,
        recent,
        journaled,
        clock_ceiling,
    })
}

/// The base of the folder; a new one only where the folder has never had data.
pub(crate) fn open_base(folder: &Folder) -> Result<OpenBase, OpenError> {
    let path = folder.base();
    let identity = folder.identity()?;
    let frames = !segment::list(&folder.journal()).map_err(|error| io(folder, error))?.is_empty();
    // A base without an identity: the making of the folder was cut short, and is done again.
    let base = if identity.is_none() && !frames {
        warn_of_neighbours(folder);
        base::open_or_create(&path, NodeId(rand::random()))
    } else {
        base::open_existing(&path)
    };
    let base = base.map_err(|error| base_error(&path, error))?;
    match identity {
        Some(node) if node != base.meta.node => {
            let reason = format!("the folder is node {node}'s, the base is {}'s", base.meta.node);
            Err(OpenError::Base { path, reason: reason.into() })
        }
        Some(_) => Ok(base),
        None => folder.set_identity(base.meta.node).map(|()| base),
    }
}

/// Reads what the journal has and the base has not.
fn recover(folder: &Folder, applied: Seq) -> Result<(Recovered, Recent, usize), OpenError> {
    let mut recent = Recent::new(applied);
    let mut journaled = 0;
    let recovered = recovery::read(&folder.journal(), Mode::Strict, |stored| {
        if stored.seq > applied {
            journaled += stored.memory_bytes();
            recent.publish(&Arc::new(stored));
        }
    })
    .map_err(|error| journal_error(folder, error))?;
    match recovered.first_seq {
        Some(first) if first > applied + 1 => {
            let place = format!(
                "it begins with record {first}, and the base ends with {applied}: a segment is missing"
            );
            Err(OpenError::Journal { folder: folder.path().to_owned(), place })
        }
        _ => Ok((recovered, recent, journaled)),
    }
}

/// What earlier starts left goes once the base has it.
fn complete_segments(segments: Vec<PathBuf>, last_seq: Seq) -> CompleteSegments {
    let complete = CompleteSegments::default();
    complete.lock().extend(segments.into_iter().map(|path| Complete { path, last_seq }));
    complete
}

fn tell(folder: &Folder, recovered: &Recovered) {
    if let Some(torn) = &recovered.torn {
        tracing::warn!(
            path = %torn.path.display(), offset = torn.offset, bytes = torn.written_bytes,
            "an unsynced tail of the journal was cut off; nothing in it was acknowledged as synced"
        );
    }
    tracing::debug!(
        folder = %folder.path().display(), frames = recovered.frames, "the journal was read"
    );
}

fn warn_of_neighbours(folder: &Folder) {
    let neighbours = folder.neighbours();
    if !neighbours.is_empty() {
        let others: Vec<_> = neighbours.iter().map(|path| path.display().to_string()).collect();
        tracing::warn!(
            new = %folder.path().display(), others = others.join(", "),
            "a new, empty folder is made beside others: another port is another node"
        );
    }
}

pub(crate) fn io(folder: &Folder, error: std::io::Error) -> OpenError {
    let path = folder.path().to_owned();
    if is_full(&error) { OpenError::Full { path } } else { OpenError::Folder { path, error } }
}

pub(crate) fn base_error(path: &Path, error: BaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        BaseError::Full => OpenError::Full { path },
        BaseError::Busy(reason) | BaseError::Damaged(reason) | BaseError::Io(reason) => {
            OpenError::Base { path, reason }
        }
    }
}

pub(crate) fn journal_error(folder: &Folder, error: RecoveryError) -> OpenError {
    match error {
        RecoveryError::Io { path, error } => OpenError::Folder { path, error },
        RecoveryError::Damaged(damage) => {
            OpenError::Journal { folder: folder.path().to_owned(), place: damage.to_string() }
        }
    }
}
