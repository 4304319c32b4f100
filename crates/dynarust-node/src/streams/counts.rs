//! What the streams of a node have done since it started, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use dynarust_core::Seq;

/// Numbers that only rise, each by itself; relaxed, since nothing is decided by them.
#[derive(Debug, Default)]
pub(super) struct StreamCounts {
    pub(super) begun: Count,
    pub(super) refused: Count,
    pub(super) resumed: Count,
    pub(super) reset: Count,
    pub(super) lagged: Count,
    pub(super) events: Count,
    pub(super) merged: Count,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The live streams of a node in numbers. All but those of the present count from the node's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamFigures {
    /// Streams at present.
    pub open: usize,
    /// Publications that the hub has not handed out yet.
    pub behind: Seq,
    /// Bytes that wait for readers at present.
    pub queue_bytes: usize,
    /// Bytes that may wait for one.
    pub queue_bytes_max: usize,
    /// Streams that began.
    pub begun: u64,
    /// Streams that did not begin, since there were too many.
    pub refused: u64,
    /// Streams that went on behind an id.
    pub resumed: u64,
    /// Times that a reader was told `reset`.
    pub reset: u64,
    /// Readers that were cut, since they were too slow.
    pub lagged: u64,
    /// Events that were handed to readers.
    pub events: u64,
    /// Older values of a key that were left out for slow readers.
    pub merged: u64,
}
