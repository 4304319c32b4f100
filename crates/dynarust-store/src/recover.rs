//! Reads the journal at opening: what the base does not have becomes recent again.
//!
//! ```text
//! read and check, segment by segment ─▶ settle
//!        └─▶ enter, on a thread of its own ─▶ names in order
//! ```
//! Where hands drive the store, what was read is entered at once.
//!
//! Invariant: an error leaves the folder as it was.

use std::mem;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use bytes::Bytes;
use dynarust_core::{Seq, Stored};

use crate::answers::{Carried, RecentAnswers};
use crate::driver::Driver;
use crate::folder::Folder;
use crate::journal::Place;
use crate::journal::disk::{Disk, SegmentReader};
use crate::journal::recovery::{self, Mode, Recovered};
use crate::open_error::OpenError;
use crate::recent::{Recent, Recovering};

/// A journal that was read, and made ready for what comes.
pub(crate) struct Recovery {
    pub(crate) recovered: Recovered,
    /// Those that stay.
    pub(crate) segments: Vec<PathBuf>,
    pub(crate) entered: Entered,
}

/// What the journal has and the base has not.
pub(crate) struct Entered {
    pub(crate) recent: Recent,
    pub(crate) answers: RecentAnswers,
    /// Bytes that it takes there.
    pub(crate) journaled: usize,
}

/// A record of the journal on its way there.
struct Behind {
    stored: Stored,
    place: Place,
    carried: Option<Carried>,
}

/// Records that are handed over at a time, and so many times ahead.
const HANDED_OVER: usize = 512;
const HANDED_OVER_AHEAD: usize = 4;

/// Reads the journal, settles it, and enters what was read.
pub(crate) fn recover(
    folder: &Folder,
    disk: &dyn Disk,
    applied: Seq,
    driver: Driver,
) -> Result<Recovery, OpenError> {
    match driver {
        Driver::Threads => recover_in_threads(folder, disk, applied),
        Driver::Hands => {
            let mut entering = Entering::new(applied);
            let recovered = read_journal(folder, disk, applied, |behind| entering.enter(behind))?;
            let segments = settle(&recovered, folder, disk)?;
            Ok(Recovery { recovered, segments, entered: entering.end() })
        }
    }
}

/// A thread of its own enters what was read.
fn recover_in_threads(
    folder: &Folder,
    disk: &dyn Disk,
    applied: Seq,
) -> Result<Recovery, OpenError> {
    let (to_enter, read) = sync_channel(HANDED_OVER_AHEAD);
    thread::scope(|scope| {
        let entering = thread::Builder::new()
            .name("store-recover".to_owned())
            .spawn_scoped(scope, || {
                let mut entering = Entering::new(applied);
                read.into_iter().for_each(|behind| entering.enter(behind));
                entering.end()
            })
            .map_err(|error| OpenError::io(folder.path(), error))?;
        // Fails only where the other thread panicked, which is told when it is joined.
        let hand_over = |behind| drop(to_enter.send(behind));
        let recovered = read_journal(folder, disk, applied, hand_over);
        drop(to_enter);
        let recovered = recovered?;
        let segments = settle(&recovered, folder, disk)?;
        match entering.join() {
            Ok(entered) => Ok(Recovery { recovered, segments, entered }),
            Err(panic) => resume_unwind(panic),
        }
    })
}

fn settle(
    recovered: &Recovered,
    folder: &Folder,
    disk: &dyn Disk,
) -> Result<Vec<PathBuf>, OpenError> {
    recovered.settle(disk).map_err(|error| OpenError::journal(folder.path(), error))
}

/// Hands over what the base does not have. Changes nothing.
fn read_journal(
    folder: &Folder,
    disk: &dyn Disk,
    applied: Seq,
    mut hand_over: impl FnMut(Vec<Behind>),
) -> Result<Recovered, OpenError> {
    let mut segments = OpenSegments { disk, newest: None, failed: None };
    let mut behind = Vec::new();
    let recovered = recovery::read(disk, &folder.journal(), Mode::Strict, |found| {
        if found.stored.seq > applied
            && let Some(segment) = segments.of(found.path)
        {
            let carried = found.carried();
            let place = Place::new(segment, found.offset, found.bytes);
            let mut stored = found.stored;
            // Stays in the journal: what waits here takes little memory.
            stored.record.value = Bytes::new();
            behind.push(Behind { stored, place, carried });
            if behind.len() == HANDED_OVER {
                hand_over(mem::take(&mut behind));
            }
        }
    })
    .map_err(|error| OpenError::journal(folder.path(), error))?;
    hand_over(behind);
    if let Some(error) = segments.failed {
        return Err(OpenError::io(folder.path(), error));
    }
    match recovered.first_seq {
        Some(first) if first > applied + 1 => {
            let place = format!(
                "it begins with record {first}, and the base ends with {applied}: a segment is missing"
            );
            Err(OpenError::Journal { folder: folder.path().to_owned(), place })
        }
        _ => Ok(recovered),
    }
}

/// What was entered so far.
struct Entering {
    recent: Recovering,
    answers: RecentAnswers,
    journaled: usize,
}

impl Entering {
    fn new(applied: Seq) -> Self {
        let (recent, answers) = (Recovering::new(applied), RecentAnswers::default());
        Self { recent, answers, journaled: 0 }
    }

    fn enter(&mut self, behind: Vec<Behind>) {
        for Behind { stored, place, carried } in behind {
            self.journaled += place.bytes();
            carried.into_iter().for_each(|carried| self.answers.publish(carried));
            self.recent.enter(&stored, &place);
        }
    }

    fn end(self) -> Entered {
        let Self { recent, answers, journaled } = self;
        Entered { recent: recent.recovered(), answers, journaled }
    }
}

/// The segments that are read, each opened once.
struct OpenSegments<'a> {
    disk: &'a dyn Disk,
    newest: Option<(PathBuf, Arc<dyn SegmentReader>)>,
    failed: Option<std::io::Error>,
}

impl OpenSegments<'_> {
    fn of(&mut self, path: &Path) -> Option<Arc<dyn SegmentReader>> {
        if let Some((_, segment)) = self.newest.as_ref().filter(|(newest, _)| newest == path) {
            return Some(Arc::clone(segment));
        }
        match self.disk.open(path) {
            Ok(segment) => {
                self.newest = Some((path.to_owned(), Arc::clone(&segment)));
                Some(segment)
            }
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }
}
