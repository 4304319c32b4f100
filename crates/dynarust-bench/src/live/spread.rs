//! Values that several readers get: when the last of them had it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::tally::Tally;

/// Values that are remembered; enough for every run whose figures mean something.
const VALUES_MAX: usize = 100_000;

/// The arrivals of each value, by the microsecond in which it was sent.
#[derive(Debug, Default)]
pub(super) struct Spread {
    last: BTreeMap<u64, Duration>,
}

impl Spread {
    pub(super) fn arrived(&mut self, sent_micros: u64, after: Duration) {
        if self.last.len() < VALUES_MAX || self.last.contains_key(&sent_micros) {
            let last = self.last.entry(sent_micros).or_default();
            *last = after.max(*last);
        }
    }

    /// How long each value took to its last reader.
    pub(super) fn to_last(&self) -> Tally {
        let mut tally = Tally::new();
        for after in self.last.values() {
            tally.record_time(*after);
        }
        tally
    }
}
