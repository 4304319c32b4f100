//! Appends frames and syncs them.
//!
//! Owned by the writer thread alone. After an [`AppendError::Io`] or a failed sync nothing more may be
//! written: what the file holds is not known any more (fsyncgate, 2018), so the store stops.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use dynarust_core::limits::DISK_RESERVE_BYTES;
use dynarust_core::{Seq, Stored};
use parking_lot::Mutex;

use crate::answers::Carried;
use crate::driver::Driver;

use super::disk::{Disk, SegmentReader, is_full};
use super::frame::{self, Binding, Contents};
use super::place::Place;
use super::preparer::Preparer;
use super::segment::{HEADER_BYTES, Segment};

/// Why a frame was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// There is no space for another segment. Nothing was written; a later try may succeed.
    #[error("no space for the journal")]
    Full,
    /// Another segment cannot be made now, for want of file handles or the like. Nothing was written; a
    /// later try may succeed.
    #[error("making a journal segment: {0}")]
    Refused(io::Error),
    /// The file may hold anything now.
    #[error("writing the journal: {0}")]
    Io(io::Error),
}

/// A segment that is complete, with the newest seq in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complete {
    pub(crate) path: PathBuf,
    pub(crate) last_seq: Seq,
}

/// The complete segments of a folder, shared with whoever removes them.
pub(crate) type CompleteSegments = Arc<Mutex<Vec<Complete>>>;

/// Where a start begins to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begin {
    /// Its first segment.
    pub(crate) binding: Binding,
    /// Its first frame.
    pub(crate) ordinal: u64,
    /// Behind the newest record so far.
    pub(crate) last_seq: Seq,
    /// Bytes of a segment.
    pub(crate) segment_bytes: u64,
    /// Who makes the segments that will be needed.
    pub(crate) driver: Driver,
}

/// The end of the journal that is written to.
pub(crate) struct JournalWriter {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    preparer: Preparer,
    complete: CompleteSegments,
    segment: Segment,
    /// The segment, for those who read what is recent.
    reader: Arc<dyn SegmentReader>,
    offset: u64,
    ordinal: u64,
    synced: u64,
    last_seq: Seq,
    buffer: Vec<u8>,
}

impl JournalWriter {
    /// Begins a segment of its own behind those that are there.
    pub(crate) fn begin(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        begin: Begin,
        complete: CompleteSegments,
    ) -> io::Result<Self> {
        let segment = Segment::create(disk.as_ref(), &folder, begin.binding, begin.segment_bytes)?;
        let (bytes, driver) = (begin.segment_bytes, begin.driver);
        let preparer = Preparer::start(Arc::clone(&disk), folder.clone(), bytes, driver)?;
        preparer.want(following(begin.binding));
        let reader = segment.file.reader()?;
        Ok(Self {
            disk,
            folder,
            preparer,
            complete,
            segment,
            reader,
            offset: HEADER_BYTES as u64,
            ordinal: begin.ordinal,
            synced: begin.ordinal.saturating_sub(1),
            last_seq: begin.last_seq,
            buffer: Vec::new(),
        })
    }

    /// Writes one frame, and tells where each record of it stands. It is durable after the next
    /// [`JournalWriter::sync`].
    pub(crate) fn append(
        &mut self,
        records: &[Arc<Stored>],
        carried: &[Carried],
        clock_ceiling: u64,
    ) -> Result<Vec<Place>, AppendError> {
        let bytes = frame::frame_bytes(records, carried) as u64;
        if self.offset + bytes > self.segment.bytes {
            self.next_segment(bytes)?;
        }
        let contents = Contents {
            ordinal: self.ordinal,
            synced: self.synced,
            first_seq: self.last_seq + 1,
            clock_ceiling,
            records,
            carried,
        };
        frame::encode(&mut self.buffer, &contents, self.segment.binding);
        self.segment.file.write_at(&self.buffer, self.offset).map_err(full_or_io)?;
        self.buffer.shrink_to(1 << 20);
        let places = self.places(records);
        self.offset += bytes;
        self.ordinal += 1;
        self.last_seq += records.len() as u64;
        Ok(places)
    }

    /// Where the records of the frame at the present offset stand.
    fn places(&self, records: &[Arc<Stored>]) -> Vec<Place> {
        let mut offset = self.offset + frame::HEADER_BYTES as u64;
        let places = records.iter().map(|stored| {
            let bytes = frame::record_bytes(stored);
            let place = Place::new(Arc::clone(&self.reader), offset, bytes);
            offset += bytes as u64;
            place
        });
        places.collect()
    }

    /// Returns once all that was appended is on stable storage.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if !self.is_synced() {
            self.segment.file.sync()?;
            self.synced = self.ordinal - 1;
        }
        Ok(())
    }

    /// Whether everything that was appended is on stable storage.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced + 1 == self.ordinal
    }

    /// Syncs, then begins the next segment, of at least what a frame of `frame_bytes` needs.
    fn next_segment(&mut self, frame_bytes: u64) -> Result<(), AppendError> {
        let binding = following(self.segment.binding);
        let needed = HEADER_BYTES as u64 + frame_bytes;
        let prepared = self.preparer.take(binding).map_err(full_or_refused)?;
        let next = if needed > prepared.bytes {
            // Takes the place of the prepared one, which nothing has been written to.
            let (disk, folder) = (self.disk.as_ref(), &self.folder);
            Segment::create_within(disk, folder, binding, needed, DISK_RESERVE_BYTES)
                .map_err(full_or_refused)?
        } else {
            prepared
        };
        let reader = next.file.reader().map_err(AppendError::Refused)?;
        self.sync().map_err(AppendError::Io)?;
        let before = std::mem::replace(&mut self.segment, next);
        self.reader = reader;
        self.complete.lock().push(Complete { path: before.path, last_seq: self.last_seq });
        self.offset = HEADER_BYTES as u64;
        self.preparer.want(following(binding));
        Ok(())
    }

    /// Ends the journal: the last segment counts as complete.
    pub(crate) fn finish(&mut self) {
        let path = self.segment.path.clone();
        self.complete.lock().push(Complete { path, last_seq: self.last_seq });
        if let Ok(unused) = self.preparer.take(following(self.segment.binding)) {
            self.complete.lock().push(Complete { path: unused.path, last_seq: self.last_seq });
        }
    }
}

fn following(binding: Binding) -> Binding {
    Binding { segment: binding.segment + 1, ..binding }
}

fn full_or_io(error: io::Error) -> AppendError {
    if is_full(&error) { AppendError::Full } else { AppendError::Io(error) }
}

fn full_or_refused(error: io::Error) -> AppendError {
    if is_full(&error) { AppendError::Full } else { AppendError::Refused(error) }
}
