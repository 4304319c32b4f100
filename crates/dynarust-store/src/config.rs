//! What a store is opened with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{
    APPLY_INTERVAL_MILLIS_DEFAULT, CACHE_BYTES_DEFAULT, SEGMENT_BYTES,
    TOMBSTONE_AGE_SECONDS_DEFAULT,
};

use crate::clock::{SystemClock, WallClock};

/// Draws a number.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The machine's own.
pub(crate) fn random() -> Random {
    Arc::new(rand::random)
}

/// Settings of a [`crate::LocalStore`].
#[derive(Clone)]
pub struct StoreConfig {
    /// The node's folder; made if it is not there.
    pub folder: PathBuf,
    /// Bytes that the record cache may hold. More: fewer reads of the base. Less: less memory.
    pub cache_bytes: u64,
    /// A relaxed write is synced at most so much later. More: fewer syncs. Less: less to lose.
    pub relaxed_flush: Duration,
    /// What is recent is brought into the base so often. More: fewer writes of the same page, a
    /// longer journal to read at the next start. Less: the other way round.
    pub apply_interval: Duration,
    /// Tombstones and expired records are kept for so long. More: a reader that was away for longer
    /// resumes. Less: less disk.
    pub tombstone_age: Duration,
    /// Bytes of a journal segment, preallocated. More: fewer files, more disk. Less: the other way
    /// round.
    pub segment_bytes: u64,
    /// Tells the time.
    pub clock: Arc<dyn WallClock>,
    /// Draws node ids, epochs and secrets of segments. Of no two of them may a pair be equal, but where
    /// all that a store does is to be repeated.
    pub random: Random,
    /// Whether the clock is right from the start: else nothing expires, and no tombstone is forgotten, until
    /// [`Store::trust_clock`](crate::Store::trust_clock) says so.
    pub trusts_clock: bool,
}

impl StoreConfig {
    /// The defaults, for this folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            cache_bytes: CACHE_BYTES_DEFAULT,
            relaxed_flush: Duration::from_millis(100),
            apply_interval: Duration::from_millis(APPLY_INTERVAL_MILLIS_DEFAULT),
            tombstone_age: Duration::from_secs(TOMBSTONE_AGE_SECONDS_DEFAULT),
            segment_bytes: SEGMENT_BYTES,
            clock: Arc::new(SystemClock),
            random: random(),
            trusts_clock: true,
        }
    }
}
