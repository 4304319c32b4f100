//! What disks did, and did not.

use std::ops::AddAssign;

/// What a disk did, and did not, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Syncs that were carried out.
    pub(crate) syncs: u64,
    /// Syncs that failed.
    pub(crate) syncs_failed: u64,
    /// Writes that found the disk full.
    pub(crate) writes_refused: u64,
    /// Deaths in the middle of something.
    pub(crate) deaths: u64,
    /// What power cuts left of what was not synced.
    pub(crate) lost: Lost,
    /// Bytes of the base's write-ahead log that power cuts took.
    pub(crate) log_bytes_lost: u64,
    /// Values of which a bit was flipped.
    pub(crate) flipped: u64,
}

impl Tally {
    /// Each number with its name, for counts of faults.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("failed syncs", self.syncs_failed),
            ("writes refused by a full disk", self.writes_refused),
            ("deaths in the middle of something", self.deaths),
            ("unsynced writes kept", self.lost.writes_kept),
            ("unsynced writes lost", self.lost.writes_lost),
            ("unsynced writes cut short", self.lost.writes_cut_short),
            ("unsynced writes torn", self.lost.writes_torn),
            ("unsynced writes garbled", self.lost.writes_garbled),
            ("changes of names undone", self.lost.names_undone),
            ("bytes of the base's log lost", self.log_bytes_lost),
            ("values with a flipped bit", self.flipped),
        ]
        .into_iter()
    }
}

/// What a power cut left, and did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Unsynced writes that stand all the same.
    pub(crate) writes_kept: u64,
    /// Unsynced writes of which nothing stands.
    pub(crate) writes_lost: u64,
    /// Unsynced writes whose first bytes stand.
    pub(crate) writes_cut_short: u64,
    /// Unsynced writes of which some sectors stand.
    pub(crate) writes_torn: u64,
    /// Unsynced writes of which some sectors stand, and others hold anything.
    pub(crate) writes_garbled: u64,
    /// Changes of names that were undone.
    pub(crate) names_undone: u64,
}

impl AddAssign for Lost {
    fn add_assign(&mut self, more: Self) {
        self.writes_kept += more.writes_kept;
        self.writes_lost += more.writes_lost;
        self.writes_cut_short += more.writes_cut_short;
        self.writes_torn += more.writes_torn;
        self.writes_garbled += more.writes_garbled;
        self.names_undone += more.names_undone;
    }
}
