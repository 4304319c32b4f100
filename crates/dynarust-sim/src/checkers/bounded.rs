//! Bounded: what grows with trouble is gone once the trouble is.

use dynarust_core::limits::{JOURNAL_BYTES_MAX, RECENT_RECORDS_MAX};
use dynarust_store::Store;

use crate::machine::Machine;

/// What is wrong.
pub(crate) fn check(machines: &[Machine]) -> Vec<String> {
    let mut wrong = Vec::new();
    for machine in machines {
        let (Some(node), Some(store)) = (machine.node(), machine.store()) else {
            continue;
        };
        let (node, store) = (node.stats(), store.stats());
        let recent = store.head_seq.saturating_sub(store.applied_seq);
        let number = machine.number;
        if store.recent_bytes > JOURNAL_BYTES_MAX as u64 || recent > RECENT_RECORDS_MAX as u64 {
            wrong.push(format!("bounded: node {number} has {recent} recent records"));
        }
        if node.cluster.lag_records > 0 {
            let lag = node.cluster.lag_records;
            wrong.push(format!("bounded: node {number} still ships {lag} records, long after"));
        }
    }
    wrong
}
