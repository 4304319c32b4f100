//! Resuming by what another node's stream has told: this node makes sure that it holds at least what that node's
//! feed held, so that no key ever goes back for the reader; then it goes on behind what is claimed in its own feed
//! (design section 7).
//!
//! ```text
//! told: up to n of A's feed ─▶ this node has all of that     it follows A, a moment behind ─▶ go on
//!                          └─▶ A is not there: who else has? ─▶ up to m of B's feed ─▶ this node has all of that
//! ```
//!
//! Where nobody has it in time, it is gone for now, and so the stream is `reset`.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{RESUME_ASK_AGAIN_MILLIS, RESUME_LOOK_AGAIN_MILLIS, RESUME_MILLIS_MAX};
use dynarust_core::{Epoch, FeedPosition, NodeId, PartitionSet, Seq, StreamCursor, Told};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use prost::Message;
use tokio::time::{Instant, sleep, timeout};

use super::begin::Resumed;
use super::samples::settled_head;
use crate::cluster::Cluster;
use crate::mesh::message::{Failure, Held, Hold, number};
use crate::mesh::{Channel, Reply};

/// What the reader has, in terms of this node's feed, for these partitions; `None` where it cannot be gone on with.
pub(super) async fn resume(
    cluster: &Arc<Cluster>,
    partitions: &PartitionSet,
    cursor: &StreamCursor,
) -> Option<Resumed> {
    let store = &*cluster.store;
    if let Some(resumed) = Resumed::here(store, cursor) {
        return Some(resumed);
    }
    // Before anybody is asked: it is not for nothing.
    store.resume(cursor.claims.on(cluster.me)?)?;
    let told = hold(cluster, partitions, &cursor.told).await?;
    Resumed::behind(store, cursor, told)
}

/// Waits until this node holds at least what was told, of these partitions; up to where of its feed that lies.
/// None where it does not come to that.
async fn hold(cluster: &Arc<Cluster>, partitions: &PartitionSet, told: &Told) -> Option<Seq> {
    let end = Instant::now() + Duration::from_millis(RESUME_MILLIS_MAX);
    for position in told.iter() {
        if position.node == cluster.me {
            // What was lost here is with nobody, or nobody knows where.
            cluster.store.resume(*position)?;
            continue;
        }
        let sought = Sought { told: *position, missing: partitions.clone(), elsewhere: Vec::new() };
        if !sought.comes_to_be_held(cluster, end).await {
            return None;
        }
    }
    Some(settled_head(&*cluster.store))
}

/// What another node's feed held up to some seq.
struct Sought {
    told: FeedPosition,
    /// Of these it is not held here yet.
    missing: PartitionSet,
    /// Where else it lies: up to there in another feed, for these partitions.
    elsewhere: Vec<(FeedPosition, PartitionSet)>,
}

impl Sought {
    /// Whether it comes to be held here in time.
    async fn comes_to_be_held(mut self, cluster: &Arc<Cluster>, end: Instant) -> bool {
        let again = Duration::from_millis(RESUME_ASK_AGAIN_MILLIS);
        let mut ask_at = Instant::now();
        // Mostly it is on its way.
        if cluster.reaches(self.told.node) {
            ask_at += again;
        }
        while !self.look(cluster) {
            let now = Instant::now();
            if now >= end {
                return false;
            }
            if now >= ask_at {
                self.ask(cluster, end - now).await;
                ask_at = Instant::now() + again;
                continue;
            }
            sleep(Duration::from_millis(RESUME_LOOK_AGAIN_MILLIS)).await;
        }
        true
    }

    /// Whether it is held here by now.
    fn look(&mut self, cluster: &Cluster) -> bool {
        let held = cluster.positions.holding(&self.told);
        self.missing = self.missing.difference(&held);
        for (at, partitions) in &self.elsewhere {
            let held = cluster.positions.holding(at).intersection(partitions);
            self.missing = self.missing.difference(&held);
        }
        self.missing.is_empty()
    }

    /// Asks all who can be reached who holds it.
    async fn ask(&mut self, cluster: &Cluster, patience: Duration) {
        // Where many ask, others are on the way already.
        let Ok(_turn) = cluster.watches.asking.try_acquire() else {
            return;
        };
        let FeedPosition { node, epoch, seq } = self.told;
        self.elsewhere.clear();
        let partitions = self.missing.to_bytes().to_vec().into();
        let hold = Hold { node: node.0, epoch: epoch.0, seq, partitions };
        let view = cluster.view();
        let asked: FuturesUnordered<_> = view
            .others()
            .filter_map(|other| {
                let link = cluster.peer(other.id)?.link(Channel::Data)?;
                let hold = &hold;
                Some(async move {
                    let held: Held = link.ask(number::HOLD, hold).await.ok()?;
                    let partitions = PartitionSet::from_bytes(&held.partitions)?;
                    let epoch = Epoch(held.epoch);
                    Some((FeedPosition { node: other.id, epoch, seq: held.through }, partitions))
                })
            })
            .collect();
        let mut answers = asked.filter_map(|answer| async { answer }).boxed();
        let patience = patience.min(Duration::from_millis(RESUME_ASK_AGAIN_MILLIS));
        let gather = async {
            while let Some(answer) = answers.next().await {
                self.elsewhere.push(answer);
            }
        };
        // Who is silent holds up nobody: what the others have said counts.
        let _ = timeout(patience, gather).await;
    }
}

/// Answers a [`Hold`].
pub(crate) fn answer_hold(cluster: &Cluster, body: bytes::Bytes) -> Reply {
    let asked = Hold::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let partitions = PartitionSet::from_bytes(&asked.partitions).ok_or(Failure::NotUnderstood)?;
    let told = FeedPosition { node: NodeId(asked.node), epoch: Epoch(asked.epoch), seq: asked.seq };
    let held = if told.node == cluster.me {
        cluster.store.resume(told).map(|seq| (partitions, seq))
    } else {
        // Positions first: what they cover lies at or below the head.
        let held = cluster.positions.holding(&told).intersection(&partitions);
        Some((held, settled_head(&*cluster.store)))
    };
    let (partitions, through) = held.unwrap_or_default();
    let epoch = cluster.store.position().epoch.0;
    Ok(Held { partitions: partitions.to_bytes().to_vec().into(), epoch, through }
        .encode_to_vec()
        .into())
}
