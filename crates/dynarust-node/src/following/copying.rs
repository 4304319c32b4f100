//! Copying: a partition that this node comes to own it copies from one of the owners, whole; of the others
//! it reads no more than what their copies have besides.
//!
//! Who is copied from is told by a partition's number, so that sources share the work. The others wait until
//! that is done; then their digests are compared with this node's, and where they are equal nothing that is
//! live is read again. Of a partition of which there are records already, since a copy was cut off by a link or
//! a restart, or a node brings them with it, names are read instead, and what is lacking is pulled.
//!
//! Invariants:
//! - no partition is copied whole from two sources at a time;
//! - what is remembered here only spares work: whatever it says, each source's feed is read until this node
//!   has all of it, whole or by names.

use std::collections::BTreeMap;
use std::time::Duration;

use dynarust_core::limits::COMPARE_AGAIN_MILLIS;
use dynarust_core::{NodeId, Partition, PartitionSet};
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::cluster::{Cluster, Liveness, View};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Copying(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What is being copied, by source.
    claimed: BTreeMap<NodeId, PartitionSet>,
    /// What was copied in this start.
    copied: PartitionSet,
    /// Of what there are records already: from before this start, once that was looked at, or of a copy that
    /// was cut off.
    held: Option<PartitionSet>,
}

/// Partitions that are copied from one source, until this is dropped.
pub(super) struct Claim<'a> {
    cluster: &'a Cluster,
    source: NodeId,
    partitions: PartitionSet,
    /// Those of them of which there are no records here.
    pub(super) whole: PartitionSet,
    /// The others.
    pub(super) held: PartitionSet,
}

/// What is to be done with partitions that were never read of a source.
pub(super) enum Turn<'a> {
    /// They are copied from it.
    Copy(Box<Claim<'a>>),
    /// Others are to be copied from first.
    Wait,
    /// Nothing of these is copied any more: what the source has besides is to be read.
    Compare,
}

impl Copying {
    /// These partitions are empty again, or will be.
    pub(crate) fn forget(&self, partitions: &PartitionSet) {
        let mut state = self.0.lock();
        state.copied = state.copied.difference(partitions);
        state.held = state.held.take().map(|held| held.difference(partitions));
    }
}

impl Cluster {
    /// Looks once in a start which partitions there are records of already. In the first moments of a start
    /// that is not known yet.
    pub(super) async fn look_what_is_held(&self) {
        while self.copying.0.lock().held.is_none() {
            let Some(digests) = self.store.digests() else {
                sleep(Duration::from_millis(COMPARE_AGAIN_MILLIS)).await;
                continue;
            };
            let held = Partition::all().filter(|partition| digests.of(*partition) != 0).collect();
            self.copying.0.lock().held.get_or_insert(held);
        }
    }

    /// Whose turn it is.
    pub(super) fn turn_to_copy(&self, source: NodeId, partitions: &PartitionSet) -> Turn<'_> {
        let view = self.view();
        let mut state = self.copying.0.lock();
        let (mut claim, mut waits) = (PartitionSet::default(), false);
        for partition in partitions.iter().filter(|it| !self.needs_no_copy(&view, &state, *it)) {
            let copied_from = self.copied_from(&view, partition);
            let claimed = state.claimed.values().any(|it| it.contains(partition));
            if claimed || copied_from.is_some_and(|it| it != source) {
                waits = true;
            } else if copied_from == Some(source) {
                claim.insert(partition);
            }
        }
        if !claim.is_empty() {
            state.claimed.insert(source, claim.clone());
            let held = state.held.clone().unwrap_or_default();
            let (whole, held) = (claim.difference(&held), claim.intersection(&held));
            let claim = Claim { cluster: self, source, partitions: claim, whole, held };
            return Turn::Copy(Box::new(claim));
        }
        if waits { Turn::Wait } else { Turn::Compare }
    }

    /// Whether enough of the partition is here, or was, that a whole copy is not worth it.
    fn needs_no_copy(&self, view: &View, state: &State, partition: Partition) -> bool {
        view.serves(partition)
            || state.copied.contains(partition)
            || self.positions.covers(partition)
            || self.has_brought(partition)
    }

    /// The live owner from which a partition is to be copied.
    fn copied_from(&self, view: &View, partition: Partition) -> Option<NodeId> {
        let mut sources = view.serving(partition);
        sources.retain(|id| *id != self.me && self.liveness(*id) == Liveness::Up);
        let turn = usize::from(partition.number()).checked_rem(sources.len())?;
        sources.get(turn).copied()
    }
}

impl Claim<'_> {
    pub(super) fn partitions(&self) -> &PartitionSet {
        &self.partitions
    }

    /// All of it was copied.
    pub(super) fn end_copied(self) {
        let mut state = self.cluster.copying.0.lock();
        state.copied = state.copied.union(&self.partitions);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        {
            let mut state = self.cluster.copying.0.lock();
            state.claimed.remove(&self.source);
            // Where it was cut off some of it may be here.
            state.held = state.held.take().map(|held| held.union(&self.partitions));
        }
        // Who waits for it looks whose turn it is now.
        self.cluster.tell_change();
    }
}
