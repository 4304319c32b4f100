//! What a node holds of its cluster, and the ways in which that changes.
//!
//! Invariants:
//! - a view is replaced whole, under one lock, and never goes back: registries only grow together;
//! - whoever waits for a change of the view or of somebody's liveness waits on `changed`, and looks again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use dynarust_core::placement::Placement;
use dynarust_core::skew::Verdict;
use dynarust_core::{
    ClusterId, Consistency, Incarnation, Member, MemberState, NodeId, Partition, PartitionSet,
    RecordName, Registry, Replicas,
};
use dynarust_store::{Store, WallClock};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::leave::Departure;
use super::note::NoteDue;
use super::rejoin::{Completeness, Former};
use super::{ClusterConfig, ClusterError, ClusterFigures, Leftovers, Liveness, Moves, Peer, View};
use crate::Node;
use crate::coordinate::{Acks, Proposals, replicas};
use crate::environment::{Environment, Tasks};
use crate::following::{Budget, Copying, Positions, Remembered};
use crate::membership::ALONE;
use crate::mesh::message::{MemberText, Members, number};
use crate::mesh::{Channel, Network};
use crate::streams::Watches;

/// See the module.
pub(crate) struct Cluster {
    pub(crate) me: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) config: ClusterConfig,
    view: RwLock<Arc<View>>,
    peers: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
    /// Rises with every change of the view, of a link, or of a position.
    changed: watch::Sender<u64>,
    /// Where this node is in the others' feeds.
    pub(crate) positions: Arc<Positions>,
    /// What is copied from whom.
    pub(crate) copying: Copying,
    /// What background work may move.
    pub(crate) budget: Budget,
    /// How far the others know this node's feed for sure.
    pub(crate) remembered: Remembered,
    /// What is dropped, and taken in again.
    pub(crate) moves: Moves,
    /// What is to be dropped, though it was never served.
    pub(super) leftovers: Leftovers,
    /// Where the others are in this node's feed, and who waits for them.
    pub(crate) acks: Acks,
    /// Conditional writes that this node coordinates.
    pub(crate) proposals: Proposals,
    /// What live streams of this node are told by others.
    pub(crate) watches: Arc<Watches>,
    pub(crate) figures: ClusterFigures,
    pub(super) clock_verdict: Mutex<Verdict>,
    /// Why this node cannot take part any more; who runs it waits for that.
    failure: watch::Sender<Option<ClusterError>>,
    /// Who carries out what others ask for.
    node: OnceLock<Weak<Node>>,
    /// Of the view: looked at by every request.
    alone: AtomicBool,
    /// Whether this start may answer: it has founded, joined, or looked for the others again.
    ready: watch::Sender<bool>,
    pub(super) note_due: NoteDue,
    pub(super) completeness: Completeness,
    /// Whose the folder was, until this node has joined in its place.
    pub(super) former: Option<Former>,
    pub(super) departure: watch::Sender<Departure>,
    /// Where others reach this node has been seen.
    pub(super) address_seen: OnceLock<()>,
    pub(crate) tasks: Tasks,
    running: Mutex<JoinSet<()>>,
}

