//! Goes on after damage to the journal: takes in what is sound, says what is missing, and puts the
//! damaged files aside. Nothing is removed.
//!
//! A node that has lost records, or may have, must not claim that it has taken in what they came from: then
//! its note goes aside, too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::TOMBSTONE_AGE_SECONDS_DEFAULT;

use dynarust_core::Stored;

use crate::base::{self, ApplyBase, Reached};
use crate::clock::{SystemClock, WallClock as _};
use crate::finding::{Finding, Part};
use crate::folder::Folder;
use crate::journal::disk::{RealDisk, sync_parent};
use crate::journal::recovery::{self, Mode};
use crate::journal::segment;
use crate::note;
use crate::open::bring_over;
use crate::open_error::OpenError;
use crate::renew;

/// Nothing is swept here.
const TOMBSTONE_AGE: Duration = Duration::from_secs(TOMBSTONE_AGE_SECONDS_DEFAULT);

/// What was saved, and what was not.
#[derive(Debug)]
pub struct Salvaged {
    /// Records of the journal that were brought into the base.
    pub records: u64,
    /// The places where records are missing.
    pub damages: Vec<String>,
    /// Where the journal is now; `None` where there was none.
    pub set_aside: Option<PathBuf>,
    /// Where the node's note is now, if it had to go: it knows no cluster and no positions in others' feeds.
    pub note_set_aside: Option<PathBuf>,
    /// What is wrong with the base all the same.
    pub problems: Vec<Finding>,
}

/// Makes the folder of a stopped node one that opens, as far as its base is sound.
///
/// # Errors
/// [`OpenError`] where it is no node's folder, is in use, or its base cannot be used.
pub fn salvage(path: &Path) -> Result<Salvaged, OpenError> {
    let folder = Folder::lock_existing(path)?;
    let identity = folder.identity()?;
    let base_path = folder.base();
    let refused = |error| OpenError::base(&base_path, error);
    let open = base::open_existing(&base_path).map_err(refused)?;
    let open = match identity {
        Some(identity) => renew::settle(&folder, open, identity)?,
        None => open,
    };
    let applied = open.meta.applied_seq;
    let (mut records, mut answers) = (Vec::new(), Vec::new());
    let recovered = recovery::read(&RealDisk, &folder.journal(), Mode::Salvage, |found| {
        if found.stored.seq > applied {
            answers.extend(found.carried());
            records.push(found.stored);
        }
    })
    .map_err(|error| OpenError::journal(folder.path(), error))?;

    let mut base = ApplyBase::new(bring_over(&folder, open)?, TOMBSTONE_AGE).map_err(refused)?;
    let saved = records.len() as u64;
    let ceiling = recovered.clock_ceiling.max(base.meta().clock_ceiling);
    let last = recovered.last_seq.max(base.newest_seq().map_err(refused)?);
    let now = SystemClock.now();
    let reached = Reached { applied_seq: last, clock_ceiling: ceiling, answers, now };
    base.apply(&newest_of_each(records)).map_err(refused)?;
    // Also of records that only a round which was cut short had brought in.
    base.complete_feed().map_err(refused)?;
    base.reach(&reached).map_err(refused)?;
    let mut audit = base.audit().map_err(refused)?;
    audit.problems.retain(|finding| finding.part != Part::Sums);
    base.rebuild_sums(audit.digests).map_err(refused)?;
    // What was lost may have been told to a stream: no position from before may be resumed.
    base.forget_epochs().map_err(refused)?;
    if !base.checkpoint(true).map_err(refused)?.complete {
        // Another program reads the base: what was taken from the journal is not durable there yet.
        let reason = "another program reads it: stop that one, then salvage again".into();
        return Err(OpenError::Base { path: base_path, reason });
    }
    let gap = recovered.first_seq.filter(|first| *first > applied + 1).map(|first| {
        format!("the journal begins with record {first}, and the base ends with {applied}")
    });
    let damages: Vec<_> =
        gap.into_iter().chain(recovered.damages.iter().map(ToString::to_string)).collect();
    let lossless = damages.is_empty() && audit.problems.is_empty();
    // Before the journal: with that gone, the folder opens.
    let node = base.meta().node;
    let note_set_aside = match note::read(&folder, |it| it == node) {
        Ok(_) if lossless => None,
        _ => note::put_aside(&folder).map_err(|error| OpenError::io(&folder.note(), error))?,
    };
    let set_aside = set_aside(&folder)?;
    Ok(Salvaged { records: saved, damages, set_aside, note_set_aside, problems: audit.problems })
}

/// The newest record of each name, in name order.
fn newest_of_each(records: Vec<Stored>) -> Vec<Arc<Stored>> {
    let mut newest = BTreeMap::new();
    for stored in records {
        let present = newest.get(&stored.name).is_some_and(|it: &Arc<Stored>| it.seq > stored.seq);
        if !present {
            newest.insert(stored.name.clone(), Arc::new(stored));
        }
    }
    newest.into_values().collect()
}

/// Moves the segments into a folder of their own beside the journal.
fn set_aside(folder: &Folder) -> Result<Option<PathBuf>, OpenError> {
    let segments = segment::list(&RealDisk, &folder.journal())
        .map_err(|error| OpenError::io(folder.path(), error))?;
    if segments.is_empty() {
        return Ok(None);
    }
    let aside = folder.aside("journal");
    let moved = || -> std::io::Result<()> {
        fs::create_dir(&aside)?;
        for (_, path) in &segments {
            if let Some(name) = path.file_name() {
                fs::rename(path, aside.join(name))?;
            }
        }
        sync_parent(&aside)?;
        sync_parent(&folder.journal().join("."))
    };
    moved().map_err(|error| OpenError::io(folder.path(), error))?;
    Ok(Some(aside))
}
