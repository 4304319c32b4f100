//! Samples: how far this node had come in the feeds of others when its own stood at some seq. What a stream has
//! sent of this node's feed, by the newest sample that is not above it, claims something in theirs
//! ([`dynarust_core::claims`]).
//!
//! Invariant: all that a sample's positions cover was published here at or below its head, or something newer of
//! the same name, and can be read here. So positions are looked at *before* the head is. And while some record is
//! damaged here that a stream had to leave out, samples say nothing of other feeds: there it lies behind what they
//! would say. What mends it is published here anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dynarust_core::limits::DAMAGED_NAMES_MAX;
use dynarust_core::{Claims, FeedPosition, PartitionSet, RecordName, Seq, Stored};
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
    /// Something is left out; as in `kept`, for those who look often.
    leaves_out: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    samples: VecDeque<Arc<Sample>>,
    taken: Option<Instant>,
    left_out: LeftOut,
}

/// Damaged records that streams have left out.
#[derive(Debug, Default)]
struct LeftOut {
    /// And where the feed stood then: what mends one lies behind that.
    names: BTreeMap<RecordName, Seq>,
    /// There is one of which nobody can say whether it is mended.
    for_good: bool,
}

impl LeftOut {
    fn is_any(&self) -> bool {
        self.for_good || !self.names.is_empty()
    }
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
        Self { positions, kept: Mutex::default(), leaves_out: AtomicBool::new(false) }
    }

    /// A stream has left out these, which are damaged, when the feed stood at `head`.
    pub(super) fn leave_out(&self, damaged: Vec<Option<RecordName>>, head: Seq) {
        let mut kept = self.kept.lock();
        kept.samples.clear();
        for name in damaged {
            let room = kept.left_out.names.len() < DAMAGED_NAMES_MAX;
            match name.filter(|_| room) {
                Some(name) => drop(kept.left_out.names.insert(name, head)),
                None => kept.left_out.for_good = true,
            }
        }
        self.leaves_out.store(true, Ordering::Relaxed);
    }

    /// The record is published: if it was left out, it is told now.
    pub(super) fn is_published(&self, record: &Stored) {
        if !self.leaves_out.load(Ordering::Relaxed) {
            return;
        }
        let mut kept = self.kept.lock();
        let left_out = &mut kept.left_out;
        if left_out.names.get(&record.name).is_some_and(|head| record.seq > *head) {
            left_out.names.remove(&record.name);
            self.leaves_out.store(left_out.is_any(), Ordering::Relaxed);
        }
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
        let sample = self.now(store);
        let mut kept = self.kept.lock();
        // Behind the look at the positions: else it could say something that was forbidden meanwhile.
        if kept.left_out.is_any() {
            return Arc::new(Sample { feeds: Vec::new(), ..sample });
        }
        let sample = Arc::new(sample);
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
    #[tokio::test(start_paused = true)]
    async fn nothing_is_claimed_of_others_until_what_was_left_out_is_published_anew() {
        let positions = Arc::new(Positions::default());
        let covered = PartitionSet::all();
        let position = Position { epoch: Epoch(7), seq: 10, covered: covered.clone() };
        positions.remember(PositionText::of((&NodeId(5), &position))).unwrap();
        let samples = Samples::new(positions);
        let store = TestStore::new();
        let says = || samples.take(&*store).claims(&covered).iter().count();
        let publish = |key| {
            let seq = store.put(key, Some("1"));
            samples.is_published(&store.tail(seq - 1, 1).unwrap()[0]);
        };
        let name = |key| RecordName::parse("t", key).ok();
        publish("a");
        assert_eq!(says(), 1);
        samples.leave_out(vec![name("a"), name("b")], store.position().seq);
        assert!(samples.at(Seq::MAX).is_none(), "what was said before holds no more");
        publish("c");
        assert_eq!(says(), 0);
        publish("a");
        assert_eq!(says(), 0, "one is left");
        let older = store.tail(0, 1).unwrap();
        samples.leave_out(vec![name("a")], store.position().seq);
        samples.is_published(&older[0]);
        publish("b");
        assert_eq!(says(), 0, "it was published before it was left out");
        publish("a");
        assert_eq!(says(), 1);
        samples.leave_out(vec![None], store.position().seq);
        publish("a");
        assert_eq!(says(), 0, "nobody can say of it whether it is mended");
    }
}
