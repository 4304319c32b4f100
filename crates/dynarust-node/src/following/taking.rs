//! Taking: what a source ships is taken in, and acknowledged in seq order.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{TAKE_RETRY_MILLIS, TAKING_AT_A_TIME_MAX, TAKING_BYTES_MAX};
use dynarust_core::{Partition, PartitionSet, Record, Seq, Version, name_hash};
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
}

impl Taking {
    /// A new follow begins: what came for earlier ones counts no more. None where a later link has one.
    pub(super) fn begin(&self, serial: u64, partitions: PartitionSet) -> Option<u64> {
        let mut state = self.state.lock();
        if serial < state.serial {
            return None;
        }
        let number = state.number + 1;
        *state = State { serial, number, partitions, ..State::default() };
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
                under_way.push_back(take_in(cluster, (peer, link), ship));
            }
        }
    }
}

fn acknowledge(cluster: &Cluster, peer: &Peer, link: &Link, mut taken: Acknowledge) {
    if let Some(contiguous) = peer.taking.taken(taken.number, taken.through) {
        taken.contiguous = contiguous;
        taken.kept = peer.to_tell.take();
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
    (peer, link): (&'a Peer, &'a Arc<Link>),
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
        if let Some(first) = first {
            let taken = match first.await {
                Ok(taken) => taken,
                Err(error) => again(cluster, arrivals, durability, error).await?,
            };
            cluster.note_kept(peer, &whole, taken).await;
        }
        let notices = Notices { notices, gone: true };
        take_lacking(cluster, (peer, link), notices, durability).await?;
        Some(Acknowledge { number, through, ..Acknowledge::default() })
    }
}

impl Cluster {
    /// Of records that came from a source, notes those that something newer stood in the way of, or that took the
    /// place of what they were not written over.
    pub(super) async fn note_kept(&self, source: &Peer, came: &[Shipped], taken: Vec<TakenIn>) {
        for (came, taken) in came.iter().zip(taken) {
            let there = match taken {
                TakenIn::Kept(stamp) if stamp.version > came.stamp.version => {
                    self.not_written_over((source, came), stamp.version).await
                }
                TakenIn::Kept(_) => None,
                TakenIn::Applied { unseen } => unseen,
            };
            self.tell_kept(source, came, there);
        }
    }

    /// What is there in place of a record that came; none where it was written over just that.
    async fn not_written_over(
        &self,
        (source, came): (&Peer, &Shipped),
        there: Version,
    ) -> Option<Version> {
        let present = match self.store.peek(&came.name) {
            Some(stored) => Some(stored),
            None => self.store.get(came.name.clone()).await.ok().flatten(),
        };
        match present {
            Some(stored) => unseen_by(came, &stored.record),
            None => {
                // It is damaged, and what it claims to be may be wrong: its source hears of it though it seems to be
                // its own.
                if there.node == source.id {
                    source.to_tell.add([Kept::of(came, there)]);
                }
                Some(there)
            }
        }
    }

    /// Who sent a record, and who stamped it, are to hear that this version stood in its way, or was not seen by it.
    pub(super) fn tell_kept(&self, source: &Peer, came: &Shipped, there: Option<Version>) {
        let Some(there) = there else { return };
        let kept = Kept::of(came, there);
        let stamped_by = came.stamp.version.node;
        // What a node wrote before it knows itself.
        if there.node != source.id {
            source.to_tell.add([kept.clone()]);
        }
        if ![source.id, self.me, there.node].contains(&stamped_by)
            && let Some(writer) = self.peer(stamped_by)
        {
            writer.to_tell.add([kept]);
        }
    }
}

/// The version of what is there, if it is newer than a record that came, and was not written over just that.
pub(super) fn unseen_by(came: &Shipped, there: &Record) -> Option<Version> {
    let came = came.stamp.version;
    (there.version > came && there.previous != Some(came)).then_some(there.version)
}

impl Cluster {
    /// Takes in what other nodes have. Where that takes the place of what this node wrote, and was not written over
    /// it, whoever waits for a write of the record is told. The call submits; the future waits.
    pub(crate) fn take_in(
        &self,
        arrivals: Vec<Arrival>,
        durability: Durability,
    ) -> BoxFuture<'_, Result<Vec<TakenIn>, WriteError>> {
        let came = |it: &Arrival| Came {
            name_hash: name_hash(&it.name),
            version: it.record.version,
            previous: it.record.previous,
        };
        let came = arrivals.iter().map(came).collect();
        let mut noting = Noting { cluster: self, came };
        let taking = self.store.take_in(arrivals, durability);
        async move {
            let taken = taking.await;
            let came = std::mem::take(&mut noting.came);
            let taken = taken?;
            let overtaken = came.into_iter().zip(&taken).filter_map(|(came, taken)| match taken {
                TakenIn::Applied { unseen: Some(unseen) } if unseen.node == self.me => {
                    Some((came.name_hash, came.version))
                }
                _ => None,
            });
            self.acks.newer(self, overtaken);
            Ok(taken)
        }
        .boxed()
    }
}

/// Records on their way into the store.
struct Noting<'a> {
    cluster: &'a Cluster,
    came: Vec<Came>,
}

/// One of them.
struct Came {
    name_hash: u64,
    version: Version,
    previous: Option<Version>,
}

/// Where nobody hears any more what became of them, as when their link has ended, each may have taken the place of
/// what this node wrote: but for those that were written over a write of this node.
impl Drop for Noting<'_> {
    fn drop(&mut self) {
        let me = self.cluster.me;
        let came = self.came.iter();
        let came = came
            .filter(|it| it.version.node != me)
            .filter(|it| it.previous.is_none_or(|previous| previous.node != me));
        let may_overtake: Vec<_> = came.map(|it| (it.name_hash, it.version)).collect();
        self.cluster.acks.newer(self.cluster, may_overtake.into_iter());
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
