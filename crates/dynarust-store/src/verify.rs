//! Checks the folder of a stopped node, byte for byte, and changes nothing.
//!
//! Checked: the format and the identity; the node's note; every journal frame and record; that journal
//! and base join without a gap; SQLite's structure and indexes; every record's checksum; that each record has its
//! entry in the feed; digests and counts.

use std::path::Path;

use dynarust_core::Seq;

use crate::base;
use crate::finding::{Finding, Part};
use crate::folder::Folder;
use crate::journal::disk::{Disk, RealDisk};
use crate::journal::recovery::{self, Mode};
use crate::note::{self, NoteError};
use crate::open_error::OpenError;

/// What a folder holds, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    /// Records in the base, tombstones and expired ones among them.
    pub records: u64,
    /// Tombstones in the base.
    pub tombstones: u64,
    /// Records in the base that were marked as expired.
    pub expired: u64,
    /// Entries of the base's feed.
    pub feed_entries: u64,
    /// Frames of the journal.
    pub journal_frames: u64,
    /// Records of the journal that the base does not have yet.
    pub journal_records: u64,
    /// Bytes of an unsynced tail that the next start will cut off. No damage.
    pub torn_bytes: u64,
    /// What is wrong; at most some hundred.
    pub problems: Vec<Finding>,
}

/// Checks a node's folder. The node must be stopped.
///
/// # Errors
/// [`OpenError`] where it is no node's folder, is in use, or its base cannot be read at all.
pub fn verify(path: &Path) -> Result<Report, OpenError> {
    verify_on(path, &RealDisk)
}

/// As [`verify`], of a node whose journal is on this disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(path: &Path, disk: &dyn Disk) -> Result<Report, OpenError> {
    let folder = Folder::lock_existing(path)?;
    let identity = folder.identity()?;
    let base_path = folder.base();
    let refused = |error| OpenError::base(&base_path, error);
    let open = base::open_existing(&base_path).map_err(refused)?;
    let mut report = Report::default();
    let journal_end = journal(&folder, disk, open.meta.applied_seq, &mut report)?;
    // A round of the applier that was cut short leaves the base ahead, by records that the journal has.
    let newest = open.meta.applied_seq.max(journal_end);
    let audit = base::audit(&open.connection, newest, &open.meta, open.format).map_err(refused)?;
    report.records = audit.records;
    report.tombstones = audit.tombstones;
    report.expired = audit.expired;
    report.feed_entries = audit.feed_entries;
    report.problems.extend(audit.problems);
    let node = open.meta.node;
    let is_of = |it| it == node || identity.is_some_and(|identity| identity.is_of(it));
    match note::read(&folder, is_of) {
        Ok(_) => {}
        Err(NoteError::Io(error)) => return Err(OpenError::io(&folder.note(), error)),
        Err(damage) => report.problems.push(Finding::new(Part::Note, damage.to_string())),
    }
    if !identity.is_some_and(|identity| identity.is_of(node)) {
        let folder = identity.map(|identity| identity.node.to_string());
        let what = format!("FORMAT names node {folder:?}, the base {node}");
        report.problems.push(Finding::new(Part::Base, what));
    }
    Ok(report)
}

/// Returns the newest record's seq.
fn journal(
    folder: &Folder,
    disk: &dyn Disk,
    applied: Seq,
    report: &mut Report,
) -> Result<Seq, OpenError> {
    let mut records = 0;
    let read = recovery::read(disk, &folder.journal(), Mode::Inspect, |found| {
        records += u64::from(found.stored.seq > applied);
    })
    .map_err(|error| OpenError::journal(folder.path(), error))?;
    report.journal_frames = read.frames;
    report.journal_records = records;
    report.torn_bytes = read.torn.map_or(0, |torn| torn.written_bytes);
    let damages = read.damages.iter().map(|damage| Finding::new(Part::Journal, damage.to_string()));
    report.problems.extend(damages);
    if let Some(first) = read.first_seq.filter(|first| *first > applied + 1) {
        let what = format!("it begins with record {first}, and the base ends with {applied}");
        report.problems.push(Finding::new(Part::Journal, what));
    }
    Ok(read.last_seq)
}
