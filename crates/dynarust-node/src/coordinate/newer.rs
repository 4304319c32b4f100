//! What others had stamped when they heard of this node's writes, and what these were not written over.
//!
//! A write below that must not be acknowledged as it is: for whoever had read the newer one it would never have
//! been. What is remembered is not forgotten while a write waits for those that tell of it, as long as less than half of
//! [`KEPT_REMEMBERED_MAX`] keys are told of meanwhile.

use std::collections::HashMap;

use dynarust_core::Version;
use dynarust_core::limits::KEPT_REMEMBERED_MAX;

/// By the hash of the record's name; half of it may be forgotten at a time.
#[derive(Debug, Default)]
pub(super) struct Newer {
    recent: HashMap<u64, Version>,
    before: HashMap<u64, Version>,
}

impl Newer {
    /// Somebody has, or had, this version of the record.
    pub(super) fn note(&mut self, name_hash: u64, version: Version) {
        if self.recent.len() >= KEPT_REMEMBERED_MAX / 2 {
            self.before = std::mem::take(&mut self.recent);
        }
        let newest = self.recent.entry(name_hash).or_insert(version);
        *newest = version.max(*newest);
    }

    /// The newest that stood in the way of this version of the record.
    pub(super) fn than(&self, (name_hash, version): (u64, Version)) -> Option<Version> {
        let known = self.recent.get(&name_hash).max(self.before.get(&name_hash));
        known.copied().filter(|known| *known > version)
    }
}

#[cfg(test)]
mod tests {
    use dynarust_core::NodeId;

    use super::*;

    fn version(hlc: u64) -> Version {
        Version { hlc, node: NodeId(2) }
    }

    #[test]
    fn the_newest_counts_for_what_is_older() {
        let mut newer = Newer::default();
        for hlc in [7, 9, 8] {
            newer.note(1, version(hlc));
        }
        assert_eq!(newer.than((1, version(6))), Some(version(9)));
        assert_eq!(newer.than((1, version(9))), None);
        assert_eq!(newer.than((2, version(6))), None);
    }

    #[test]
    fn it_is_bounded_and_the_latest_half_is_there() {
        let mut newer = Newer::default();
        let half = KEPT_REMEMBERED_MAX as u64 / 2;
        for nth in 0..5 * half {
            newer.note(nth, version(7));
            assert!(newer.recent.len() + newer.before.len() <= KEPT_REMEMBERED_MAX);
            let oldest = nth.saturating_sub(half - 1);
            assert!(newer.than((oldest, version(6))).is_some());
        }
        assert_eq!(newer.than((0, version(6))), None);
    }
}
