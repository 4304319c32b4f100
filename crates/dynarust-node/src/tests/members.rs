//! The nodes of a test: started, stopped, killed, and asked, by their numbers.
//!
//! Node 0 founds the cluster; all others join by way of it. A node keeps its folder, its address and its
//! clock from start to start.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::TOMBSTONE_AGE_SECONDS_DEFAULT;
use dynarust_core::{Condition, Consistency, NodeId, Partition, Record, RecordName, Stored};
use dynarust_store::{Arrival, Durability, Over, Store};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::clock::TestClock;
use super::store::TestStore;
use super::wires::{Wires, address_of};
use crate::cluster::Liveness;
use crate::environment::Environment;
use crate::mesh::{Channel, Link};
use crate::streams::StreamsConfig;
use crate::{
    Acknowledged, ClusterConfig, ClusterError, Delete, Found, Node, NodeConfig, Put, RefusedRead,
    RefusedWrite, Secret,
};

/// How long a test waits for what must come, in paused time.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a test may take at all, in real time: one that goes round and round lets no paused time pass.
const REAL_PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// See the module.
pub(super) struct Members {
    _folder: TempDir,
    pub(super) wires: Arc<Wires>,
    seats: Vec<Seat>,
    plan: Plan,
    /// Ends the watch over the test.
    _over: mpsc::Sender<()>,
}

/// What all nodes are told.
pub(super) struct Plan {
    pub(super) cluster: ClusterConfig,
    pub(super) tombstone_age: Duration,
}

impl From<ClusterConfig> for Plan {
    fn from(cluster: ClusterConfig) -> Self {
        Self { cluster, ..Self::default() }
    }
}

impl Default for Plan {
    fn default() -> Self {
        let tombstone_age = Duration::from_secs(TOMBSTONE_AGE_SECONDS_DEFAULT);
        Self { cluster: ClusterConfig::default(), tombstone_age }
    }
}

/// What of a node stays while it is stopped.
struct Seat {
    folder: PathBuf,
    clock: Arc<TestClock>,
    running: Option<Running>,
}

struct Running {
    node: Arc<Node>,
    store: Arc<TestStore>,
}

/// A record's name.
pub(super) fn name(key: &str) -> RecordName {
    RecordName::parse("t", key).unwrap()
}

/// A plain put.
pub(super) fn put(key: &str, value: &str, consistency: Consistency) -> Put {
    Put {
        name: name(key),
        value: Bytes::copy_from_slice(value.as_bytes()),
        expiry: None,
        condition: Condition::default(),
        durability: Durability::Sync,
        consistency,
        request: None,
    }
}

impl Members {
    /// So many seats, nobody in them.
    fn seats_with(count: usize, plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seats = (0..count)
            .map(|number| Seat {
                folder: folder.path().join(format!("node-{number}")),
                clock: Arc::new(TestClock::starting_now()),
                running: None,
            })
            .collect();
        Self { _folder: folder, wires: Arc::default(), seats, plan, _over: watch_over() }
    }

    /// So many nodes, that all serve what they are to own.
    pub(super) async fn running(count: usize) -> Self {
        Self::running_with(count, Plan::default()).await
    }

    pub(super) async fn running_with(count: usize, plan: impl Into<Plan>) -> Self {
        Self::running_of_seats_with(count, count, plan.into()).await
    }

    /// As [`Members::running`], with seats for more.
    pub(super) async fn running_of_seats(count: usize, seats: usize) -> Self {
        Self::running_of_seats_with(count, seats, Plan::default()).await
    }

    pub(super) async fn running_of_seats_with(count: usize, seats: usize, plan: Plan) -> Self {
        let mut members = Self::seats_with(seats, plan);
        (0..count).for_each(|number| members.start(number));
        members.until_whole().await;
        members
    }

    pub(super) fn start(&mut self, number: usize) {
        self.start_with(number, |_| {});
    }

