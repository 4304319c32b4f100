//! Moves: a partition that this node is to own no more is dropped, once others are known to have all that
//! is here of it; one that comes back is emptied first (design section 4).
//!
//! ```text
//! serves ─▶ surplus, membership still ─▶ dropped: served no more, writes of it are taken in no more
//!        ─▶ its owners remember this feed to its end ─▶ emptied        ─▶ to own it again: emptied again ─▶ copied
//! ```
//!
//! Invariants:
//! - records go only when every owner serves the partition and has this node's feed to where it stood
//!   after the last write of it, on stable storage;
//! - what lies in a dropped partition counts for nothing: it is emptied before it is taken in again, so
//!   that no record comes back whose tombstone was forgotten meanwhile. But where nobody else serves it any
//!   more, what is here is all there is, and is kept;
//! - that a partition is dropped is remembered before its records go.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{
    COORDINATE_MILLIS_MAX, MOVES_LOOK_MILLIS, MOVES_PATIENCE_MILLIS, NOTE_MILLIS,
};
use dynarust_core::{MemberState, NodeId, Partition, PartitionSet, Seq};
use dynarust_store::{Durability, WriteError};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::state::Cluster;
use super::{Liveness, View};

/// What is moving.
#[derive(Debug)]
pub(crate) struct Moves {
    /// When it was last told who is to own what.
    placed: Mutex<Instant>,
    /// The dropped partitions of which nothing is left, as far as this start knows.
    emptied: Mutex<PartitionSet>,
}

impl Default for Moves {
    fn default() -> Self {
        Self { placed: Mutex::new(Instant::now()), emptied: Mutex::default() }
    }
}

impl Moves {
    /// Others are to own the partitions from now on.
    pub(super) fn placed_anew(&self) {
        *self.placed.lock() = Instant::now();
    }

    /// Of these, the ones that may still have records here.
    pub(super) fn not_emptied(&self, dropped: &PartitionSet) -> PartitionSet {
        dropped.difference(&self.emptied.lock())
    }

    fn are_emptied(&self, partitions: &PartitionSet) {
        let mut emptied = self.emptied.lock();
        *emptied = emptied.union(partitions);
    }

    /// There are records of these, or will be: before they are taken in once more they are emptied again.
    pub(super) fn are_not_emptied(&self, partitions: &PartitionSet) {
        let mut emptied = self.emptied.lock();
        *emptied = emptied.difference(partitions);
    }
}

impl Cluster {
    /// Drops what is to be dropped, and takes back what this node is to own again, without end.
    pub(super) async fn move_again(self: Arc<Self>) {
        loop {
            sleep(Duration::from_millis(MOVES_LOOK_MILLIS)).await;
            self.drop_surplus();
            self.look_for_leftovers();
            let moved = match self.take_back().await {
                Ok(()) => self.empty_dropped().await,
                Err(error) => Err(error),
            };
            match moved {
                Ok(()) => {}
                Err(WriteError::Stopped(_)) => return,
                Err(error) => tracing::warn!(%error, "copies could not be moved yet"),
            }
        }
    }

    /// Says of what others hold in full, and this node is to own no more, that it serves it no more.
    fn drop_surplus(self: &Arc<Self>) {
        let view = self.view();
        let Some(own) = view.own().filter(|own| own.state == MemberState::Up) else {
            return;
        };
        let surplus = own.serves.difference(&view.placement.owned(self.me));
        let still = self.moves.placed.lock().elapsed() >= self.config.drop_after;
        if surplus.is_empty() || !still {
            return;
        }
        let held = |partition: &Partition| self.owners_hold(&view, *partition, 0);
        let dropped: PartitionSet = surplus.iter().filter(held).collect();
        if dropped.is_empty() {
            return;
        }
        tracing::info!(
            partitions = dropped.len(),
            "this node drops its copies: others own them now, and have them in full"
        );
        self.change_own(|own| {
            own.serves = own.serves.difference(&dropped);
            own.dropped = own.dropped.union(&dropped);
        });
        self.positions.uncover(&dropped);
        self.copying.forget(&dropped);
    }

    /// Whether every owner of the partition is there, serves it, and has on stable storage what this node has
    /// of it up to a seq of its feed.
    fn owners_hold(&self, view: &View, partition: Partition, head: Seq) -> bool {
        let owners = view.placement.owners(partition);
        let serving = view.serving(partition);
        !owners.is_empty()
            && owners
                .iter()
                .all(|owner| serving.contains(owner) && self.holds(*owner, partition, head))
    }

