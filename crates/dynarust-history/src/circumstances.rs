//! What the recorder of a history knows of the faults in it: when which promise holds.
//!
//! What always holds the checkers know by themselves; here is asked what depends on who was connected with
//! whom, and on whose disk was lost. Who is in doubt says no.

use crate::operation::{Nanos, Operation};
use crate::stream::Stream;

/// When which promise holds.
pub trait Circumstances {
    /// From the call of `earlier` to the answer of `later` the members stayed the same, no disk lost what it
    /// had, and a majority of the key's owners was alive and connected: so a read by default at `later` sees
    /// what `earlier` was told.
    fn fresh(&self, earlier: &Operation, later: &Operation) -> bool;

    /// Whatever was told of this key without [`Operation::replicas`], at more than `one`, had a majority of
    /// the same owners behind it: because all of it asked for `quorum` or more, or because a majority was
    /// alive and connected all the time.
    fn linearizable(&self, key: &str) -> bool;

    /// What was acknowledged to this write can't have been lost: not every owner that stood behind it lost
    /// its disk, and, of a `relaxed` write, nor did they lose power at once.
    fn kept(&self, write: &Operation) -> bool;

    /// From the call of `earlier` to the answer of `later`, which asked the same node at `one`, that node
    /// held the key, and its disk lost nothing.
    fn steady(&self, earlier: &Operation, later: &Operation) -> bool;

    /// While these two conditional writes were under way the key's owners agreed on who is there.
    fn agreed(&self, one: &Operation, other: &Operation) -> bool;

    /// This connection of the stream may say `reset`.
    fn may_reset(&self, stream: &Stream, connection: usize) -> bool;

    /// All that time the members were the same, alive and connected, and held what is theirs.
    fn well(&self, from: Nanos, until: Nanos) -> bool;

    /// By how much the clocks of nodes may differ from the recorder's, as far as records expire.
    fn clock_slack(&self) -> Nanos;
}

/// Nothing went wrong: everything holds all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calm;

/// Anything may have gone wrong but with the disks: what is left is what always holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stormy;

const SECOND: Nanos = 1_000_000_000;

impl Circumstances for Calm {
    fn linearizable(&self, _: &str) -> bool {
        true
    }

    fn fresh(&self, _: &Operation, _: &Operation) -> bool {
        true
    }

    fn kept(&self, _: &Operation) -> bool {
        true
    }

    fn steady(&self, _: &Operation, _: &Operation) -> bool {
        true
    }

    fn agreed(&self, _: &Operation, _: &Operation) -> bool {
        true
    }

    fn may_reset(&self, _: &Stream, _: usize) -> bool {
        false
    }

    fn well(&self, _: Nanos, _: Nanos) -> bool {
        true
    }

    fn clock_slack(&self) -> Nanos {
        SECOND
    }
}

impl Circumstances for Stormy {
    fn linearizable(&self, _: &str) -> bool {
        false
    }

    fn fresh(&self, _: &Operation, _: &Operation) -> bool {
        false
    }

    fn kept(&self, _: &Operation) -> bool {
        true
    }

    fn steady(&self, _: &Operation, _: &Operation) -> bool {
        false
    }

    fn agreed(&self, _: &Operation, _: &Operation) -> bool {
        false
    }

    fn may_reset(&self, _: &Stream, _: usize) -> bool {
        true
    }

    fn well(&self, _: Nanos, _: Nanos) -> bool {
        false
    }

    fn clock_slack(&self) -> Nanos {
        SECOND
    }
}
