//! Reads a journal back (`FORMAT.md`, "Where the journal ends").
//!
//! Invariant: of the frames that were ever synced, every one is given out, or an error names the place
//! where it should be. [`Mode::Salvage`] gives out what is sound and lists those places instead.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dynarust_core::{RequestKey, Seq, Stored};

use crate::answers::Carried;

use super::disk::Disk;
use super::frame::{ALIGNMENT, Binding, FrameHeader, Framed, Nonsense};
use super::segment::{self, HEADER_BYTES};

/// Why a journal cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Damaged(Damage),
}

/// A place where synced frames should be and are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The segment.
    pub(crate) path: PathBuf,
    /// Bytes from its beginning.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}: {}", self.path.display(), self.offset, self.what)
    }
}

/// A segment, and where its frames end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// How far behind that anything but zeros stands.
    pub(crate) written_behind: u64,
}

/// A tail that is to be cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Torn {
    pub(crate) path: PathBuf,
    /// Where it begins.
    pub(crate) offset: u64,
    /// How far behind that anything but zeros stands.
    pub(crate) written_bytes: u64,
}

/// What to do at a damaged place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Stop with an error.
    Strict,
    /// Note it, and go on with the next sound frame.
    Inspect,
    /// As [`Mode::Inspect`]; and sound frames of which nothing says that they were synced are taken too.
    Salvage,
}

/// A record, and where it stands.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) stored: Stored,
    /// The segment.
    pub(crate) path: &'a Path,
    /// Bytes from its beginning.
    pub(crate) offset: u64,
    pub(crate) bytes: usize,
    /// The idempotency key that it came with.
    pub(crate) request: Option<RequestKey>,
}

impl Found<'_> {
    /// What its request is to be answered with again.
    pub(crate) fn carried(&self) -> Option<Carried> {
        let (version, seq) = (self.stored.record.version, self.stored.seq);
        self.request.clone().map(|request| Carried { request, version, seq })
    }
}

/// What a journal held.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The segments that could be read, in order, and where their frames end.
    pub(crate) segments: Vec<Ended>,
    /// The newest frame.
    pub(crate) last_ordinal: u64,
    /// The oldest record's seq.
    pub(crate) first_seq: Option<Seq>,
    /// The newest record's seq; 0 where there is none.
    pub(crate) last_seq: Seq,
    /// No version that was handed out is above it.
    pub(crate) clock_ceiling: u64,
    /// Frames read.
    pub(crate) frames: u64,
    /// What was written behind the last frame and never acknowledged as synced.
    pub(crate) torn: Option<Torn>,
    /// But in [`Mode::Strict`]: the damaged places.
    pub(crate) damages: Vec<Damage>,
}

/// Gives every record of the journal in `folder` to `take`, in seq order. Changes nothing.
pub(crate) fn read(
    disk: &dyn Disk,
    folder: &Path,
    mode: Mode,
    take: impl FnMut(Found<'_>),
) -> Result<Recovered, RecoveryError> {
    let segments = segment::list(disk, folder).map_err(|error| io_error(folder, error))?;
    let recovered = Recovered::default();
    let mut recovery =
        Recovery { disk, mode, take, recovered, expected: None, ended: None, doubtful: None };
    let mut before: Option<u64> = None;
    for (number, path) in segments {
        if let Some(missing) =
            before.map(|before| before.saturating_add(1)).filter(|it| *it < number)
        {
            let path = segment::path(folder, missing);
            recovery.damaged(Damage { path, offset: 0, what: "the segment is missing" })?;
        }
        recovery.segment(number, &path)?;
        before = Some(number);
    }
    Ok(recovery.recovered)
}

struct Recovery<'a, T> {
    disk: &'a dyn Disk,
    mode: Mode,
    take: T,
    recovered: Recovered,
    /// The ordinal of the next frame, where one was read before.
    expected: Option<u64>,
    /// Where the frames so far ended.
    ended: Option<Damage>,
    /// In [`Mode::Salvage`]: a torn place of this segment behind which frames were taken. A later
    /// segment with frames shows it to be damage.
    doubtful: Option<Damage>,
}

