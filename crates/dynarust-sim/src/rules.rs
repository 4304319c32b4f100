//! What all nodes of a simulation are told, from its plan and its seed.

use std::time::Duration;

use dynarust_core::limits::{CACHE_BYTES_DEFAULT, STREAM_QUEUE_BYTES_MAX};
use dynarust_node::ClusterConfig;

use crate::dice::{Dice, Part};
use crate::faults::{Climate, Plan};

/// What all nodes are told.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) cluster: ClusterConfig,
    pub(crate) apply_interval: Duration,
    pub(crate) tombstone_age: Duration,
    /// Of the record cache.
    pub(crate) cache_bytes: u64,
    /// What may wait for one reader of a stream.
    pub(crate) queue_bytes_max: usize,
}

impl Rules {
    /// Those of that plan.
    pub(crate) fn of(plan: &Plan, seed: u64) -> Self {
        let mut dice = Dice::of(seed, Part::Plan, 1);
        let mut cluster = ClusterConfig {
            evict_after: Duration::from_secs(3600),
            drop_after: Duration::from_secs(3),
            replication: plan.replication,
            ..ClusterConfig::default()
        };
        let mut tombstone_age = Duration::from_secs(24 * 3600);
        if plan.evicts {
            cluster.evict_after = Duration::from_secs(dice.between(3, 12));
            cluster.rejoin_max = Duration::from_secs(dice.between(2, 60));
            // Deletes are to be remembered for longer than clocks are off: else versions begin anew below them.
            let hours = if plan.moves_clocks() { 3 } else { 0 };
            tombstone_age = Duration::from_secs(120 + hours * 3600);
        }
        let mut dice = Dice::of(seed, Part::Plan, 3);
        if plan.climate != Climate::Members && !plan.moves_clocks() && dice.percent(40) {
            tombstone_age = Duration::from_millis(dice.between(500, 5000));
        }
        let apply_interval = Duration::from_millis(dice.between(100, 5000));
        // What memory has not is read of the base, and slow readers are cut.
        let mut dice = Dice::of(seed, Part::Plan, 8);
        let few = if dice.percent(40) { Some(dice.between(1 << 10, 16 << 10)) } else { None };
        let cache_bytes = few.unwrap_or(CACHE_BYTES_DEFAULT);
        let queue_bytes_max = if dice.percent(40) { 1 << 10 } else { STREAM_QUEUE_BYTES_MAX };
        Self { cluster, apply_interval, tombstone_age, cache_bytes, queue_bytes_max }
    }
}
