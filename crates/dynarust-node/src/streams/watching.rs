//! Watching: a live stream of this node is told by another what this node does not hold.
//!
//! Invariants:
//! - what comes for one stream is bounded: the peer sends what there is room for, and is told of room as
//!   messages are read;
//! - a watch ends where its link does, or its source says so; dropping it tells the source.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use dynarust_core::limits::WATCHED_WAITING_MAX;
use dynarust_core::{PartitionSet, Selection, Stored};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::mpsc;

use crate::mesh::Link;
use crate::mesh::message::{SelectorText, Watch, WatchNumber, Watched, number};

/// All that this node's streams are told by others.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    waiting: Mutex<HashMap<u64, mpsc::Sender<Watched>>>,
    last_number: AtomicU64,
}

/// What one peer tells one stream.
#[derive(Debug)]
pub(super) struct Watching {
    watches: Arc<Watches>,
    link: Arc<Link>,
    number: u64,
    arrived: mpsc::Receiver<Watched>,
    /// What it is about.
    pub(super) partitions: PartitionSet,
    /// Something came.
    pub(super) has_told: bool,
    /// Its state was told.
    pub(super) is_ready: bool,
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum Told {
    /// States or changes, in order.
    Records(Vec<Arc<Stored>>),
    /// Nothing more comes.
    Ended,
    /// Nothing more comes, since it was read too slowly.
    Lagged,
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
        link: Arc<Link>,
        selection: &Selection,
        partitions: PartitionSet,
        state: bool,
    ) -> Watching {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        // A refusal takes no room.
        let (sender, arrived) = mpsc::channel(WATCHED_WAITING_MAX + 1);
        self.waiting.lock().insert(number, sender);
        let selectors = selection.selectors().iter().map(SelectorText::of).collect();
        let bytes = partitions.to_bytes().to_vec().into();
        link.notify(number::WATCH, &Watch { number, selectors, partitions: bytes, state });
        let watches = Arc::clone(self);
        Watching { watches, link, number, arrived, partitions, has_told: false, is_ready: false }
    }
}

impl Watching {
    /// What comes next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Told {
        let watched = tokio::select! {
            biased;
            watched = self.arrived.recv() => watched,
            () = self.link.closed() => None,
        };
        let Some(watched) = watched else {
            return Told::Ended;
        };
        match watched {
            Watched { lagged: true, .. } => Told::Lagged,
            Watched { ended: true, .. } => Told::Ended,
            Watched { entries, ready, .. } => {
                self.link.notify(number::WATCH_MORE, &WatchNumber { number: self.number });
                self.has_told = true;
                self.is_ready |= ready;
                let stored = entries.into_iter().map(|entry| {
                    let shipped = entry.understood()?;
                    let (name, seq) = (shipped.name, shipped.seq);
                    Some(Arc::new(Stored { name, seq, record: shipped.record? }))
                });
                let stored: Option<Vec<_>> = stored.collect();
                stored.map_or(Told::Ended, Told::Records)
            }
        }
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
    use dynarust_core::{Epoch, Incarnation};

    use super::*;
    use crate::mesh::Channel;
    use crate::mesh::message::Entry;
    use crate::streams::tests::store::{selection, stored};

    fn begun() -> (Arc<Watches>, Arc<Link>, Watching) {
        let watches = Arc::new(Watches::default());
        let link = Link::new((Incarnation(1), Epoch(1)), Channel::Data, Arc::default());
        let all = PartitionSet::all();
        let watching = watches.begin(Arc::clone(&link), &selection(&["*"]), all, true);
        (watches, link, watching)
    }

    fn message(watching: &Watching, seq: u64, ready: bool) -> Bytes {
        let entries = vec![Entry::of(&stored(seq, "a", Some("1")), None)];
        Watched { number: watching.number, entries, ready, ..Watched::default() }
            .encode_to_vec()
            .into()
    }

    #[tokio::test]
    async fn what_is_told_comes_in_order_and_then_the_end_of_the_link() {
        let (watches, link, mut watching) = begun();
        for seq in [3, 5] {
            watches.arrive(message(&watching, seq, seq == 5)).unwrap();
        }
        link.close();
        for seq in [3, 5] {
            let Told::Records(records) = watching.next().await else { panic!("it ended") };
            assert_eq!(records, [stored(seq, "a", Some("1"))]);
            assert_eq!(watching.is_ready, seq == 5);
        }
        assert!(matches!(watching.next().await, Told::Ended));
    }

    #[tokio::test]
    async fn a_source_that_sends_more_than_there_is_room_for_makes_no_sense() {
        let (watches, _, mut watching) = begun();
        for seq in 0..=WATCHED_WAITING_MAX as u64 {
            watches.arrive(message(&watching, seq, false)).unwrap();
        }
        assert!(watches.arrive(message(&watching, 99, false)).is_none());
        watching.next().await;
        assert!(watches.arrive(message(&watching, 99, false)).is_some());
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