    /// Whether all that serve the partition and are there have on stable storage what this node has of it;
    /// false where there are none.
    fn servers_hold(&self, view: &View, partition: Partition, head: Seq) -> bool {
        let live: Vec<NodeId> = self.live_serving(view, partition);
        let mut others = live.iter().filter(|id| **id != self.me).peekable();
        others.peek().is_some() && others.all(|id| self.holds(*id, partition, head))
    }

    fn holds(&self, other: NodeId, partition: Partition, head: Seq) -> bool {
        other != self.me
            && self.liveness(other) == Liveness::Up
            && self.remembered.reaches(other, self.store.position().epoch, partition, head)
    }

    /// Waits until others hold what is here of these partitions, as `held` tells by the end of this node's
    /// feed; for some time, and gives those of which it is so.
    async fn until_held(
        &self,
        partitions: &PartitionSet,
        held: impl Fn(&View, Partition, Seq) -> bool,
    ) -> Result<PartitionSet, WriteError> {
        // A request that began before these were served no more has ended by then, and a read as well.
        sleep(Duration::from_millis(2 * COORDINATE_MILLIS_MAX)).await;
        self.store.take_in(Vec::new(), Durability::Sync).await?;
        let head = self.store.position().seq;
        let patience = Instant::now() + Duration::from_millis(MOVES_PATIENCE_MILLIS);
        loop {
            let view = self.view();
            let ready: PartitionSet =
                partitions.iter().filter(|partition| held(&view, *partition, head)).collect();
            if ready == *partitions || Instant::now() >= patience {
                return Ok(ready);
            }
            sleep(Duration::from_millis(NOTE_MILLIS / 4)).await;
        }
    }

    /// Empties what was dropped and is not to come back, once its owners have all of it.
    async fn empty_dropped(self: &Arc<Self>) -> Result<(), WriteError> {
        let wished = |view: &View| {
            let own = view.own().filter(|own| !own.is_gone());
            let dropped = own.map(|own| own.dropped.clone()).unwrap_or_default();
            self.moves.not_emptied(&dropped).difference(&view.placement.owned(self.me))
        };
        let waiting = wished(&self.view());
        if waiting.is_empty() {
            return Ok(());
        }
        let held = |view: &View, partition, head| self.owners_hold(view, partition, head);
        let held = self.until_held(&waiting, held).await?;
        // What is to be owned again meanwhile is not for here.
        let held = held.intersection(&wished(&self.view()));
        if !held.is_empty() {
            self.empty(&held).await?;
        }
        Ok(())
    }

    async fn empty(&self, partitions: &PartitionSet) -> Result<(), WriteError> {
        self.keep_note_now().await?;
        let records = self.store.empty(partitions.clone()).await?;
        self.moves.are_emptied(partitions);
        self.leftovers.are_emptied(partitions);
        self.figures.dropped(records);
        tracing::info!(partitions = partitions.len(), records, "dropped copies are gone");
        self.tell_change();
        Ok(())
    }

    /// What this node is to own again is emptied, and then taken in as by a node that is new.
    async fn take_back(self: &Arc<Self>) -> Result<(), WriteError> {
        let view = self.view();
        let Some(own) = view.own().filter(|own| own.is_desired()) else {
            return Ok(());
        };
        let wanted = own.dropped.intersection(&view.placement.owned(self.me));
        if wanted.is_empty() {
            return Ok(());
        }
        let unserved = |partition: &Partition| view.serving(*partition).is_empty();
        let (orphans, wanted): (PartitionSet, PartitionSet) = wanted.iter().partition(unserved);
        if !orphans.is_empty() {
            tracing::warn!(
                partitions = orphans.len(),
                "nobody serves these partitions any more: what this node still has of them counts again"
            );
            self.want_again(&orphans);
        }
        let mut ready = wanted.difference(&self.moves.not_emptied(&wanted));
        let unsure = self.moves.not_emptied(&wanted);
        if !unsure.is_empty() {
            let held = |view: &View, partition, head| self.servers_hold(view, partition, head);
            ready = ready.union(&self.until_held(&unsure, held).await?);
        }
        if !ready.is_empty() {
            self.empty(&ready).await?;
            tracing::info!(partitions = ready.len(), "this node takes partitions in again");
            self.want_again(&ready);
        }
        Ok(())
    }

    fn want_again(self: &Arc<Self>, partitions: &PartitionSet) {
        self.positions.uncover(partitions);
        self.copying.forget(partitions);
        self.moves.are_not_emptied(partitions);
        self.change_own(|own| {
            // In the same view: nothing of them is left, or it counts.
            self.leftovers.are_wanted_as_they_are(partitions);
            own.dropped = own.dropped.difference(partitions);
        });
    }
}
