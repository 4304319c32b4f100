//! Taking: what a source ships is taken in, and acknowledged in seq order.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{
    KEPT_TOLD_MAX, TAKE_RETRY_MILLIS, TAKING_AT_A_TIME_MAX, TAKING_BYTES_MAX,
};
use dynarust_core::{NodeId, Partition, PartitionSet, Seq, name_hash};
use dynarust_store::{Arrival, Durability, TakenIn, WriteError};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::lacking::{Notices, take_lacking};
use crate::cluster::{Cluster, Peer};
use crate::mesh::Link;
use crate::mesh::message::{Acknowledge, Entry, Kept, Ship, Shipped, number};

/// How one source's feed comes in.
#[derive(Default)]
pub(crate) struct Taking {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    /// The link over which it comes; a session of an earlier one has no part in it.
    serial: u64,
    /// The follow whose ships are taken; 0 while there is none.
    number: u64,
    partitions: PartitionSet,
    waiting: VecDeque<(Ship, usize)>,
    waiting_bytes: usize,
    /// What was shipped was taken in up to here.
    through: Seq,
    /// What lay before the ships was read, too.
    contiguous: bool,
    /// What of that something newer stood in the way of; the latest of it.
    kept: VecDeque<Kept>,
}

impl Taking {
    /// A new follow begins: what came for earlier ones counts no more. None where a later link has one.
    pub(super) fn begin(&self, serial: u64, partitions: PartitionSet) -> Option<u64> {
        let mut state = self.state.lock();
        if serial < state.serial {
            return None;
        }
        let number = state.number + 1;
        // Of what was not told yet nobody else knows.
        let kept = std::mem::take(&mut state.kept);
        *state = State { serial, number, partitions, kept, ..State::default() };
        self.arrived.notify_waiters();
        Some(number)
    }

    /// The source has answered: its ships begin behind `head`.
    pub(super) fn answered(&self, number: u64, head: Seq) {
        let mut state = self.state.lock();
        if state.number == number {
            state.through = state.through.max(head);
        }
    }

    /// The link has ended.
    pub(crate) fn end(&self, serial: u64) {
        let mut state = self.state.lock();
        if state.serial == serial {
            *state = State { serial, number: state.number, ..State::default() };
        }
    }

    /// A ship has come. None where it makes no sense, or more comes than was asked for.
    pub(crate) fn arrive(&self, serial: u64, body: Bytes) -> Option<()> {
        let bytes = body.len();
        let ship = Ship::decode(body).ok()?;
        let mut state = self.state.lock();
        if (state.serial, state.number) == (serial, ship.number) {
            state.waiting_bytes += bytes;
            state.waiting.push_back((ship, bytes));
            if state.waiting_bytes > TAKING_BYTES_MAX && state.waiting.len() > 1 {
                return None;
            }
            self.arrived.notify_waiters();
        }
        Some(())
    }

    async fn next(&self, serial: u64) -> Ship {
        loop {
            let mut arrived = pin!(self.arrived.notified());
            // From here on nothing is missed.
            arrived.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.serial == serial
                    && let Some((ship, bytes)) = state.waiting.pop_front()
                {
                    state.waiting_bytes -= bytes;
                    return ship;
                }
            }
            arrived.await;
        }
    }

    /// A ship was taken in. Whether everything before it was, too; none where it counts no more.
    fn taken(&self, number: u64, through: Seq) -> Option<bool> {
        let mut state = self.state.lock();
        if state.number != number {
            return None;
        }
        state.through = state.through.max(through);
        Some(state.contiguous)
    }

    /// What was read of what lay before the ships, and something newer stood in the way of.
    pub(super) fn kept(&self, kept: impl Iterator<Item = Kept>) {
        let mut state = self.state.lock();
        state.kept.extend(kept);
        // Whoever still waits for one of them published it of late.
        while state.kept.len() > KEPT_TOLD_MAX {
            state.kept.pop_front();
        }
    }

    /// All of that, once.
    pub(super) fn take_kept(&self) -> Vec<Kept> {
        std::mem::take(&mut self.state.lock().kept).into()
    }

    /// What lay before the ships has been read: from where on the position moves with them.
    pub(super) fn is_caught_up(&self, number: u64) -> Option<Seq> {
        let mut state = self.state.lock();
        if state.number != number {
            return None;
        }
        state.contiguous = true;
        Some(state.through)
    }

    /// Whether nothing is missing of what the source has shown.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.state.lock().contiguous
    }

    /// Whether all of that partition up to a seq of the source's feed was taken in.
    pub(crate) fn has(&self, partition: Partition, through: Seq) -> bool {
        let state = self.state.lock();
        state.contiguous && state.through >= through && state.partitions.contains(partition)
    }

    /// Whether nothing of that partition is missing of what the source has shown.
    pub(crate) fn covers(&self, partition: Partition) -> bool {
        let state = self.state.lock();
        state.contiguous && state.partitions.contains(partition)
    }
}

/// Takes in what is shipped, until the link ends or the store stops.
pub(crate) async fn take(cluster: &Arc<Cluster>, peer: &Peer, link: &Arc<Link>) {
    let mut under_way = FuturesOrdered::new();
    loop {
        tokio::select! {
            biased;
            Some(taken) = under_way.next() => {
                let Some(taken) = taken else {
                    return;
                };
                acknowledge(cluster, peer, link, taken);
            }
            ship = peer.taking.next(link.serial()), if under_way.len() < TAKING_AT_A_TIME_MAX => {
                if ship.entries.iter().any(Entry::is_whole) {
                    cluster.budget.clients_are_there();
                }
                under_way.push_back(take_in(cluster, (peer.id, link), ship));
            }
        }
    }
}