impl<T: FnMut(Found<'_>)> Recovery<'_, T> {
    fn segment(&mut self, number: u64, path: &Path) -> Result<(), RecoveryError> {
        let bytes = Bytes::from(self.disk.read(path).map_err(|error| io_error(path, error))?);
        let Some(binding) = segment::read_header(&bytes, number) else {
            let what = "the header of the segment is damaged";
            return self.damaged(Damage { path: path.to_owned(), offset: 0, what });
        };
        let mut reader = SegmentReader { bytes: &bytes, binding, offset: HEADER_BYTES };
        if reader.header_at(HEADER_BYTES).is_some()
            && let Some(torn) = self.doubtful.take()
        {
            self.recovered.damages.push(torn);
        }
        loop {
            let frame = reader.offset;
            if let Some((header, records)) = reader.frame(self.expected) {
                self.frame(&header, path, frame, records);
                continue;
            }
            let what = "frames that were synced are damaged or missing";
            let place = Damage { path: path.to_owned(), offset: reader.offset as u64, what };
            let behind = reader.frames_behind(self.expected);
            let proven = behind.filter(|behind| behind.prove_the_missing_was_synced);
            match proven {
                None => {
                    if let Some(unproven) = behind.filter(|_| self.mode == Mode::Salvage) {
                        self.doubtful.get_or_insert(place);
                        self.expected = None;
                        reader.offset = unproven.first;
                        continue;
                    }
                    let (bytes, written_behind) = (place.offset, reader.written_behind());
                    let path = path.to_owned();
                    self.recovered.segments.push(Ended { number, path, bytes, written_behind });
                    self.end(place, written_behind);
                    return Ok(());
                }
                Some(behind) => {
                    let place = self.ended.take().unwrap_or(place);
                    self.damaged(place)?;
                    reader.offset = behind.first;
                }
            }
        }
    }

    fn frame(&mut self, header: &FrameHeader, path: &Path, frame: usize, records: Vec<Framed>) {
        self.ended = None;
        let recovered = &mut self.recovered;
        recovered.torn = None;
        recovered.frames += 1;
        recovered.last_ordinal = header.ordinal;
        recovered.clock_ceiling = recovered.clock_ceiling.max(header.clock_ceiling);
        self.expected = Some(header.ordinal + 1);
        for Framed { stored, offset, bytes, request } in records {
            recovered.first_seq = recovered.first_seq.or(Some(stored.seq));
            recovered.last_seq = recovered.last_seq.max(stored.seq);
            let offset = (frame + offset) as u64;
            (self.take)(Found { stored, path, offset, bytes, request });
        }
    }

    /// The frames end here, as far as this segment tells; a later one may go on.
    fn end(&mut self, place: Damage, written_bytes: u64) {
        if written_bytes > 0 {
            let torn = Torn { path: place.path.clone(), offset: place.offset, written_bytes };
            self.recovered.torn = Some(torn);
        }
        self.ended.get_or_insert(place);
    }

    /// But in [`Mode::Strict`], whatever sound frame comes next is taken.
    fn damaged(&mut self, damage: Damage) -> Result<(), RecoveryError> {
        if self.mode == Mode::Strict {
            return Err(RecoveryError::Damaged(damage));
        }
        self.recovered.damages.push(damage);
        self.expected = None;
        Ok(())
    }
}

impl Ended {
    fn has_frames(&self) -> bool {
        self.bytes > HEADER_BYTES as u64
    }
}

impl Recovered {
    /// The number for the next segment: right behind those that [`Recovered::settle`] leaves.
    pub(crate) fn next_segment(&self) -> u64 {
        let last = self.segments.iter().rfind(|segment| segment.has_frames());
        last.map_or(1, |segment| segment.number.saturating_add(1))
    }

    /// Makes sure that all that was read is on stable storage, and that nothing stands behind it. The
    /// last segment is also cut off behind its last frame, and those without frames go: they take more
    /// than they hold. Returns those that are left.
    pub(crate) fn settle(&self, disk: &dyn Disk) -> Result<Vec<PathBuf>, RecoveryError> {
        let mut left = Vec::new();
        let next = self.next_segment();
        for segment in &self.segments {
            let path = &segment.path;
            if segment.has_frames() {
                let last = segment.number.saturating_add(1) == next;
                let cut = (last || segment.written_behind > 0).then_some(segment.bytes);
                disk.settle(path, cut).map_err(|error| io_error(path, error))?;
                left.push(path.clone());
            } else {
                disk.remove(path).map_err(|error| io_error(path, error))?;
            }
        }
        Ok(left)
    }
}

#[derive(Clone, Copy)]
struct FramesBehind {
    /// Where the first of them stands.
    first: usize,
    prove_the_missing_was_synced: bool,
}

struct SegmentReader<'a> {
    bytes: &'a Bytes,
    binding: Binding,
    offset: usize,
}

impl SegmentReader<'_> {
    /// The frame at the present place, if it is the expected one (`None`: any).
    fn frame(&mut self, expected: Option<u64>) -> Option<(FrameHeader, Vec<Framed>)> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let header = self
            .header_at(self.offset)
            .filter(|header| expected.is_none_or(|expected| header.ordinal == expected))?;
        let records = match header.records(self.bytes, header.payload(rest)?) {
            Ok(records) => records,
            Err(Nonsense) => return None,
        };
        self.offset += header.frame_bytes();
        Some((header, records))
    }

    /// The sound frames from the present place on that are newer than the one missing here. Which that
    /// is, is known from the frame before it, or its own header, or the first sound frame behind it.
    fn frames_behind(&self, expected: Option<u64>) -> Option<FramesBehind> {
        let here = self.header_at(self.offset).map(|header| header.ordinal);
        let mut missing = expected.or(here);
        let mut first = None;
        for at in (self.offset..self.written_end()).step_by(ALIGNMENT) {
            let Some(header) = self.header_at(at) else {
                continue;
            };
            let missing = *missing.get_or_insert(header.ordinal.saturating_sub(1));
            if header.ordinal <= missing {
                continue;
            }
            let first = *first.get_or_insert(at);
            if header.synced >= missing {
                return Some(FramesBehind { first, prove_the_missing_was_synced: true });
            }
        }
        first.map(|first| FramesBehind { first, prove_the_missing_was_synced: false })
    }

    fn header_at(&self, at: usize) -> Option<FrameHeader> {
        FrameHeader::read(self.bytes.get(at..)?, self.binding)
    }

    /// How many bytes from the present place on are not the zeros of a fresh segment.
    fn written_behind(&self) -> u64 {
        self.written_end().saturating_sub(self.offset) as u64
    }

    /// Behind the last byte that is not one of the zeros of a fresh segment.
    fn written_end(&self) -> usize {
        let mut end = self.bytes.len();
        for block in self.bytes.rchunks(4096) {
            // All of a block at once, without a look at each byte: most are zeros.
            if block.iter().fold(0, |all, byte| all | byte) != 0 {
                let last = block.iter().rposition(|byte| *byte != 0);
                return end - block.len() + last.map_or(0, |last| last + 1);
            }
            end -= block.len();
        }
        end
    }
}

fn io_error(path: &Path, error: io::Error) -> RecoveryError {
    RecoveryError::Io { path: path.to_owned(), error }
}
