//! Telling: another node's live stream is told what this node holds of what it follows.
//!
//! ```text
//! Watch ─▶ LiveStream of this node ─▶ only the partitions asked for ─▶ Watched, Watched, …
//!                                         a permit each ◀── WatchMore
//! ```
//!
//! Invariants:
//! - nothing is sent that the reader has no room for: a slow one lags here, in its own mailbox;
//! - what is told ends, and says so, as soon as this node does not serve one of the partitions any more;
//! - all ends with the link.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::limits::WATCHED_WAITING_MAX;
use dynarust_core::{Partition, PartitionSet, Selection, Selector};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::begin::Begin;
use super::event::{Event, Item};
use super::live_stream::LiveStream;
use crate::cluster::Cluster;
use crate::mesh::Link;
use crate::mesh::message::{Entry, Watch, WatchNumber, Watched, number};

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
        let begin = if watch.state { Begin::State } else { Begin::Changes };
        let number = watch.number;
        let node = cluster.node().filter(|_| serves(cluster, &partitions));
        let live = node.and_then(|node| node.streams.subscribe(selection, begin).ok());
        let Some(live) = live else {
            let ended = Watched { number, ended: true, ..Watched::default() };
            link.notify(number::WATCHED, &ended);
            return Some(());
        };
        let room = Arc::new(Semaphore::new(WATCHED_WAITING_MAX));
        let source = Source { cluster: Arc::clone(cluster), link: Arc::clone(link), partitions };
        let telling = source.tell(number, live, Arc::clone(&room));
        let task = tokio::spawn(cluster.tasks.task(telling));
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
    partitions: PartitionSet,
}

impl Source {
    async fn tell(self, number: u64, mut live: LiveStream, room: Arc<Semaphore>) {
        loop {
            let Ok(permit) = room.acquire().await else {
                return;
            };
            permit.forget();
            let told = tokio::select! {
                told = self.next(&mut live) => told,
                () = self.serves_no_more() => Watched { ended: true, ..Watched::default() },
            };
            let ended = told.ended;
            if !self.link.has_room().await {
                return;
            }
            self.link.notify(number::WATCHED, &Watched { number, ..told });
            if ended {
                return;
            }
        }
    }

    /// What is to be sent next: something.
    async fn next(&self, live: &mut LiveStream) -> Watched {
        loop {
            let items = match live.next().await {
                Ok(Some(items)) => items,
                Ok(None) => return Watched { ended: true, ..Watched::default() },
                Err(error) => {
                    tracing::error!(%error, "a stream of another node was cut short");
                    return Watched { ended: true, ..Watched::default() };
                }
            };
            let told = self.of(&items);
            if told.ready || told.ended || !told.entries.is_empty() {
                return told;
            }
        }
    }

    fn of(&self, items: &[Item]) -> Watched {
        let mut told = Watched::default();
        for item in items {
            match &item.event {
                Event::Change(stored) => {
                    if self.partitions.contains(Partition::of(&stored.name)) {
                        told.entries.push(Entry::of(stored, None));
                    }
                }
                Event::Ready => told.ready = true,
                Event::Lagged => (told.ended, told.lagged) = (true, true),
                // What was told cannot be gone on with: the reader begins anew.
                Event::Reset | Event::Closing { .. } => told.ended = true,
            }
            if told.ended {
                break;
            }
        }
        told
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
