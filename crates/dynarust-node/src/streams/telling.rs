//! Telling: another node's live stream is told what this node holds of what it follows.
//!
//! ```text
//! Watch ─▶ LiveStream of this node, of the partitions asked for ─▶ Watched, Watched, …
//!                                                 a permit each ◀── WatchMore
//! ```
//!
//! Invariants:
//! - nothing is sent that the reader has no room for: a slow one lags here, in its own mailbox;
//! - what is told ends, and says so, as soon as this node does not serve one of the partitions any more;
//! - all ends with the link.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{
    REGISTRY_MEMBERS_MAX, WATCHED_IDLE_MILLIS, WATCHED_LOOK_MILLIS, WATCHED_LOOKS,
    WATCHED_WAITING_MAX,
};
use dynarust_core::{Epoch, NodeId, PartitionSet, Selection, Selector, StreamCursor};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::begin::{self, Start};
use super::event::{Event, Local, Place};
use super::live_stream::LiveStream;
use super::resume::resume;
use crate::cluster::Cluster;
use crate::mesh::Link;
use crate::mesh::message::{ClaimText, Entry, Watch, WatchNumber, Watched, number};

/// All that is told over one link.
#[derive(Default)]
pub(crate) struct Tellings(Mutex<HashMap<u64, Telling>>);