impl Cluster {
    pub(super) fn new(
        store: Arc<dyn Store>,
        environment: Environment,
        config: ClusterConfig,
        (view, positions): (View, Positions),
        (completeness, former, leftovers): (Completeness, Option<Former>, Leftovers),
        refused: Option<ClusterError>,
    ) -> Arc<Self> {
        let alone = AtomicBool::new(view.is_alone());
        let background_bytes = config.background_bytes_per_second;
        Arc::new(Self {
            me: view.me,
            incarnation: Incarnation(store.stats().incarnation),
            store,
            clock: environment.clock,
            network: environment.network,
            config,
            view: RwLock::new(Arc::new(view)),
            peers: RwLock::default(),
            changed: watch::Sender::new(0),
            positions: Arc::new(positions),
            copying: Copying::default(),
            budget: Budget::new(background_bytes),
            remembered: Remembered::default(),
            moves: Moves::default(),
            leftovers,
            acks: Acks::default(),
            proposals: Proposals::default(),
            watches: Arc::default(),
            figures: ClusterFigures::default(),
            node: OnceLock::new(),
            clock_verdict: Mutex::new(Verdict::Fine),
            failure: watch::Sender::new(refused),
            alone,
            ready: watch::Sender::new(false),
            note_due: NoteDue::default(),
            completeness,
            former,
            departure: watch::Sender::new(Departure::Stays),
            address_seen: OnceLock::new(),
            tasks: environment.tasks,
            running: Mutex::default(),
        })
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read())
    }

    /// This node is its whole cluster.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Acquire)
    }

    /// Who carries out what others ask for, from now on.
    pub(crate) fn serve_with(&self, node: Weak<Node>) {
        // Once.
        let _ = self.node.set(node);
    }

    pub(crate) fn node(&self) -> Option<Arc<Node>> {
        self.node.get().and_then(Weak::upgrade)
    }

    /// Where others reach this node.
    pub(crate) fn own_address(&self) -> Arc<str> {
        self.view().own().map_or_else(|| "".into(), |own| Arc::clone(&own.address))
    }

    pub(crate) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// This node cannot take part any more.
    pub(super) fn fail(&self, error: ClusterError) {
        // Who has left is gone by its own will: those that know it already refuse it, and it ends well.
        if matches!(error, ClusterError::Gone { .. }) && self.has_handed_over() {
            return;
        }
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(error);
            first
        });
    }

    /// Why this node cannot take part any more, once that is so.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<ClusterError>> {
        self.failure.subscribe()
    }

    pub(super) fn get_ready(&self) {
        self.ready.send_replace(true);
        self.tell_change();
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Something changed that somebody may wait for.
    pub(crate) fn tell_change(&self) {
        self.changed.send_modify(|changes| *changes += 1);
        self.acks.look_again(self);
    }

    /// Runs until the node closes.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.running.lock();
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the cluster failed: this is a bug");
            }
        }
        tasks.spawn(self.tasks.task(task));
    }

    /// Ends all that goes on with others.
    pub(crate) fn close(&self) {
        self.running.lock().abort_all();
        let peers: Vec<_> = self.peers.read().values().cloned().collect();
        peers.iter().for_each(|peer| peer.close());
    }

    pub(crate) fn peer(&self, id: NodeId) -> Option<Arc<Peer>> {
        self.peers.read().get(&id).cloned()
    }

    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.read().values().cloned().collect()
    }

    /// The peer, which may not be a member yet.
    pub(super) fn peer_or_new(&self, id: NodeId) -> Arc<Peer> {
        let mut peers = self.peers.write();
        Arc::clone(peers.entry(id).or_insert_with(|| Arc::new(Peer::new(self.me, id))))
    }

    pub(crate) fn liveness(&self, id: NodeId) -> Liveness {
        if id == self.me {
            return Liveness::Up;
        }
        self.peers.read().get(&id).map_or(Liveness::Down, |peer| peer.liveness())
    }

    /// Whether something can be asked of the node now.
    pub(crate) fn reaches(&self, id: NodeId) -> bool {
        let link = self.peer(id).and_then(|peer| peer.link(Channel::Data));
        link.is_some_and(|link| !link.is_closed())
    }

    /// Those of the partition's serving owners that are live, in the order in which they are asked.
    pub(crate) fn live_serving(&self, view: &View, partition: Partition) -> Vec<NodeId> {
        let serving = view.serving(partition).into_iter();
        serving.filter(|id| self.liveness(*id).is_live()).collect()
    }

    /// Whether this node may have missed writes that others have.
    pub(crate) fn is_behind(&self) -> bool {
        self.view().others().any(|member| self.is_behind_in(member.id))
    }

    /// Members whose feeds this node has not read to where they stood when they met.
    pub(super) fn feeds_behind(&self) -> usize {
        self.view().others().filter(|member| self.is_behind_in(member.id)).count()
    }

    pub(crate) fn is_behind_in(&self, feed: NodeId) -> bool {
        self.peer(feed).is_none_or(|peer| !peer.taking.is_contiguous())
    }

    /// Who stands behind an answer about this record for which nobody else is asked; none where others are
    /// to be asked.
    pub(crate) fn answers_alone(
        &self,
        name: &RecordName,
        consistency: Consistency,
    ) -> Option<Replicas> {
        if self.is_alone() {
            return Some(ALONE);
        }
        self.budget.clients_are_there();
        let view = self.view.read();
        let partition = Partition::of(name);
        let suffices = consistency == Consistency::One
            && self.is_ready()
            && !self.is_fenced()
            && view.serves(partition);
        suffices.then(|| replicas(1, view.serving(partition).len()))
    }

    /// The partitions of which there are records here, deleted ones aside; none while that is counted.
    pub(super) fn held(&self) -> Option<PartitionSet> {
        let digests = self.store.digests()?;
        Some(PartitionSet::all().iter().filter(|partition| digests.of(*partition) != 0).collect())
    }

    /// Takes in what is told of members; true where something was new.
    pub(super) fn admit(self: &Arc<Self>, cluster: ClusterId, members: Vec<Member>) -> bool {
        let mut news = Vec::new();
        let changed = {
            let mut view = self.view.write();
            let mut registry = view.registry.clone();
            if view.cluster != Some(cluster) {
                // A cluster of one is given up for the one that is joined.
                registry = view.registry.get(self.me).cloned().into_iter().collect();
            }
            let known = view.cluster == Some(cluster);
            for member in members {
                let before = registry.get(member.id).map(|before| before.state);
                if registry.merge(member.clone()) {
                    if known {
                        say_who_comes_and_goes(before, &member);
                    }
                    news.push(member);
                }
            }
            let changed = !news.is_empty() || view.cluster != Some(cluster);
            if changed {
                news.extend(self.replace(&mut view, Some(cluster), registry));
            }
            changed
        };
        if changed {
            self.after_change();
            self.tell_members(&news);
        }
        changed
    }

    /// Changes this node's own entry, and tells all.
    pub(crate) fn change_own(self: &Arc<Self>, change: impl FnOnce(&mut Member)) {
        let own = {
            let mut view = self.view.write();
            let mut registry = view.registry.clone();
            registry.revise(self.me, change);
            let Some(own) = registry.get(self.me).cloned() else {
                return;
            };
            let cluster = view.cluster;
            self.replace(&mut view, cluster, registry).unwrap_or(own)
        };
        self.after_change();
        self.tell_members(&[own]);
    }

    /// A member is gone, for good.
    pub(super) fn mark_gone(self: &Arc<Self>, id: NodeId) {
        let news: Vec<Member> = {
            let mut view = self.view.write();
            let mut registry = view.registry.clone();
            registry.remove(id);
            let gone = registry.get(id).cloned();
            let cluster = view.cluster;
            gone.into_iter().chain(self.replace(&mut view, cluster, registry)).collect()
        };
        self.after_change();
        self.tell_members(&news);
    }

    /// What this node says of itself with the new view, where it says something that the registry had not.
    fn replace(
        &self,
        view: &mut Arc<View>,
        cluster: Option<ClusterId>,
        mut registry: Registry,
    ) -> Option<Member> {
        let replication = self.config.replication;
        let placement = if view.placement.is_of(&registry, replication) {
            Arc::clone(&view.placement)
        } else {
            self.moves.placed_anew();
            Arc::new(Placement::of(&registry, replication))
        };
        // Who waits to be let in takes nothing in.
        let own = cluster.and_then(|_| self.drop_leftovers(&mut registry, &placement));
        *view = Arc::new(View { me: self.me, cluster, registry, placement });
        self.alone.store(view.is_alone(), Ordering::Release);
        own
    }

    fn after_change(self: &Arc<Self>) {
        let gone = self.view().own().is_some_and(Member::is_gone);
        if gone {
            self.fail(self.gone());
        }
        self.keep_peers();
        self.let_forget();
        self.tell_change();
        self.note_due.is_due();
    }

    /// Tells every peer that there is a link to.
    fn tell_members(&self, members: &[Member]) {
        let Some(message) = self.members_text(members.iter()) else {
            return;
        };
        for peer in self.peers() {
            if let Some(link) = peer.link(Channel::Data) {
                link.notify(number::MEMBERS, &message);
            }
        }
    }

    pub(super) fn members_text<'a>(
        &self,
        members: impl Iterator<Item = &'a Member>,
    ) -> Option<Members> {
        let cluster = self.view().cluster?;
        Some(Members {
            cluster: cluster.0.to_be_bytes().to_vec(),
            members: members.map(MemberText::of).collect(),
        })
    }

    /// This node has read what the others had: it serves what it was to own.
    pub(crate) fn serve_what_is_complete(self: &Arc<Self>) {
        let view = self.view();
        let Some(own) = view.own() else {
            return;
        };
        if own.serves.is_empty() && !self.is_known_for_good(&view) {
            return;
        }
        let missing = view.wants().difference(&own.serves);
        let complete: Vec<_> =
            missing.iter().filter(|partition| self.is_complete(&view, *partition)).collect();
        if complete.is_empty() {
            return;
        }
        tracing::info!(partitions = complete.len(), "this node serves more partitions");
        self.change_own(|own| {
            for partition in complete {
                own.serves.insert(partition);
            }
            own.state = MemberState::Up;
        });
    }

    /// Whether this node and all that answer for anything and are there will know after a crash that it is a
    /// member. Before that it answers for nothing: one of them could come back, take itself for the only
    /// one, and acknowledge what nobody else hears of.
    fn is_known_for_good(&self, view: &View) -> bool {
        let answering = view
            .others()
            .filter(|other| !other.serves.is_empty() && self.liveness(other.id).is_live());
        let mut answering = answering.map(|other| other.id);
        self.noted().is_some_and(|note| {
            answering.all(|id| note.registry.get(id).is_some() && self.remembered.knows(id))
        })
    }

    /// Whether all live members that serve the partition have been read to where they stood. Where nobody
    /// serves it any more, nor ever will, that is all members: what they have left is all there is.
    fn is_complete(&self, view: &View, partition: Partition) -> bool {
        let covers = |id: &NodeId| self.peer(*id).is_some_and(|it| it.taking.covers(partition));
        let serving = view.serving(partition);
        if serving.is_empty() {
            return view.others().all(|member| covers(&member.id));
        }
        let mut live = serving.iter().filter(|id| self.liveness(**id).is_live()).peekable();
        live.peek().is_some() && live.all(covers)
    }
}

/// What the log is told of what another node says of a member.
fn say_who_comes_and_goes(before: Option<MemberState>, member: &Member) {
    let (node, address) = (member.id, &member.address);
    match (before, member.state) {
        // It was never known here.
        (None | Some(MemberState::Gone), MemberState::Gone) => {}
        (_, MemberState::Gone) => {
            tracing::info!(%node, %address, "a node is gone: it left, or was removed or evicted");
        }
        (None, _) => tracing::info!(%node, %address, "a node joins the cluster"),
        (Some(MemberState::Joining | MemberState::Up), MemberState::Leaving) => {
            tracing::info!(%node, %address, "a node leaves the cluster, and hands over");
        }
        (Some(_), _) => {}
    }
}
