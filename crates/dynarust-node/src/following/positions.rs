//! Where this node is in the feeds of others.

use std::collections::BTreeMap;

use dynarust_core::{Epoch, FeedPosition, NodeId, Partition, PartitionSet, Seq};
use parking_lot::Mutex;

/// A place in the feed of another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: Epoch,
    /// Everything up to here was taken in, of the partitions that are covered.
    pub(crate) seq: Seq,
    /// Those of which all that came before is here, too: read from 0 once, or shown to be here by digests.
    pub(crate) covered: PartitionSet,
}

impl Position {
    /// In a feed of which nothing was read.
    pub(super) fn nothing() -> Self {
        Self { epoch: Epoch(0), seq: 0, covered: PartitionSet::default() }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Positions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_source: BTreeMap<NodeId, Position>,
    /// How many times partitions were uncovered.
    uncoverings: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PositionText {
    #[prost(fixed64, tag = "1")]
    node: u64,
    #[prost(fixed64, tag = "2")]
    epoch: u64,
    #[prost(uint64, tag = "3")]
    seq: u64,
    #[prost(bytes = "vec", tag = "4")]
    covered: Vec<u8>,
}

impl PositionText {
    pub(crate) fn of((node, position): (&NodeId, &Position)) -> Self {
        Self {
            node: node.0,
            epoch: position.epoch.0,
            seq: position.seq,
            covered: position.covered.to_bytes().to_vec(),
        }
    }

    /// None where it makes no sense.
    pub(crate) fn understood(self) -> Option<(NodeId, Position)> {
        let covered = PartitionSet::from_bytes(&self.covered)?;
        let position = Position { epoch: Epoch(self.epoch), seq: self.seq, covered };
        Some((NodeId(self.node), position))
    }
}

impl Positions {
    pub(crate) fn get(&self, node: NodeId) -> Option<Position> {
        self.0.lock().by_source.get(&node).cloned()
    }

    /// Whether the partition was read from 0 in any feed.
    pub(crate) fn covers(&self, partition: Partition) -> bool {
        self.0.lock().by_source.values().any(|position| position.covered.contains(partition))
    }

    /// Those of which all that a feed held up to there is here, or something newer.
    pub(crate) fn holding(&self, at: &FeedPosition) -> PartitionSet {
        let state = self.0.lock();
        let known = state.by_source.get(&at.node);
        let known = known.filter(|it| it.epoch == at.epoch && it.seq >= at.seq);
        known.map(|it| it.covered.clone()).unwrap_or_default()
    }

    /// How many times partitions were uncovered so far.
    pub(super) fn uncoverings(&self) -> u64 {
        self.0.lock().uncoverings
    }

    /// As [`Positions::set`], unless partitions were uncovered since: what was read may have gone again, also
    /// where it is wanted anew. Whether it was set.
    pub(super) fn set_as_of(&self, uncoverings: u64, node: NodeId, position: Position) -> bool {
        let mut state = self.0.lock();
        let holds = state.uncoverings == uncoverings;
        if holds {
            state.by_source.insert(node, position);
        }
        holds
    }

    fn set(&self, node: NodeId, position: Position) {
        self.0.lock().by_source.insert(node, position);
    }

    /// These partitions are read from 0 when they are wanted again.
    pub(crate) fn uncover(&self, partitions: &PartitionSet) {
        let mut state = self.0.lock();
        state.uncoverings += 1;
        for position in state.by_source.values_mut() {
            position.covered = position.covered.difference(partitions);
        }
    }

    /// Moves on within the same epoch.
    pub(crate) fn advance(&self, node: NodeId, seq: Seq) {
        if let Some(position) = self.0.lock().by_source.get_mut(&node) {
            position.seq = position.seq.max(seq);
        }
    }

    /// All of them, as they are now.
    pub(crate) fn all(&self) -> BTreeMap<NodeId, Position> {
        self.0.lock().by_source.clone()
    }

    /// Takes one in that was kept; none where it makes no sense.
    pub(crate) fn remember(&self, text: PositionText) -> Option<()> {
        let (node, position) = text.understood()?;
        self.set(node, position);
        Some(())
    }
}
