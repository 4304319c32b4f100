//! What is known of the faults of a simulation: when which promise holds.

use std::sync::Arc;

use dynarust_core::Consistency;
use dynarust_history::{Circumstances, Durability, Event, Nanos, Operation, Stream, Told};

use crate::faults::Climate;
use crate::recorder::Disturbances;

const SECOND: Nanos = 1_000_000_000;
/// By then the other owners have what one of them has told.
const SHIPPED_WITHIN: Nanos = SECOND;

/// See the module.
pub(crate) struct Known {
    pub(crate) climate: Climate,
    pub(crate) nodes: usize,
    /// Owners of each record.
    pub(crate) replication: usize,
    pub(crate) disturbances: Arc<Disturbances>,
    /// Some machine was without power.
    pub(crate) power_failed: bool,
    /// Some disk was lost, or some node came back without what it had.
    pub(crate) disk_lost: bool,
    /// Deletes are forgotten soon, and with them how a stream that is told little goes on.
    pub(crate) forgets_soon: bool,
    /// Bits have flipped.
    pub(crate) rots: bool,
    /// By how much a clock was off at most, in milliseconds.
    pub(crate) skew_millis_max: u64,
}

impl Known {
    /// A majority of each record's owners was alive and connected all the time, and the members stayed.
    fn majority_always(&self) -> bool {
        match self.climate {
            Climate::Calm => true,
            // One of two is no minority.
            Climate::Minority => self.nodes > 2,
            _ => false,
        }
    }

    fn is_weak(operation: &Operation) -> bool {
        operation.consistency == Consistency::One || operation.replicas.is_some()
    }

    fn undisturbed(&self, earlier: &Operation, later: &Operation) -> bool {
        let until = later.returned.unwrap_or(Nanos::MAX);
        self.disturbances.none_within(earlier.invoked, until)
    }
}

impl Circumstances for Known {
    fn fresh(&self, earlier: &Operation, later: &Operation) -> bool {
        // Whether a record has expired each node tells by its own clock.
        let same_clocks = !later.key.starts_with('e') || self.skew_millis_max == 0;
        same_clocks && self.majority_always() || self.undisturbed(earlier, later)
    }

    fn linearizable(&self, key: &str) -> bool {
        // What mixes plain writes with conditional ones follows other laws (docs/guarantees.md).
        match key.as_bytes().first() {
            Some(b'q' | b'c') => !self.disk_lost,
            Some(b'p') => self.majority_always(),
            _ => false,
        }
    }

    fn kept(&self, write: &Operation) -> bool {
        let relaxed = write.durability == Durability::Relaxed;
        !(relaxed && self.power_failed || Self::is_weak(write) && self.disk_lost)
    }

    fn steady(&self, earlier: &Operation, later: &Operation) -> bool {
        self.nodes <= self.replication && self.undisturbed(earlier, later)
    }

    fn agreed(&self, one: &Operation, other: &Operation) -> bool {
        self.undisturbed(one, other) && self.undisturbed(other, one)
    }

    fn may_reset(&self, stream: &Stream, connection: usize) -> bool {
        // What a stream has to leave out since it rotted is a cause as well.
        if self.forgets_soon || self.rots {
            return true;
        }
        let Some(here) = stream.connections.get(connection) else { return true };
        // What was told last may be with nobody else yet.
        let before = stream.connections.iter().take(connection);
        // Whoever is cut behind a reset, before anything of the state came, is told it again.
        let mut events = before.clone().flat_map(|it| &it.events);
        let is_again = |it: &Event| it.what == Told::Reset && here.resumed.as_ref() == Some(&it.id);
        if events.any(is_again) {
            return true;
        }
        let last = before.rev().find_map(|it| it.events.last());
        let told = last.map_or(here.opened, |last| last.at);
        let reset = here.events.iter().rfind(|event| event.what == Told::Reset);
        let until = reset.map_or(here.opened, |reset| reset.at);
        !self.disturbances.none_within(told.saturating_sub(SHIPPED_WITHIN), until)
    }

    fn well(&self, from: Nanos, until: Nanos) -> bool {
        self.disturbances.none_within(from, until)
    }

    fn clock_slack(&self) -> Nanos {
        2 * SECOND + self.skew_millis_max * 1_000_000
    }
}