    /// Its store is as `prepare` leaves it.
    pub(super) fn start_with(&mut self, number: usize, prepare: impl FnOnce(&TestStore)) {
        let seat = &mut self.seats[number];
        assert!(seat.running.is_none(), "node {number} runs already");
        let store = TestStore::open(&seat.folder, seat.clock.clone(), self.plan.tombstone_age);
        prepare(&store);
        let config = NodeConfig {
            streams: StreamsConfig {
                cursor_age_max: self.plan.tombstone_age,
                ..StreamsConfig::default()
            },
            cluster: ClusterConfig {
                secret: Some(Secret::new("the secret of the tests")),
                join: (number > 0).then(|| address_of(0).to_string()),
                listen: address_of(number),
                ..self.plan.cluster.clone()
            },
        };
        let network = self.wires.network(number);
        let clock = seat.clock.clone();
        let environment = Environment { clock, network, ..Environment::default() };
        let node = Node::start_in(store.clone(), environment, config);
        self.wires.listen(number, Arc::clone(&node));
        seat.running = Some(Running { node, store });
    }

    /// As SIGTERM.
    pub(super) async fn stop(&mut self, number: usize) {
        let Running { node, store } = self.seats[number].running.take().unwrap();
        node.close_streams();
        self.wires.close(number);
        node.close_store().await;
        drop(node);
        until_dropped(number, store).await;
    }

    /// As SIGKILL: it says and writes nothing more.
    pub(super) async fn kill(&mut self, number: usize) {
        let Running { node, store } = self.seats[number].running.take().unwrap();
        store.kill();
        self.wires.close(number);
        node.cluster.close();
        store.close().await;
        drop(node);
        until_dropped(number, store).await;
    }

    /// The numbers of those that run.
    pub(super) fn numbers(&self) -> Vec<usize> {
        (0..self.seats.len()).filter(|number| self.seats[*number].running.is_some()).collect()
    }

    fn at(&self, number: usize) -> &Running {
        self.seats[number].running.as_ref().unwrap()
    }

    pub(super) fn node(&self, number: usize) -> &Arc<Node> {
        &self.at(number).node
    }

    pub(super) fn store(&self, number: usize) -> &Arc<TestStore> {
        &self.at(number).store
    }

    pub(super) fn clock(&self, number: usize) -> &TestClock {
        &self.seats[number].clock
    }

    /// Where the node's folder is.
    pub(super) fn folder(&self, number: usize) -> &std::path::Path {
        &self.seats[number].folder
    }

    pub(super) fn id(&self, number: usize) -> NodeId {
        self.node(number).id()
    }

    fn number_of(&self, id: NodeId) -> usize {
        self.numbers().into_iter().find(|number| self.id(*number) == id).unwrap()
    }

    /// Those that serve the key, in the order in which they are asked.
    pub(super) fn serving(&self, key: &str) -> Vec<usize> {
        let view = self.node(self.numbers()[0]).cluster.view();
        let serving = view.serving(Partition::of(&name(key)));
        serving.into_iter().map(|id| self.number_of(id)).collect()
    }

    /// A key whose owners stand in an order that is asked for.
    pub(super) fn key_where(&self, order: impl Fn(&[usize]) -> bool) -> String {
        let mut keys = (0..10_000).map(|number| format!("key-{number}"));
        keys.find(|key| order(&self.serving(key))).expect("there is a key of that order")
    }

    /// How one sees the other.
    pub(super) fn sees(&self, number: usize, other: NodeId) -> Liveness {
        self.node(number).cluster.liveness(other)
    }

    /// The link from one to the other, as the one has it.
    pub(super) fn link(&self, number: usize, other: usize, channel: Channel) -> Option<Arc<Link>> {
        self.node(number).cluster.peer(self.id(other))?.link(channel)
    }

    /// Whether the one may have missed something of the other's feed.
    pub(super) fn is_behind_in(&self, number: usize, other: usize) -> bool {
        let peer = self.node(number).cluster.peer(self.id(other));
        peer.is_none_or(|peer| !peer.taking.is_contiguous())
    }

    /// Whether all that run see each other, serve what they are to own, and have missed nothing.
    pub(super) fn are_whole(&self) -> bool {
        let numbers = self.numbers();
        numbers.iter().all(|number| {
            let cluster = &self.node(*number).cluster;
            let view = cluster.view();
            let all_up =
                numbers.iter().all(|other| self.sees(*number, self.id(*other)) == Liveness::Up);
            let own = view.own().map(|own| own.serves.clone()).unwrap_or_default();
            cluster.is_ready()
                && all_up
                && view.members().count() == numbers.len()
                && view.placement.owned(cluster.me).difference(&own).is_empty()
                && numbers
                    .iter()
                    .filter(|other| *other != number)
                    .all(|other| !self.is_behind_in(*number, *other))
        })
    }

