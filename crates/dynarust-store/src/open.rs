//! Opens a folder: identity, base, note, journal, in that order; then the threads.
//!
//! Invariant: an error leaves the folder as it was, but for files that hold nothing. A folder that had
//! data is never opened as an empty one.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{Epoch, NodeId, Seq};

use crate::answers::RecentAnswers;
use crate::base::{self, ApplyBase, OpenBase};
use crate::config::{Random, StoreConfig};
use crate::driver::Driver;
use crate::folder::{FORMAT, Folder};
use crate::journal::disk::Disk;
use crate::journal::frame::Binding;
use crate::journal::recovery::Recovered;
use crate::journal::{Begin, Complete, CompleteSegments, JournalWriter, segment};
use crate::note;
use crate::open_error::OpenError;
use crate::recent::Recent;
use crate::recover::{Entered, Recovery, recover};
use crate::renew;

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
    pub(crate) answers: RecentAnswers,
    /// Bytes of the journal that the base does not have.
    pub(crate) journaled: usize,
    /// No version that was handed out is above it.
    pub(crate) clock_ceiling: u64,
    /// The node's note.
    pub(crate) note: Option<Bytes>,
}

/// Opens the folder of a node, or makes one.
pub(crate) fn open(
    config: &StoreConfig,
    disk: Arc<dyn Disk>,
    driver: Driver,
) -> Result<Opened, OpenError> {
    let folder = Folder::lock(&config.folder)?;
    let base = open_base(&folder, disk.as_ref(), &config.random)?;
    let node = base.meta.node;
    let note = note::read(&folder, |it| it == node)
        .map_err(|error| OpenError::note(folder.note(), error))?;
    segment::remove_unfinished(disk.as_ref(), &folder.journal())
        .map_err(|error| OpenError::io(folder.path(), error))?;
    let Recovery { recovered, segments, entered } =
        recover(&folder, disk.as_ref(), base.meta.applied_seq, driver)?;
    let Entered { recent, mut answers, journaled } = entered;
    tell(&folder, &recovered);

    let epoch = Epoch((config.random)());
    let last_seq = recent.head();
    let clock_ceiling = base.meta.clock_ceiling.max(recovered.clock_ceiling);
    let path = base.path.clone();
    let base = bring_over(&folder, base)?;
    let mut base = ApplyBase::new(base, config.tombstone_age)
        .map_err(|error| OpenError::base(&path, error))?;
    answers.set_in_base(base.answers().map_err(|error| OpenError::base(&path, error))?);
    let newest = base.newest_seq().map_err(|error| OpenError::base(&path, error))?;
    if newest > last_seq {
        // What goes into the base was synced in the journal before.
        let place = format!("it ends with record {last_seq}, and the base has record {newest}");
        return Err(OpenError::Journal { folder: folder.path().to_owned(), place });
    }
    let (incarnation, known_epochs) = base
        .begin_epoch(epoch, last_seq, clock_ceiling)
        .map_err(|error| OpenError::base(&path, error))?;
    let complete = complete_segments(segments, last_seq);
    let begin = Begin {
        binding: Binding { segment: recovered.next_segment(), secret: (config.random)() },
        ordinal: recovered.last_ordinal + 1,
        last_seq,
        segment_bytes: config.segment_bytes,
        driver,
    };
    let journal = JournalWriter::begin(disk, folder.journal(), begin, Arc::clone(&complete))
        .map_err(|error| OpenError::io(folder.path(), error))?;
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
        answers,
        journaled,
        clock_ceiling,
        note,
    })
}

/// The base of the folder; a new one only where the folder has never had data.
pub(crate) fn open_base(
    folder: &Folder,
    disk: &dyn Disk,
    random: &Random,
) -> Result<OpenBase, OpenError> {
    let path = folder.base();
    let identity = folder.identity()?;
    let frames = !segment::list(disk, &folder.journal())
        .map_err(|error| OpenError::io(folder.path(), error))?
        .is_empty();
    // A base without an identity: the making of the folder was cut short, and is done again.
    let base = if identity.is_none() && !frames {
        warn_of_neighbours(folder);
        base::open_or_create(&path, NodeId(random()))
    } else {
        base::open_existing(&path)
    };
    let base = base.map_err(|error| OpenError::base(&path, error))?;
    match identity {
        Some(identity) => renew::settle(folder, base, identity),
        None => folder.set_identity(base.meta.node, None).map(|()| base),
    }
}

/// Makes a folder of an older format one of the present format. What is written from here on an older
/// program would misread: `FORMAT` keeps it away.
pub(crate) fn bring_over(folder: &Folder, base: OpenBase) -> Result<OpenBase, OpenError> {
    let older = folder.identity()?.is_none_or(|identity| identity.format < FORMAT);
    let path = base.path.clone();
    let base = base.bring_over().map_err(|error| OpenError::base(&path, error))?;
    if older {
        folder.set_identity(base.meta.node, None)?;
        tracing::info!(folder = %folder.path().display(), "brought over to format {FORMAT}");
    }
    Ok(base)
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
