//! Who has taken in what of this node's feed, and the writes that wait for that.
//!
//! A write that was published as seq n stands at a follower once that has acknowledged n: everything from
//! where its follow began to n, or, once it has caught up, simply everything to n.
//!
//! How many must have it is judged again whenever somebody comes, goes, or says that it serves more.

use std::collections::BTreeMap;
use std::time::Duration;

use dynarust_core::quorum::{self, NotEnough};
use dynarust_core::{Consistency, NodeId, Partition, PartitionSet, Replicas, Seq, Version};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::newer::Newer;
use crate::cluster::Cluster;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Acks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    followers: BTreeMap<NodeId, Reached>,
    /// By seq, and a number that tells them apart.
    waiting: BTreeMap<(Seq, u64), Waiting>,
    last_number: u64,
    newer: Newer,
}

/// What a follower has: everything behind `from`, up to and with `through`.
#[derive(Debug, Clone)]
struct Reached {
    /// It takes in these alone.
    partitions: PartitionSet,
    from: Seq,
    through: Seq,
    /// What came behind this was shipped to it, one by one; what came before it has read, as far as it was still
    /// in the feed.
    shipped_from: Seq,
    /// When it told so.
    at: Instant,
}

impl Reached {
    fn has(&self, seq: Seq, partition: Partition) -> bool {
        (self.from + 1..=self.through).contains(&seq) && self.partitions.contains(partition)
    }
}

#[derive(Debug)]
struct Waiting {
    /// The hash of a name and a version of it than which nobody is to have had a newer one.
    written: Option<(u64, Version)>,
    partition: Partition,
    consistency: Consistency,
    stands: oneshot::Sender<Stands>,
}

/// What became of a write at the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// Enough have it: each was shipped it.
    AtEnough(Replicas),
    /// The same; but some have read what came before they followed, and where something newer had taken its place
    /// here, they never saw it.
    AtEnoughThatRead(Replicas),
    /// An owner holds a newer version, which this write did not know of.
    Behind(Version),
    /// Fewer are there than are asked for.
    NotEnough(NotEnough),
}

/// A write that waits, until this is dropped.
pub(super) struct Wait<'a> {
    cluster: &'a Cluster,
    place: (Seq, u64),
    stands: oneshot::Receiver<Stands>,
}

impl Acks {
    /// A follower begins behind this node's head; it takes in these partitions.
    pub(crate) fn follows(&self, follower: NodeId, partitions: PartitionSet, head: Seq) {
        let at = Instant::now();
        let reached = Reached { partitions, from: head, through: head, shipped_from: head, at };
        self.0.lock().followers.insert(follower, reached);
    }

    /// A follower has told how far it is.
    pub(crate) fn acknowledged(
        &self,
        cluster: &Cluster,
        follower: NodeId,
        (from, through): (Seq, Seq),
    ) {
        let mut state = self.0.lock();
        if let Some(reached) = state.followers.get_mut(&follower) {
            (reached.from, reached.through, reached.at) = (from, through, Instant::now());
        }
        state.settle(cluster, through);
    }

    /// Others have stamped these versions of records, by the hashes of their names, and this node has written the
    /// same records without having seen them.
    pub(crate) fn newer(&self, cluster: &Cluster, versions: impl Iterator<Item = (u64, Version)>) {
        let mut versions = versions.peekable();
        if versions.peek().is_none() {
            return;
        }
        let mut state = self.0.lock();
        versions.for_each(|(name_hash, version)| state.newer.note(name_hash, version));
        state.settle_overtaken(cluster);
    }

    /// Somebody came or went, or serves other partitions.
    pub(crate) fn look_again(&self, cluster: &Cluster) {
        self.0.lock().settle(cluster, Seq::MAX);
    }

    /// How many records the live follower lacks that is furthest behind, and since when it told nothing.
    pub(crate) fn lag(&self, cluster: &Cluster) -> (u64, Duration) {
        let head = cluster.store.position().seq;
        let state = self.0.lock();
        let live = state.followers.iter().filter(|(id, _)| cluster.liveness(**id).is_live());
        let lags = live.map(|(_, it)| (head.saturating_sub(it.through), it.at.elapsed()));
        let behind = lags.filter(|(records, _)| *records > 0).max();
        behind.unwrap_or((0, Duration::ZERO))
    }

