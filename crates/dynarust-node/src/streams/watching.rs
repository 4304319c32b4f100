//! Watching: a live stream of this node is told by another what this node does not hold.
//!
//! Invariants:
//! - what comes for one stream is bounded: the peer sends what there is room for, and is told of room as
//!   messages are read;
//! - a watch ends where its link does, or its source says so; dropping it tells the source.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dynarust_core::limits::{REGISTRY_MEMBERS_MAX, RESUMES_ASKING_MAX, WATCHED_WAITING_MAX};
use dynarust_core::{Claims, NodeId, PartitionSet, RecordName, Selection, Stored};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{Semaphore, mpsc};

use super::part::From;
use crate::mesh::Link;
use crate::mesh::message::{ClaimText, SelectorText, Watch, WatchNumber, Watched, number};

/// All that this node's streams are told by others.
#[derive(Debug)]
pub(crate) struct Watches {
    waiting: Mutex<HashMap<u64, mpsc::Sender<Watched>>>,
    last_number: AtomicU64,
    /// Of streams that are resumed, those that ask others what they hold.
    pub(super) asking: Semaphore,
}

impl Default for Watches {
    fn default() -> Self {
        let asking = Semaphore::new(RESUMES_ASKING_MAX);
        Self { waiting: Mutex::default(), last_number: AtomicU64::default(), asking }
    }
}

/// What one peer tells one stream.
pub(super) struct Watching {
    watches: Arc<Watches>,
    link: Arc<Link>,
    /// Who tells it.
    pub(super) source: NodeId,
    number: u64,
    arrived: mpsc::Receiver<Watched>,
    /// Once the link is.
    closed: BoxFuture<'static, ()>,
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum Tidings {
    /// Some of it, in order.
    Some(Batch),
    /// Nothing more comes.
    Ended,
    /// Nothing more comes, since it was read too slowly.
    Lagged,
    /// Nothing comes, since the source cannot go on behind what the reader has.
    Unknown,
}

/// Records that a source tells together.
#[derive(Debug)]
pub(super) struct Batch {
    /// Of the source's feed.
    pub(super) records: Vec<Arc<Stored>>,
    /// They are state, in the order of names; else changes, behind all of the state.
    pub(super) is_state: bool,
    /// Behind them the source has told all that there was when it began.
    pub(super) is_ready: bool,
    /// What holds from the first of them on.
    pub(super) from: From,
}

/// What a source is asked to begin with.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// The present state.
    State,
    /// What is published from now on.
    Changes,
    /// What lies behind what the reader has: its id.
    Behind(String),
}

impl Watches {
    /// None where it makes no sense, or more comes than there is room for.
    pub(crate) fn arrive(&self, body: Bytes) -> Option<()> {
        let watched = Watched::decode(body).ok()?;
        let waiting = self.waiting.lock();
        let Some(sender) = waiting.get(&watched.number) else {
            // Its reader has gone.
            return Some(());
        };
        match sender.try_send(watched) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Some(()),
            Err(mpsc::error::TrySendError::Full(_)) => None,
        }
    }

    /// Asks the peer to tell of these partitions.
    pub(super) fn begin(
        self: &Arc<Self>,
        (source, link): (NodeId, Arc<Link>),
        selection: &Selection,
        partitions: &PartitionSet,
        ask: &Ask,
    ) -> Watching {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        // A refusal takes no room.
        let (sender, arrived) = mpsc::channel(WATCHED_WAITING_MAX + 1);
        self.waiting.lock().insert(number, sender);
        let selectors = selection.selectors().iter().map(SelectorText::of).collect();
        let partitions = partitions.to_bytes().to_vec().into();
        let behind = match ask {
            Ask::Behind(id) => Some(id.clone()),
            Ask::State | Ask::Changes => None,
        };
        let state = matches!(ask, Ask::State);
        link.notify(number::WATCH, &Watch { number, selectors, partitions, state, behind });
        let its_end = Arc::clone(&link);
        let closed = async move { its_end.closed().await }.boxed();
        Watching { watches: Arc::clone(self), link, source, number, arrived, closed }
    }
}

impl Watching {
    /// What comes next.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Tidings> {
        let watched = match self.arrived.poll_recv(context) {
            Poll::Ready(watched) => watched,
            Poll::Pending => {
                ready!(self.closed.as_mut().poll(context));
                None
            }
        };
        Poll::Ready(self.understood(watched))
    }

    fn understood(&mut self, watched: Option<Watched>) -> Tidings {
        let Some(watched) = watched else {
            return Tidings::Ended;
        };
        match watched {
            Watched { lagged: true, .. } => Tidings::Lagged,
            Watched { unknown: true, .. } => Tidings::Unknown,
            Watched { ended: true, .. } => Tidings::Ended,
            watched => {
                self.link.notify(number::WATCH_MORE, &WatchNumber { number: self.number });
                // What makes no sense ends it.
                Batch::of(self.source, watched).map_or(Tidings::Ended, Tidings::Some)
            }
        }
    }
}

