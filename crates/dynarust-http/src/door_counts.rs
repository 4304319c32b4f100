//! What the front door counts, for `/stats` and `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts since the start, and two that rise and fall.
#[derive(Debug, Default)]
pub(crate) struct DoorCounts {
    accepted: AtomicU64,
    turned_away: AtomicU64,
    open: AtomicU64,
    malformed: AtomicU64,
    slow: AtomicU64,
    idle: AtomicU64,
    held_bytes: Arc<AtomicUsize>,
}

/// [`DoorCounts`] at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DoorFigures {
    /// Connections that were taken, those that were turned away aside.
    pub(crate) accepted: u64,
    /// Connections that were answered 503 because too many were open.
    pub(crate) turned_away: u64,
    /// Connections that are open.
    pub(crate) open: u64,
    /// Requests that were refused for breaking the rules of HTTP/1.
    pub(crate) malformed: u64,
    /// Connections that were cut because the client sent or took nothing for too long.
    pub(crate) slow: u64,
    /// Connections that were closed because nothing was asked for too long.
    pub(crate) idle: u64,
    /// Bytes of heads that are not whole.
    pub(crate) held_bytes: usize,
}

/// A connection that is open; counted until dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<DoorCounts>);

impl DoorCounts {
    pub(crate) fn now(&self) -> DoorFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DoorFigures {
            accepted: read(&self.accepted),
            turned_away: read(&self.turned_away),
            open: read(&self.open),
            malformed: read(&self.malformed),
            slow: read(&self.slow),
            idle: read(&self.idle),
            held_bytes: self.held_bytes.load(Ordering::Relaxed),
        }
    }

    /// Counts a connection that was taken.
    pub(crate) fn open(self: &Arc<Self>) -> OpenConnection {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(self))
    }

    /// Counts a connection that is answered 503.
    pub(crate) fn count_turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_slow(&self) {
        self.slow.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_idle(&self) {
        self.idle.fetch_add(1, Ordering::Relaxed);
    }

    /// The bytes that all connections together hold.
    pub(crate) fn held_bytes(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.held_bytes)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