    /// Why the node takes no part in its cluster any more.
    pub(super) async fn failure(&self, number: usize) -> ClusterError {
        let failure = timeout(PATIENCE, self.node(number).cluster_failure()).await;
        failure.unwrap_or_else(|_| panic!("node {number} still takes part"))
    }

    pub(super) async fn until_whole(&self) {
        until("all are members, and have caught up", || self.are_whole()).await;
    }

    /// Until each of those sees each of the others as down.
    pub(super) async fn until_down(&self, those: &[usize], others: &[usize]) {
        let ids: Vec<NodeId> = others.iter().map(|other| self.id(*other)).collect();
        let down = || {
            let mut pairs = those.iter().flat_map(|one| ids.iter().map(move |id| (*one, *id)));
            pairs.all(|(one, id)| self.sees(one, id) == Liveness::Down)
        };
        until("the others are seen as down", down).await;
    }

    pub(super) async fn put(
        &self,
        number: usize,
        key: &str,
        value: &str,
        consistency: Consistency,
    ) -> Result<Acknowledged, RefusedWrite> {
        self.node(number).put(put(key, value, consistency)).await
    }

    pub(super) async fn delete(
        &self,
        number: usize,
        key: &str,
        consistency: Consistency,
    ) -> Result<Acknowledged, RefusedWrite> {
        let delete = Delete {
            name: name(key),
            condition: Condition::default(),
            durability: Durability::Sync,
            consistency,
            request: None,
        };
        self.node(number).delete(delete).await
    }

    /// As [`Members::put`]: it goes on while the test does something else.
    pub(super) fn begin(
        &self,
        number: usize,
        key: &str,
        value: &str,
        consistency: Consistency,
    ) -> JoinHandle<Result<Acknowledged, RefusedWrite>> {
        let (node, put) = (self.node(number).clone(), put(key, value, consistency));
        tokio::spawn(async move { node.put(put).await })
    }

    pub(super) async fn get(
        &self,
        number: usize,
        key: &str,
        consistency: Consistency,
    ) -> Result<Found, RefusedRead> {
        self.node(number).get(name(key), consistency).await
    }

    /// What the node's own store has, raw.
    pub(super) async fn stored(&self, number: usize, key: &str) -> Option<Arc<Stored>> {
        self.store(number).get(name(key)).await.unwrap()
    }

    /// A record comes to the node's own store, behind the back of all.
    pub(super) async fn take_in(&self, number: usize, key: &str, record: Record) {
        let (name, request) = (name(key), None);
        let arrival = Arrival { name, record, request, fresh: false, over: Over::Older };
        self.store(number).take_in(vec![arrival], Durability::Sync).await.unwrap();
    }

    /// The value that the node's own store has.
    pub(super) async fn held(&self, number: usize, key: &str) -> Option<Bytes> {
        let stored = self.stored(number, key).await?;
        stored.record.holds_value().then(|| stored.record.value.clone())
    }
}

/// Ends the process where the test does not end; until what it gives is dropped.
fn watch_over() -> mpsc::Sender<()> {
    let (over, ends) = mpsc::channel();
    std::thread::spawn(move || {
        if ends.recv_timeout(REAL_PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("the test does not end");
            std::process::abort();
        }
    });
    over
}

/// Whoever was still at it has let go: the folder can be opened again.
async fn until_dropped(number: usize, store: Arc<TestStore>) {
    let store = Arc::downgrade(&{ store });
    until(&format!("node {number} is no more"), || store.strong_count() == 0).await;
}

/// Lets real time pass, and none of the paused one.
pub(super) async fn real_time(passes: Duration) {
    tokio::task::spawn_blocking(move || std::thread::sleep(passes)).await.unwrap();
}

/// Waits until that is so, in paused time.
pub(super) async fn until(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "in vain until {what}");
        sleep(LOOK).await;
    }
}

/// As [`until`], for what only a look into a store tells.
pub(super) async fn until_found(what: &str, so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < PATIENCE, "in vain until {what}");
        sleep(LOOK).await;
    }
}