impl Batch {
    /// Without the records that were not asked for.
    pub(super) fn only(mut self, is_asked_for: impl Fn(&RecordName) -> bool) -> Self {
        self.records.retain(|stored| is_asked_for(&stored.name));
        self
    }

    fn of(source: NodeId, watched: Watched) -> Option<Self> {
        let Watched { entries, is_state, ready, claims, alone, told, .. } = watched;
        let stored = entries.into_iter().map(|entry| {
            let shipped = entry.understood()?;
            let (name, seq) = (shipped.name, shipped.seq);
            Some(Arc::new(Stored { name, seq, record: shipped.record? }))
        });
        let records = stored.collect::<Option<Vec<_>>>()?;
        if claims.len() > REGISTRY_MEMBERS_MAX {
            return None;
        }
        let mut claims: Claims = claims.into_iter().map(ClaimText::understood).collect();
        if alone {
            claims.stand_alone(|_| true);
        }
        let told = told.map(ClaimText::understood).filter(|it| it.node == source)?;
        Some(Self { records, is_state, is_ready: ready, from: From { claims, told } })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.watches.waiting.lock().remove(&self.number);
        self.link.notify(number::UNWATCH, &WatchNumber { number: self.number });
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use dynarust_core::{Epoch, FeedPosition, Incarnation};

    use super::*;
    use crate::mesh::Channel;
    use crate::mesh::message::Entry;
    use crate::streams::tests::store::{selection, stored};

    fn begun() -> (Arc<Watches>, Arc<Link>, Watching) {
        let watches = Arc::new(Watches::default());
        let link = Link::new((Incarnation(1), Epoch(1)), Channel::Data, Arc::default());
        let all = PartitionSet::all();
        let source = (NodeId(1), Arc::clone(&link));
        let watching = watches.begin(source, &selection(&["*"]), &all, &Ask::State);
        (watches, link, watching)
    }

    async fn next(watching: &mut Watching) -> Tidings {
        poll_fn(|context| watching.poll_next(context)).await
    }

    fn message(watching: &Watching, seq: u64, ready: bool) -> Bytes {
        let entries = vec![Entry::of(&stored(seq, "a", Some("1")), None)];
        let at = ClaimText::of(&FeedPosition { node: NodeId(1), epoch: Epoch(2), seq });
        let (number, claims) = (watching.number, vec![at.clone()]);
        let watched =
            Watched { number, entries, ready, claims, told: Some(at), ..Watched::default() };
        watched.encode_to_vec().into()
    }

    #[tokio::test]
    async fn what_is_told_comes_in_order_and_then_the_end_of_the_link() {
        let (watches, link, mut watching) = begun();
        for seq in [3, 5] {
            watches.arrive(message(&watching, seq, seq == 5)).unwrap();
        }
        link.close();
        for seq in [3, 5] {
            let Tidings::Some(batch) = next(&mut watching).await else { panic!("it ended") };
            assert_eq!(batch.records, [stored(seq, "a", Some("1"))]);
            assert_eq!(batch.is_ready, seq == 5);
        }
        assert!(matches!(next(&mut watching).await, Tidings::Ended));
    }

    #[tokio::test]
    async fn a_source_that_sends_more_than_there_is_room_for_makes_no_sense() {
        let (watches, _, mut watching) = begun();
        for seq in 0..=WATCHED_WAITING_MAX as u64 {
            watches.arrive(message(&watching, seq, false)).unwrap();
        }
        assert!(watches.arrive(message(&watching, 99, false)).is_none());
        next(&mut watching).await;
        assert!(watches.arrive(message(&watching, 99, false)).is_some());
    }

    #[tokio::test]
    async fn what_its_source_left_out_stands_in_what_it_claims() {
        let (watches, _, mut watching) = begun();
        for alone in [false, true] {
            let message = Watched::decode(message(&watching, 3, false)).unwrap();
            let message = Watched { alone, ..message };
            watches.arrive(message.encode_to_vec().into()).unwrap();
            let Tidings::Some(batch) = next(&mut watching).await else { panic!("it ended") };
            assert_eq!(batch.from.claims.are_alone(), alone);
        }
    }

    #[test]
    fn nothing_stays_of_a_watch_that_is_dropped_and_what_comes_late_is_passed_over() {
        let (watches, _, watching) = begun();
        let late = message(&watching, 1, false);
        drop(watching);
        assert!(watches.waiting.lock().is_empty());
        assert!(watches.arrive(late).is_some());
    }
}