fn acknowledge(cluster: &Cluster, peer: &Peer, link: &Link, mut taken: Acknowledge) {
    if let Some(contiguous) = peer.taking.taken(taken.number, taken.through) {
        taken.contiguous = contiguous;
        if contiguous {
            cluster.positions.advance(peer.id, taken.through);
        }
        link.notify(number::ACKNOWLEDGE, &taken);
    }
}

impl Cluster {
    /// Those of them that this node wants now: of what it has dropped nothing comes in any more.
    pub(super) fn wanted(&self, shipped: Vec<Shipped>) -> Vec<Shipped> {
        if shipped.is_empty() {
            return shipped;
        }
        let wants = self.view().wants();
        shipped.into_iter().filter(|it| wants.contains(Partition::of(&it.name))).collect()
    }
}

/// The call submits what needs no asking back; the future waits. None where it cannot be done on this link.
fn take_in<'a>(
    cluster: &'a Arc<Cluster>,
    (peer, link): (NodeId, &'a Arc<Link>),
    ship: Ship,
) -> impl Future<Output = Option<Acknowledge>> + use<'a> {
    let understood: Option<Vec<Shipped>> =
        ship.entries.into_iter().map(|entry| entry.understood()).collect();
    let (number, through) = (ship.number, ship.through);
    let durability = if ship.sync { Durability::Sync } else { Durability::Relaxed };
    let sound = understood.is_some();
    let wanted = cluster.wanted(understood.unwrap_or_default());
    let (whole, notices): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|it| it.record.is_some());
    let arrivals: Vec<_> = whole.iter().filter_map(|it| it.clone().into_arrival(true)).collect();
    let first = (!arrivals.is_empty()).then(|| submit(cluster, arrivals.clone(), durability));
    async move {
        if !sound {
            return None;
        }
        let mut kept = Vec::new();
        if let Some(first) = first {
            let taken = match first.await {
                Ok(taken) => taken,
                Err(error) => again(cluster, arrivals, durability, error).await?,
            };
            kept.extend(kept_over(peer, &whole, taken));
        }
        let notices = Notices { notices, gone: true };
        kept.extend(take_lacking(cluster, (peer, link), notices, durability).await?.kept);
        Some(Acknowledge { number, through, kept, contiguous: false })
    }
}

/// Of records that came from a source, those that something newer stood in the way of, or that took the place of
/// what they were not written over.
pub(super) fn kept_over(
    source: NodeId,
    came: &[Shipped],
    taken: Vec<TakenIn>,
) -> impl Iterator<Item = Kept> {
    came.iter().zip(taken).filter_map(move |(came, taken)| kept(source, came, taken))
}

/// One of them.
pub(super) fn kept(source: NodeId, came: &Shipped, taken: TakenIn) -> Option<Kept> {
    match taken {
        TakenIn::Kept(stamp) => Kept::newer(came, stamp.version),
        // What the source wrote before it knows itself.
        TakenIn::Applied { unseen } => {
            unseen.filter(|it| it.node != source).map(|unseen| Kept::of(came, unseen))
        }
    }
}

impl Cluster {
    /// Takes in what other nodes have. Where that takes the place of what this node wrote, and was not written over
    /// it, whoever waits for a write of the record is told. The call submits; the future waits.
    pub(crate) fn take_in(
        &self,
        arrivals: Vec<Arrival>,
        durability: Durability,
    ) -> BoxFuture<'_, Result<Vec<TakenIn>, WriteError>> {
        let came = |it: &Arrival| (name_hash(&it.name), it.record.version);
        let came: Vec<_> = arrivals.iter().map(came).collect();
        let taking = self.store.take_in(arrivals, durability);
        async move {
            let taken = taking.await?;
            let overtaken = came.into_iter().zip(&taken).filter_map(|(came, taken)| match taken {
                TakenIn::Applied { unseen: Some(unseen) } if unseen.node == self.me => Some(came),
                _ => None,
            });
            self.acks.newer(self, overtaken);
            Ok(taken)
        }
        .boxed()
    }
}

/// Takes the records in; tries again where there is no room now. None where the store has stopped.
pub(super) async fn take_in_for_sure(
    cluster: &Arc<Cluster>,
    arrivals: Vec<Arrival>,
    durability: Durability,
) -> Option<Vec<TakenIn>> {
    match submit(cluster, arrivals.clone(), durability).await {
        Ok(taken) => Some(taken),
        Err(error) => again(cluster, arrivals, durability, error).await,
    }
}

/// The call submits; the future waits, and keeps what it needs alive.
fn submit(
    cluster: &Cluster,
    arrivals: Vec<Arrival>,
    durability: Durability,
) -> BoxFuture<'_, Result<Vec<TakenIn>, WriteError>> {
    cluster.take_in(arrivals, durability)
}

async fn again(
    cluster: &Arc<Cluster>,
    arrivals: Vec<Arrival>,
    durability: Durability,
    error: WriteError,
) -> Option<Vec<TakenIn>> {
    let mut error = error;
    loop {
        match error {
            WriteError::Stopped(_) => return None,
            WriteError::Full | WriteError::Overloaded | WriteError::Unreadable(_) => {
                tracing::debug!(%error, "what came from a peer could not be taken in yet");
            }
        }
        sleep(Duration::from_millis(TAKE_RETRY_MILLIS)).await;
        match submit(cluster, arrivals.clone(), durability).await {
            Ok(taken) => return Some(taken),
            Err(later) => error = later,
        }
    }
}
