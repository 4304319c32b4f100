//! A reader's stream, wherever the records are: this node's own [`LiveStream`], and beside it what live
//! owners tell of the partitions that this node does not serve.
//!
//! ```text
//! own store ─▶ LiveStream ─▶ partitions served here ─┐
//! owner A ─▶ Watching ─▶ some of the others ─────────┼─▶ Subscription ─▶ reader
//! owner B ─▶ Watching ─▶ the rest of them ───────────┘
//! ```
//!
//! Invariants:
//! - each partition comes from one node, from its state on: a node's own stream has no gap, and no version
//!   of a key falls in it, so neither does so here;
//! - a partition changes over to another node behind `reset` alone, with the state of all; copies need not be
//!   equally far, so nothing less would keep versions from falling unnoticed;
//! - `ready` is told once all of the state was. What is there is told at once, whoever else is slow;
//! - an id of a stream with foreign parts leads to `reset`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::WATCH_RETRY_MILLIS;
use dynarust_core::{NodeId, Partition, PartitionSet, RecordName, Selection, Selector, Stored};
use dynarust_store::ReadError;
use futures_util::FutureExt;
use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::time::sleep;

use super::begin::{Begin, RESET_ID};
use super::event::{Event, Item};
use super::live_stream::LiveStream;
use super::owner::{Streams, SubscribeError};
use super::watching::{Told, Watching};
use crate::cluster::Cluster;
use crate::mesh::Channel;

/// See the module. Dropping it ends it.
pub struct Subscription {
    cluster: Arc<Cluster>,
    changes: watch::Receiver<u64>,
    selection: Selection,
    /// What is followed lies in these.
    followed: PartitionSet,
    own: LiveStream,
    /// Those of `followed` that come from this node.
    from_here: PartitionSet,
    others: Vec<Watching>,
    /// Those that nobody tells of yet.
    missing: PartitionSet,
    /// The state is told of what begins.
    state: bool,
    own_is_ready: bool,
    ready_is_told: bool,
    /// This node's stream begins anew: until it says so nobody else is listened to.
    resetting: bool,
    ended: bool,
}

/// What happened.
enum Step {
    Own(Result<Option<Vec<Item>>, ReadError>),
    Told(usize, Told),
    Changed,
}

impl Subscription {
    pub(crate) fn begin(
        cluster: &Arc<Cluster>,
        streams: &Arc<Streams>,
        selection: Selection,
        begin: Begin,
    ) -> Result<Self, SubscribeError> {
        if !cluster.is_alone() && !cluster.is_ready() {
            return Err(SubscribeError::NotReady);
        }
        let changes = cluster.changes();
        let followed = partitions_of(&selection);
        let from_here = followed.intersection(&served_here(cluster));
        let is_whole = from_here == followed;
        let begin = match begin {
            Begin::After(_) if !is_whole => Begin::After(RESET_ID.to_owned()),
            begin => begin,
        };
        let state = begin != Begin::Changes;
        let resetting = !is_whole && matches!(begin, Begin::After(_));
        let own = streams.subscribe(selection.clone(), begin)?;
        let mut subscription = Self {
            cluster: Arc::clone(cluster),
            changes,
            selection,
            missing: followed.difference(&from_here),
            followed,
            own,
            from_here,
            others: Vec::new(),
            state,
            own_is_ready: false,
            ready_is_told: false,
            resetting,
            ended: false,
        };
        if !resetting {
            subscription.watch_missing();
        }
        Ok(subscription)
    }

