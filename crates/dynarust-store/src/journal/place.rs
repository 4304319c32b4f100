//! Where in the journal a record stands, and reading it from there.
//!
//! A place keeps its segment's file open: the record can be read as long as the place is kept, also
//! after the applier has removed the segment.

use std::fmt;
use std::io;
use std::sync::Arc;

use dynarust_core::{Record, RecordName};

use super::disk::SegmentReader;
use super::frame::read_record;

/// A segment that is read.
#[derive(Clone)]
pub(crate) struct OpenSegment(Arc<dyn SegmentReader>);

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) segment: OpenSegment,
    /// Bytes from the segment's beginning.
    pub(crate) offset: u32,
    /// Bytes that the record takes there.
    pub(crate) bytes: u32,
}

/// The record does not stand where it was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("reading the journal: {0}")]
    Io(#[from] io::Error),
    #[error("a record in the journal is not what was written")]
    Changed,
}

impl Place {
    /// The record of so many bytes at `offset` of the segment.
    pub(crate) fn new(segment: Arc<dyn SegmentReader>, offset: u64, bytes: usize) -> Self {
        // A segment is at most some MiB larger than the largest value (limits.rs).
        let narrow = |wide: u64| u32::try_from(wide).unwrap_or(u32::MAX);
        Self { segment: OpenSegment(segment), offset: narrow(offset), bytes: narrow(bytes as u64) }
    }

    /// Whether it is in that segment.
    pub(crate) fn is_in(&self, segment: &OpenSegment) -> bool {
        Arc::ptr_eq(&self.segment.0, &segment.0)
    }

    /// Bytes that the record takes in the journal.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Reads the record, and checks it and its name against the checksum.
    pub(crate) fn load(&self, name: &RecordName) -> Result<Record, LoadError> {
        let mut bytes = vec![0; self.bytes()];
        self.segment.0.read_at(&mut bytes, u64::from(self.offset))?;
        let (found, record) = read_record(&bytes).ok_or(LoadError::Changed)?;
        if found == *name { Ok(record) } else { Err(LoadError::Changed) }
    }

    /// Returns once the segment is on stable storage as far as it was written before the call.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.segment.0.sync()
    }
}

impl fmt::Debug for OpenSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a segment")
    }
}
