//! Shipping: what this node publishes goes to a follower, in seq order, as it happens.
//!
//! At most so many bytes are on the way without an acknowledgement: a follower that is slow, or has stopped,
//! costs no more memory than that, and never holds up a writer that does not wait for it.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::limits::{CHUNK_BYTES_MAX, SHIP_RECORDS_MAX, SHIP_UNDER_WAY_BYTES_MAX};
use dynarust_core::{NodeId, Partition, PartitionSet, Seq, Stored};
use dynarust_store::{FeedRead, Store};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::Notify;

use crate::cluster::{Cluster, Peer};
use crate::mesh::message::{Entry, Failure, Follow, Following, Ship, number};
use crate::mesh::{Link, Reply};

/// How one follower is shipped to.
#[derive(Default)]
pub(crate) struct Shipment {
    state: Mutex<Option<State>>,
    changed: Notify,
}

struct State {
    /// The link over which it goes; a session of an earlier one, which may still be about to end, has no
    /// part in it.
    serial: u64,
    /// The follow that it answers.
    number: u64,
    partitions: PartitionSet,
    /// Where it began.
    head: Seq,
    /// Everything up to here was sent.
    shipped: Seq,
    /// Everything from the head to here was acknowledged.
    acknowledged: Seq,
    /// What was sent and not acknowledged: where it ends, and its bytes.
    under_way: VecDeque<(Seq, usize)>,
    under_way_bytes: usize,
}

/// What is to be shipped next.
struct Next {
    number: u64,
    after: Seq,
}

impl Shipment {
    fn begin(&self, (serial, number): (u64, u64), partitions: PartitionSet, head: Seq) {
        let mut state = self.state.lock();
        if state.as_ref().is_some_and(|state| state.serial > serial) {
            return;
        }
        *state = Some(State {
            serial,
            number,
            partitions,
            head,
            shipped: head,
            acknowledged: head,
            under_way: VecDeque::new(),
            under_way_bytes: 0,
        });
        drop(state);
        self.changed.notify_waiters();
    }

    /// The link has ended.
    pub(crate) fn end(&self, serial: u64) {
        let mut state = self.state.lock();
        if state.as_ref().is_some_and(|state| state.serial == serial) {
            *state = None;
        }
    }

    /// What is to be shipped; none while nobody follows, or too much is under way.
    fn next(&self, serial: u64) -> Option<Next> {
        let state = self.state.lock();
        let state = state.as_ref().filter(|state| state.serial == serial)?;
        (state.under_way_bytes < SHIP_UNDER_WAY_BYTES_MAX)
            .then_some(Next { number: state.number, after: state.shipped })
    }

    /// What of these the follower wants.
    fn wanted(&self, records: &[Arc<Stored>]) -> Vec<Arc<Stored>> {
        let state = self.state.lock();
        let Some(state) = state.as_ref() else {
            return Vec::new();
        };
        let wants = |stored: &&Arc<Stored>| state.partitions.contains(Partition::of(&stored.name));
        records.iter().filter(wants).cloned().collect()
    }

    /// Sends, if it is still for the same follow.
    fn send(&self, link: &Link, ship: &Ship) {
        let mut state = self.state.lock();
        let same =
            |state: &&mut State| (state.serial, state.number) == (link.serial(), ship.number);
        let Some(state) = state.as_mut().filter(same) else {
            return;
        };
        let bytes = ship.encoded_len();
        state.shipped = ship.through;
        state.under_way.push_back((ship.through, bytes));
        state.under_way_bytes += bytes;
        link.notify(number::SHIP, ship);
    }

    /// Notes that the follower has everything up to `through`. Where it began, and how far it is.
    pub(super) fn acknowledge(
        &self,
        (serial, number): (u64, u64),
        through: Seq,
    ) -> Option<(Seq, Seq)> {
        let mut state = self.state.lock();
        let same = |state: &&mut State| (state.serial, state.number) == (serial, number);
        let state = state.as_mut().filter(same)?;
        let through = through.min(state.shipped);
        state.acknowledged = state.acknowledged.max(through);
        while let Some((end, bytes)) = state.under_way.front().copied() {
            if end > state.acknowledged {
                break;
            }
            state.under_way.pop_front();
            state.under_way_bytes -= bytes;
        }
        let reached = (state.head, state.acknowledged);
        self.changed.notify_waiters();
        Some(reached)
    }
}

/// Answers a follow: the follower is shipped all that is published from now on.
pub(crate) fn begin_shipping(cluster: &Cluster, peer: &Peer, link: &Link, body: Bytes) -> Reply {
    let follow = Follow::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let partitions = PartitionSet::from_bytes(&follow.partitions).ok_or(Failure::NotUnderstood)?;
    let position = cluster.store.position();
    peer.shipment.begin((link.serial(), follow.number), partitions.clone(), position.seq);
    cluster.acks.follows(peer.id, partitions, position.seq);
    let following = Following { epoch: position.epoch.0, head: position.seq };
    Ok(following.encode_to_vec().into())
}

/// Ships until the link ends.
pub(crate) async fn ship(cluster: &Cluster, peer: &Peer, link: &Link) {
    let mut published = cluster.store.published();
    loop {
        published.mark_unchanged();
        let mut changed = pin!(peer.shipment.changed.notified());
        // From here on nothing is missed.
        changed.as_mut().enable();
        let Some(next) = peer.shipment.next(link.serial()) else {
            changed.await;
            continue;
        };
        if !link.has_room().await {
            return;
        }
        let Ok((records, through)) = published_behind(&*cluster.store, next.after).await else {
            return;
        };
        if through == next.after {
            tokio::select! {
                () = changed => {}
                more = published.changed() => if more.is_err() {
                    return;
                },
            }
            continue;
        }
        let wanted = peer.shipment.wanted(&records);
        let entries =
            wanted.iter().map(|stored| entry(cluster.me, &*cluster.store, stored)).collect();
        let sync = through <= cluster.store.synced();
        peer.shipment.send(link, &Ship { number: next.number, entries, through, sync });
    }
}

/// What was published behind a seq, some of it, and up to where that is.
async fn published_behind(
    store: &dyn Store,
    after: Seq,
) -> Result<(Vec<Arc<Stored>>, Seq), dynarust_store::ReadError> {
    if let Some(records) = store.tail(after, SHIP_RECORDS_MAX) {
        let through = records.last().map_or(after, |stored| stored.seq);
        return Ok((records, through));
    }
    let page = store.feed(FeedRead::behind(after, SHIP_RECORDS_MAX, CHUNK_BYTES_MAX)).await?;
    Ok((page.records, page.through))
}

/// A record that this node stamped goes whole; others got theirs from who stamped it, or pull it.
fn entry(me: NodeId, store: &dyn Store, stored: &Stored) -> Entry {
    if stored.record.version.node == me {
        Entry::of(stored, store.request_at(stored.seq).as_ref())
    } else {
        Entry::notice(stored)
    }
}