    /// The next items, at least one; `None` once it has ended. Cancel-safe.
    ///
    /// # Errors
    /// [`ReadError::Base`] where this node's store cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Item>>, ReadError> {
        if self.cluster.config.secret.is_none() {
            // Nobody else will ever come.
            return self.own.next().await;
        }
        while !self.ended {
            let items = match self.step().await {
                Step::Own(items) => match items? {
                    None => break,
                    Some(items) => self.take_own(items),
                },
                Step::Told(at, told) => self.take_told(at, told),
                Step::Changed => {
                    self.look_again();
                    Vec::new()
                }
            };
            if !items.is_empty() {
                return Ok(Some(items));
            }
        }
        self.ended = true;
        Ok(None)
    }

    /// The id that stands for all that was handed out.
    #[must_use]
    pub fn cursor(&self) -> String {
        if self.is_whole() { self.own.cursor() } else { RESET_ID.to_owned() }
    }

    /// All comes from this node.
    fn is_whole(&self) -> bool {
        !self.resetting && self.from_here == self.followed
    }

    async fn step(&mut self) -> Step {
        let waits = !self.resetting && !self.missing.is_empty();
        let alone = self.resetting || self.others.is_empty();
        let others = async {
            if alone {
                return std::future::pending().await;
            }
            let told = self.others.iter_mut().map(|other| other.next().boxed());
            let (told, at, _) = select_all(told).await;
            Step::Told(at, told)
        };
        let again = async {
            if !waits {
                return std::future::pending().await;
            }
            sleep(Duration::from_millis(WATCH_RETRY_MILLIS)).await;
        };
        tokio::select! {
            items = self.own.next() => Step::Own(items),
            step = others => step,
            Ok(()) = self.changes.changed() => Step::Changed,
            () = again => Step::Changed,
        }
    }

    /// What of this node's stream goes to the reader.
    fn take_own(&mut self, items: Vec<Item>) -> Vec<Item> {
        if self.is_whole() {
            self.ready_is_told |= items.iter().any(|item| item.event == Event::Ready);
            self.own_is_ready |= self.ready_is_told;
            return items;
        }
        let mut told = Vec::with_capacity(items.len());
        for Item { event, .. } in items {
            match event {
                Event::Change(stored) => {
                    if !self.resetting && self.from_here.contains(Partition::of(&stored.name)) {
                        told.push(foreign(Event::Change(stored)));
                    }
                }
                Event::Ready => self.own_is_ready = true,
                Event::Reset => {
                    told.push(foreign(Event::Reset));
                    self.begin_parts_anew();
                }
                Event::Lagged | Event::Closing { .. } => {
                    told.push(foreign(event));
                    self.ended = true;
                }
            }
        }
        self.tell_ready(&mut told);
        told
    }

    fn take_told(&mut self, at: usize, told: Told) -> Vec<Item> {
        match told {
            Told::Records(records) => self.take_records(at, records),
            Told::Lagged => {
                self.ended = true;
                vec![foreign(Event::Lagged)]
            }
            Told::Ended => {
                let other = self.others.swap_remove(at);
                if other.has_told {
                    self.reset();
                } else {
                    // Nothing of it is known to the reader: another may tell all of it.
                    self.missing = self.missing.union(&other.partitions);
                }
                Vec::new()
            }
        }
    }

    fn take_records(&mut self, at: usize, records: Vec<Arc<Stored>>) -> Vec<Item> {
        let Some(other) = self.others.get(at) else {
            return Vec::new();
        };
        let is_asked_for = |stored: &Arc<Stored>| {
            other.partitions.contains(Partition::of(&stored.name))
                && self.selection.matches(&stored.name)
        };
        let records = records.into_iter().filter(is_asked_for);
        let mut items: Vec<Item> = records.map(|it| foreign(Event::Change(it))).collect();
        self.tell_ready(&mut items);
        items
    }

    fn tell_ready(&mut self, items: &mut Vec<Item>) {
        let is_ready = self.own_is_ready
            && !self.resetting
            && self.missing.is_empty()
            && self.others.iter().all(|other| other.is_ready);
        if is_ready && !self.ready_is_told && !self.ended {
            self.ready_is_told = true;
            items.push(foreign(Event::Ready));
        }
    }

    /// Something changed in the cluster, or it is time.
    fn look_again(&mut self) {
        if self.resetting {
            return;
        }
        if !self.from_here.difference(&served_here(&self.cluster)).is_empty() {
            self.reset();
        } else if !self.missing.is_empty() {
            self.watch_missing();
        }
    }

    /// All begins anew, and the reader is told.
    fn reset(&mut self) {
        self.resetting = true;
        self.others.clear();
        self.own.begin_anew();
    }

    /// This node's stream begins anew from here on.
    fn begin_parts_anew(&mut self) {
        self.resetting = false;
        self.state = true;
        self.own_is_ready = false;
        self.ready_is_told = false;
        self.others.clear();
        self.from_here = self.followed.intersection(&served_here(&self.cluster));
        self.missing = self.followed.difference(&self.from_here);
        self.watch_missing();
    }

    /// Asks a live owner of each missing partition that has one.
    fn watch_missing(&mut self) {
        if self.missing.is_empty() {
            return;
        }
        let view = self.cluster.view();
        let mut asked: BTreeMap<NodeId, PartitionSet> = BTreeMap::new();
        for partition in self.missing.iter() {
            let serving = view.serving(partition);
            if let Some(id) = serving.into_iter().find(|id| self.reaches(*id)) {
                asked.entry(id).or_default().insert(partition);
            }
        }
        for (id, partitions) in asked {
            let link = self.cluster.peer(id).and_then(|peer| peer.link(Channel::Data));
            if let Some(link) = link {
                self.missing = self.missing.difference(&partitions);
                let watches = &self.cluster.watches;
                let watching = watches.begin(link, &self.selection, partitions, self.state);
                self.others.push(watching);
            }
        }
    }

    fn reaches(&self, id: NodeId) -> bool {
        let link = self.cluster.peer(id).and_then(|peer| peer.link(Channel::Data));
        link.is_some_and(|link| !link.is_closed())
    }
}

/// What a reader of foreign parts is told: no position of this node's feed stands for it.
fn foreign(event: Event) -> Item {
    Item { event, id: RESET_ID.to_owned() }
}

/// Where the records lie that are followed.
fn partitions_of(selection: &Selection) -> PartitionSet {
    let mut partitions = PartitionSet::default();
    for selector in selection.selectors() {
        match selector {
            Selector::Prefix(..) => return PartitionSet::all(),
            Selector::Key(table, key) => {
                partitions.insert(Partition::of(&RecordName::new(table, key)));
            }
        }
    }
    partitions
}

/// A node alone holds everything.
fn served_here(cluster: &Cluster) -> PartitionSet {
    if cluster.is_alone() {
        return PartitionSet::all();
    }
    cluster.view().own().map(|own| own.serves.clone()).unwrap_or_default()
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("selection", &self.selection).finish_non_exhaustive()
    }
}
