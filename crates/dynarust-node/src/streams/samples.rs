//! Samples: how far this node had come in the feeds of others when its own stood at some seq. What a stream has
//! sent of this node's feed, by the newest sample that is not above it, claims something in theirs
//! ([`dynarust_core::claims`]).
//!
//! Invariant: all that a sample's positions cover was published here at or below its head, or something newer of
//! the same name. So positions are looked at *before* the head is. (A stream that has left something out, since it
//! is damaged here, takes none.)

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::{Claims, FeedPosition, PartitionSet, Seq};
use dynarust_store::Store;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::following::Positions;

/// Samples that are kept: those of some seconds, while something is published all the time.
const KEPT_MAX: usize = 64;
/// Between one and the next.
const INTERVAL: Duration = Duration::from_millis(25);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Samples {
    positions: Arc<Positions>,
    /// In the order of their heads.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    samples: VecDeque<Arc<Sample>>,
    taken: Option<Instant>,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Sample {
    head: Seq,
    /// Where this node was in the others' feeds, and for which partitions.
    feeds: Vec<(FeedPosition, PartitionSet)>,
}

impl Samples {
    /// None yet.
    pub(super) fn new(positions: Arc<Positions>) -> Self {
        Self { positions, kept: Mutex::default() }
    }

    /// Takes one and keeps it, unless one was taken just now.
    pub(super) fn take_again(&self, store: &dyn Store) {
        let now = Instant::now();
        {
            let mut kept = self.kept.lock();
            if kept.taken.is_some_and(|taken| now < taken + INTERVAL) {
                return;
            }
            kept.taken = Some(now);
        }
        self.take(store);
    }

    /// Takes one and keeps it.
    pub(super) fn take(&self, store: &dyn Store) -> Arc<Sample> {
        let sample = Arc::new(self.now(store));
        let mut kept = self.kept.lock();
        // Of one head the last says most.
        if kept.samples.back().is_some_and(|last| last.head == sample.head) {
            kept.samples.pop_back();
        }
        // Others may have been quicker.
        if kept.samples.back().is_none_or(|last| last.head < sample.head) {
            kept.samples.push_back(Arc::clone(&sample));
        }
        if kept.samples.len() > KEPT_MAX {
            kept.samples.pop_front();
        }
        sample
    }

    fn now(&self, store: &dyn Store) -> Sample {
        let feeds = self.positions.all().into_iter().map(|(node, position)| {
            let at = FeedPosition { node, epoch: position.epoch, seq: position.seq };
            (at, position.covered)
        });
        let feeds = feeds.collect();
        Sample { head: settled_head(store), feeds }
    }

    /// The newest that is not above a seq.
    pub(super) fn at(&self, seq: Seq) -> Option<Arc<Sample>> {
        let kept = self.kept.lock();
        kept.samples.iter().rfind(|sample| sample.head <= seq).map(Arc::clone)
    }
}

/// The head of this node's feed, with all below it that anybody could have seen before this was called: a record
/// may be seen a moment before it counts, while its group is being published.
pub(super) fn settled_head(store: &dyn Store) -> Seq {
    // Whoever reads the tail waits until a group that is being published is.
    let _ = store.tail(store.position().seq, 1);
    store.position().seq
}

impl Sample {
    /// The head of this node's feed, as it stood behind the positions.
    pub(super) fn head(&self) -> Seq {
        self.head
    }

    /// What a stream that was told these partitions by this node, up to the head or further, claims in others'
    /// feeds.
    pub(super) fn claims(&self, partitions: &PartitionSet) -> Claims {
        let covers = |it: &&(FeedPosition, PartitionSet)| partitions.difference(&it.1).is_empty();
        self.feeds.iter().filter(covers).map(|(at, _)| *at).collect()
    }
}

#[cfg(test)]
mod tests {
    use dynarust_core::{Epoch, NodeId, Partition};

    use super::*;
    use crate::following::Position;
    use crate::following::PositionText;
    use crate::streams::tests::store::TestStore;

    fn covering(partitions: &[Partition]) -> PartitionSet {
        partitions.iter().copied().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_claims_by_the_newest_sample_that_is_not_above_it() {
        let positions = Arc::new(Positions::default());
        let samples = Samples::new(Arc::clone(&positions));
        let store = TestStore::new();
        let partitions: Vec<_> = Partition::all().take(3).collect();
        for (seq, reached) in [(1, 10), (2, 20), (3, 30)] {
            store.put("a", Some("1"));
            let covered = covering(&partitions[..2]);
            let position = Position { epoch: Epoch(7), seq: reached, covered };
            positions.remember(PositionText::of((&NodeId(5), &position))).unwrap();
            assert_eq!(samples.take(&*store).head(), seq);
        }
        assert!(samples.at(0).is_none());
        let claimed = |seq, partitions: &[Partition]| {
            let claims = samples.at(seq).unwrap().claims(&covering(partitions));
            claims.on(NodeId(5)).map(|it| it.seq)
        };
        assert_eq!(claimed(2, &partitions[..1]), Some(20));
        assert_eq!(claimed(9, &partitions[..2]), Some(30));
        assert_eq!(claimed(9, &partitions), None, "it has not read all of that partition there");
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_taken_and_kept() {
        let samples = Samples::default();
        let store = TestStore::new();
        for _ in 0..3 {
            store.put("a", Some("1"));
            samples.take_again(&*store);
        }
        assert_eq!(samples.at(9).unwrap().head(), 1);
        for _ in 0..3 * KEPT_MAX {
            tokio::time::advance(INTERVAL).await;
            store.put("a", Some("1"));
            samples.take_again(&*store);
        }
        assert_eq!(samples.kept.lock().samples.len(), KEPT_MAX);
        assert_eq!(samples.at(Seq::MAX).unwrap().head(), store.position().seq);
    }
}