    /// Whether the follower has what was published as `seq`, and all that came before it since it follows.
    pub(crate) fn reached(&self, follower: NodeId, seq: Seq) -> bool {
        self.0.lock().followers.get(&follower).is_some_and(|it| it.through >= seq)
    }

    /// Whether the follower has everything of this partition up to a seq of this node's feed.
    pub(crate) fn has_all(&self, follower: NodeId, partition: Partition, seq: Seq) -> bool {
        self.0.lock().followers.get(&follower).is_some_and(|it| {
            it.from == 0 && it.through >= seq && it.partitions.contains(partition)
        })
    }

    /// Begins to wait until enough owners have what was published as `seq`: what was written, or what was written
    /// over that here. Told by the hash of its name and its version it hears of newer ones that it did not see.
    pub(super) fn wait<'a>(
        &self,
        cluster: &'a Cluster,
        written: Option<(u64, Version)>,
        (seq, partition): (Seq, Partition),
        consistency: Consistency,
    ) -> Wait<'a> {
        let (sender, stands) = oneshot::channel();
        let mut state = self.0.lock();
        state.last_number += 1;
        let place = (seq, state.last_number);
        state.waiting.insert(place, Waiting { written, partition, consistency, stands: sender });
        state.settle_one(cluster, place);
        Wait { cluster, place, stands }
    }
}

impl Wait<'_> {
    /// What became of it; none where nobody will tell.
    pub(super) async fn stands(&mut self) -> Option<Stands> {
        (&mut self.stands).await.ok()
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.cluster.acks.0.lock().waiting.remove(&self.place);
    }
}

impl State {
    /// Looks at all that wait for a seq up to this one.
    fn settle(&mut self, cluster: &Cluster, through: Seq) {
        let concerned: Vec<_> =
            self.waiting.range(..=(through, u64::MAX)).map(|(place, _)| *place).collect();
        concerned.into_iter().for_each(|place| self.settle_one(cluster, place));
    }

    /// Looks at all that wait for what is behind something newer.
    fn settle_overtaken(&mut self, cluster: &Cluster) {
        let newer = |waiting: &Waiting| self.newer.than(waiting.written?);
        let concerned = self.waiting.iter().filter(|(_, waiting)| newer(waiting).is_some());
        let concerned: Vec<_> = concerned.map(|(place, _)| *place).collect();
        concerned.into_iter().for_each(|place| self.settle_one(cluster, place));
    }

    fn settle_one(&mut self, cluster: &Cluster, place: (Seq, u64)) {
        let Some(waiting) = self.waiting.get(&place) else {
            return;
        };
        if let Some(stands) = self.judge(cluster, place.0, waiting)
            && let Some(waiting) = self.waiting.remove(&place)
        {
            // Who waited may have gone.
            let _ = waiting.stands.send(stands);
        }
    }

    fn judge(&self, cluster: &Cluster, seq: Seq, waiting: &Waiting) -> Option<Stands> {
        if let Some(newer) = waiting.written.and_then(|written| self.newer.than(written)) {
            return Some(Stands::Behind(newer));
        }
        let view = cluster.view();
        let owners = view.serving(waiting.partition);
        let has = |owner: &&NodeId| {
            **owner == cluster.me
                || self.followers.get(owner).is_some_and(|it| it.has(seq, waiting.partition))
        };
        let stand = owners.iter().filter(has).count();
        let read = |owner: &NodeId| {
            *owner != cluster.me
                && self
                    .followers
                    .get(owner)
                    .is_some_and(|it| it.has(seq, waiting.partition) && seq <= it.shipped_from)
        };
        let stands = match owners.iter().any(read) {
            true => Stands::AtEnoughThatRead,
            false => Stands::AtEnough,
        };
        let live = owners.iter().filter(|owner| cluster.liveness(**owner).is_live()).count();
        match quorum::needed(waiting.consistency, owners.len(), live) {
            Ok(needed) if stand >= needed => Some(stands(replicas(stand, owners.len()))),
            Ok(_) => None,
            Err(not_enough) => Some(Stands::NotEnough(not_enough)),
        }
    }
}

pub(crate) fn replicas(stand: usize, owners: usize) -> Replicas {
    let number = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    Replicas { stand: number(stand), owners: number(owners) }
}