/// Dropping it ends its task.
struct Telling {
    /// A permit for each message that the reader has room for.
    room: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Tellings {
    /// None where it makes no sense.
    pub(crate) fn begin(
        &self,
        cluster: &Arc<Cluster>,
        link: &Arc<Link>,
        body: Bytes,
    ) -> Option<()> {
        let watch = Watch::decode(body).ok()?;
        let partitions = PartitionSet::from_bytes(&watch.partitions)?;
        let selectors: Option<Vec<Selector>> =
            watch.selectors.into_iter().map(|it| it.understood()).collect();
        let selection = Selection::new(selectors?).ok()?;
        let number = watch.number;
        let node = cluster.node().filter(|_| serves(cluster, &partitions));
        let live = node.and_then(|node| node.streams.take_on(Arc::new(selection.clone())).ok());
        let Some(mut live) = live else {
            let ended = Watched { number, ended: true, ..Watched::default() };
            link.notify(number::WATCHED, &ended);
            return Some(());
        };
        let partitions = Arc::new(partitions);
        let behind = match watch.behind {
            Some(id) => Some(begin::read(&id, &selection)),
            None => {
                // From here on nothing is missed.
                let start = if watch.state { Start::State { reset: false } } else { Start::Now };
                live.start(start, Arc::clone(&partitions));
                None
            }
        };
        let room = Arc::new(Semaphore::new(WATCHED_WAITING_MAX));
        let source = Source {
            cluster: Arc::clone(cluster),
            link: Arc::clone(link),
            number,
            partitions,
            room: Arc::clone(&room),
        };
        let task = tokio::spawn(cluster.tasks.task(source.tell(live, behind)));
        self.0.lock().insert(number, Telling { room, task });
        Some(())
    }

    /// The reader has room for one more message.
    pub(crate) fn more(&self, body: Bytes) -> Option<()> {
        let number = WatchNumber::decode(body).ok()?.number;
        if let Some(telling) = self.0.lock().get(&number) {
            // Never more than it began with, whatever the peer says.
            if telling.room.available_permits() < WATCHED_WAITING_MAX {
                telling.room.add_permits(1);
            }
        }
        Some(())
    }

    /// There is no reader any more.
    pub(crate) fn end(&self, body: Bytes) -> Option<()> {
        let number = WatchNumber::decode(body).ok()?.number;
        self.0.lock().remove(&number);
        Some(())
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether this node holds all of that, in full, and answers.
fn serves(cluster: &Cluster, partitions: &PartitionSet) -> bool {
    let view = cluster.view();
    cluster.is_ready()
        && view.own().is_some_and(|own| partitions.difference(&own.serves).is_empty())
}

/// What is told, and to whom.
struct Source {
    cluster: Arc<Cluster>,
    link: Arc<Link>,
    number: u64,
    partitions: Arc<PartitionSet>,
    room: Arc<Semaphore>,
}

impl Source {
    async fn tell(self, mut live: LiveStream, behind: Option<Option<StreamCursor>>) {
        let last = tokio::select! {
            last = self.tell_all(&mut live, behind) => last,
            () = self.serves_no_more() => Some(Watched { ended: true, ..Watched::default() }),
        };
        if let Some(last) = last {
            self.send(last).await;
        }
    }

    /// To the end, which it returns; none where there is nobody to hear it.
    async fn tell_all(
        &self,
        live: &mut LiveStream,
        behind: Option<Option<StreamCursor>>,
    ) -> Option<Watched> {
        if let Some(cursor) = behind {
            let resumed = match &cursor {
                Some(cursor) => resume(&self.cluster, &self.partitions, cursor).await,
                None => None,
            };
            let Some(resumed) = resumed else {
                return Some(Watched { ended: true, unknown: true, ..Watched::default() });
            };
            live.start(Start::Behind(resumed), Arc::clone(&self.partitions));
        }
        let mut idling = Idling::begin(self.cluster.changes());
        loop {
            let told = tokio::select! {
                told = live.next() => told,
                is_long = idling.ends() => {
                    let message = live.place().map(|place| from(live, &place));
                    if let Some(message) = message.filter(|it| is_long || idling.is_news(it)) {
                        idling.is_told(&message);
                        self.send(message).await?;
                    }
                    continue;
                }
            };
            let items = match told {
                Ok(Some(items)) => items,
                Ok(None) => return Some(Watched { ended: true, ..Watched::default() }),
                Err(error) => {
                    tracing::error!(%error, "a stream of another node was cut short");
                    return Some(Watched { ended: true, ..Watched::default() });
                }
            };
            for part in parts(items) {
                match Self::message(live, part) {
                    Ok(message) => {
                        idling.is_told(&message);
                        self.send(message).await?;
                    }
                    Err(last) => return Some(last),
                }
            }
        }
    }

    /// None where the link has ended.
    async fn send(&self, message: Watched) -> Option<()> {
        self.room.acquire().await.ok()?.forget();
        self.link.has_room().await.then(|| {
            let number = self.number;
            self.link.notify(number::WATCHED, &Watched { number, ..message });
        })
    }

    /// # Errors
    /// The last message, where the items say that nothing more comes.
    fn message(live: &mut LiveStream, items: Vec<Local>) -> Result<Watched, Watched> {
        let place = items.first().and_then(|first| first.place.as_ref());
        let mut message = place.map(|place| from(live, place)).unwrap_or_default();
        for Local { event, .. } in items {
            match event {
                Event::Change(stored) => message.entries.push(Entry::of(&stored, None)),
                Event::Ready => message.ready = true,
                Event::Lagged => {
                    return Err(Watched { ended: true, lagged: true, ..Watched::default() });
                }
                // What was told cannot be gone on with.
                Event::Reset => {
                    return Err(Watched { ended: true, unknown: true, ..Watched::default() });
                }
                Event::Closing { .. } => {
                    return Err(Watched { ended: true, ..Watched::default() });
                }
            }
        }
        Ok(message)
    }

    async fn serves_no_more(&self) {
        let mut changes = self.cluster.changes();
        while serves(&self.cluster, &self.partitions) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// While there is nothing to tell, it is told now and then how far that is.
///
/// A claim is one in some start of a node, and an id holds what all parts of its stream claim there: so where a node has
/// started anew, a part to which nothing happens says so soon, or the others' claims in that node's feed would be for
/// nothing.
struct Idling {
    changes: watch::Receiver<u64>,
    /// Something has changed: so often it is looked soon.
    looks: u32,
    /// In which starts of which nodes something was claimed last.
    claimed: Vec<(NodeId, Epoch)>,
}

impl Idling {
    /// What has just changed may show in a moment.
    fn begin(changes: watch::Receiver<u64>) -> Self {
        Self { changes, looks: WATCHED_LOOKS, claimed: Vec::new() }
    }

    /// True once it was long.
    async fn ends(&mut self) -> bool {
        let is_long = self.looks == 0;
        let millis = if is_long { WATCHED_IDLE_MILLIS } else { WATCHED_LOOK_MILLIS };
        tokio::select! {
            Ok(()) = self.changes.changed() => {
                self.looks = WATCHED_LOOKS;
                false
            }
            () = sleep(Duration::from_millis(millis)) => {
                self.looks = self.looks.saturating_sub(1);
                is_long
            }
        }
    }

    fn is_news(&self, message: &Watched) -> bool {
        !message.claims.iter().map(ClaimText::start).eq(self.claimed.iter().copied())
    }

    fn is_told(&mut self, message: &Watched) {
        if self.is_news(message) {
            self.claimed = message.claims.iter().map(ClaimText::start).collect();
        }
    }
}

/// What holds from there on.
fn from(live: &mut LiveStream, place: &Place) -> Watched {
    let told = Some(ClaimText::of(&live.told(place)));
    let claims = live.claims(place);
    Watched {
        is_state: place.state_through.is_some(),
        claims: claims.iter().take(REGISTRY_MEMBERS_MAX).map(ClaimText::of).collect(),
        alone: claims.are_alone(),
        told,
        ..Watched::default()
    }
}

/// What can be told together: records of the state, or changes.
fn parts(items: Vec<Local>) -> Vec<Vec<Local>> {
    let kind = |item: &Local| match (&item.event, &item.place) {
        (Event::Change(_), Some(place)) => Some(place.state_through.is_some()),
        _ => None,
    };
    let mut parts: Vec<Vec<Local>> = Vec::new();
    for item in items {
        let goes_on = |part: &&mut Vec<Local>| {
            let last = part.last().and_then(kind);
            last.is_some() && last == kind(&item)
        };
        match parts.last_mut().filter(goes_on) {
            Some(part) => part.push(item),
            None => parts.push(vec![item]),
        }
    }
    parts
}
