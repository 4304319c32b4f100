//! What a node did for and with others, by number.

use std::sync::atomic::{AtomicU64, Ordering};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ClusterFigures {
    repaired_on_read: AtomicU64,
    pulled: AtomicU64,
    repaired: AtomicU64,
}

impl ClusterFigures {
    /// A reader found an owner that lagged, and it was given what it lacked.
    pub(crate) fn repaired_on_read(&self) {
        self.repaired_on_read.fetch_add(1, Ordering::Relaxed);
    }

    /// So many records were asked for by name.
    pub(crate) fn pulled(&self, records: u64) {
        self.pulled.fetch_add(records, Ordering::Relaxed);
    }

    /// So many partitions differed from a peer's, and were compared.
    pub(crate) fn repaired(&self, partitions: u64) {
        self.repaired.fetch_add(partitions, Ordering::Relaxed);
    }
}
