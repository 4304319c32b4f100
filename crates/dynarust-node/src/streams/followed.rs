//! What a reader follows, and on which node: what all forms of its stream have in common.

use std::sync::{Arc, LazyLock};

use dynarust_core::limits::CURSOR_CLAIMS_BESIDE_MAX;
use dynarust_core::{NodeId, Partition, PartitionSet, Selection, Selector, StreamCursor};
use tokio::sync::watch;

use super::begin::{self, RESET_ID};
use super::owner::Streams;
use super::part::Standing;
use crate::cluster::Cluster;

/// See the module.
pub(super) struct Followed {
    pub(super) cluster: Arc<Cluster>,
    pub(super) streams: Arc<Streams>,
    changes: watch::Receiver<u64>,
    pub(super) selection: Arc<Selection>,
    fingerprint: u32,
    was_resumed: bool,
}

impl Followed {
    pub(super) fn new(
        cluster: &Arc<Cluster>,
        streams: &Arc<Streams>,
        selection: &Arc<Selection>,
    ) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            streams: Arc::clone(streams),
            changes: cluster.changes(),
            fingerprint: selection.fingerprint(),
            selection: Arc::clone(selection),
            was_resumed: false,
        }
    }

    /// Whether something has changed in the cluster since this was asked last. Whoever has told that it waits, to the
    /// mailbox of a stream of this node, is woken when something has.
    pub(super) fn has_changed(&mut self) -> bool {
        let has_changed = self.changes.has_changed().unwrap_or(false);
        if has_changed {
            self.changes.mark_unchanged();
        }
        has_changed
    }

    /// Whether other nodes may ever come.
    pub(super) fn may_have_peers(&self) -> bool {
        self.cluster.config.secret.is_some()
    }

    /// What this node may tell. One alone holds everything.
    pub(super) fn served_here(&self) -> PartitionSet {
        if self.cluster.is_alone() {
            return PartitionSet::all();
        }
        self.cluster.view().own().map(|own| own.serves.clone()).unwrap_or_default()
    }

    /// Where the records lie that are followed.
    pub(super) fn partitions(&self) -> Arc<PartitionSet> {
        match self.selection.selectors() {
            [Selector::Key(name)] => single(Partition::of(name)),
            selectors => partitions_of(selectors),
        }
    }

    /// Deletes that came behind it may be forgotten, where a node took over what it did not hold then. (A node alone
    /// knows what it has forgotten.)
    pub(super) fn is_too_old(&self, cursor: &StreamCursor) -> bool {
        let age = u64::from(self.made().saturating_sub(cursor.made));
        !self.cluster.is_alone() && age >= self.streams.cursor_age_max().as_secs()
    }

    /// The time, as ids have it.
    fn made(&self) -> u32 {
        u32::try_from(self.streams.now() / 1000).unwrap_or(u32::MAX)
    }

    /// What an id says of what it is, and of when.
    pub(super) fn name(&self) -> (u32, u32) {
        (self.fingerprint, self.made())
    }

    /// The id of a reader that has this; one that resets where that cannot be said.
    pub(super) fn id(&self, standing: Option<Standing>) -> String {
        let Some(Standing { mut claims, told, state_through }) = standing else {
            return RESET_ID.to_owned();
        };
        if claims.iter().count() > CURSOR_CLAIMS_BESIDE_MAX {
            // More than an id has room for: those go that are of the least use.
            let (view, partitions) = (self.cluster.view(), self.partitions());
            let serves = |node: NodeId| {
                let member = view.registry.get(node);
                member.is_some_and(|it| !it.serves.intersection(&partitions).is_empty())
            };
            claims.keep(CURSOR_CLAIMS_BESIDE_MAX, serves);
        }
        let (selection, made) = self.name();
        begin::id(&StreamCursor { claims, told, selection, made, state_through })
    }

    /// It was gone on with behind an id; told once.
    pub(super) fn count_resumed(&mut self) {
        if !std::mem::replace(&mut self.was_resumed, true) {
            self.streams.count_resumed();
        }
    }
}

fn partitions_of(selectors: &[Selector]) -> Arc<PartitionSet> {
    let mut partitions = PartitionSet::default();
    for selector in selectors {
        match selector {
            Selector::Prefix(..) => return all(),
            Selector::Key(name) => _ = partitions.insert(Partition::of(name)),
        }
    }
    Arc::new(partitions)
}

/// Thousands of streams follow all, or one record: they share the sets for that.
fn all() -> Arc<PartitionSet> {
    static ALL: LazyLock<Arc<PartitionSet>> = LazyLock::new(|| Arc::new(PartitionSet::all()));
    Arc::clone(&ALL)
}

/// See [`all`].
fn single(partition: Partition) -> Arc<PartitionSet> {
    static SINGLE: LazyLock<Vec<Arc<PartitionSet>>> = LazyLock::new(|| {
        let sets = Partition::all().map(|partition| Arc::new([partition].into_iter().collect()));
        sets.collect()
    });
    SINGLE.get(usize::from(partition.number())).map_or_else(all, Arc::clone)
}
