//! A node's life: it starts on an open store, notices when that stops by itself, and closes.
//!
//! Closing has an order: streams are told first ([`Node::close_streams`]), then the front door lets
//! running requests finish, then the store closes ([`Node::close_store`]) with all of them in it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dynarust_core::limits::{BATCH_PARTS_AT_A_TIME_MAX, LARGE_PATCHES_AT_A_TIME_MAX};
use dynarust_core::{NodeId, Selection, UnixMillis};
use dynarust_store::{Store, WallClock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use crate::cluster::{Cluster, ClusterConfig, ClusterError, Secret};
use crate::environment::{Environment, Tasks};
use crate::requests::Requests;
use crate::streams::{Begin, Streams, StreamsConfig, SubscribeError, Subscription};
use crate::turns::Turns;

/// How late a failure of the store may be noticed.
const FAILURE_NOTICE_INTERVAL: Duration = Duration::from_millis(100);

/// One node: its store, its streams, its clock.
pub struct Node {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) streams: Arc<Streams>,
    clock: Arc<dyn WallClock>,
    closing: AtomicBool,
    /// Patches of the same key take turns.
    pub(crate) turns: Turns,
    /// Those with an idempotency key that run, or were refused.
    pub(crate) requests: Requests,
    /// Parts of batches that are written at a time.
    pub(crate) batch_parts: Semaphore,
    /// Patches that take long, a few at a time.
    pub(crate) large_patches: Semaphore,
}

/// What a node must be told.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// How much its streams may hold.
    pub streams: StreamsConfig,
    /// What it is told of its cluster.
    pub cluster: ClusterConfig,
}

impl NodeConfig {
    /// A node without others, reached at `address`.
    #[must_use]
    pub fn alone(address: impl Into<String>) -> Self {
        let cluster = ClusterConfig { advertise: Some(address.into()), ..ClusterConfig::default() };
        Self { streams: StreamsConfig::default(), cluster }
    }
}

impl Node {
    /// Starts the node on an open store, on the current tokio runtime and the system's network.
    #[must_use]
    pub fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn WallClock>,
        config: NodeConfig,
    ) -> Arc<Self> {
        Self::start_in(store, Environment { clock, ..Environment::default() }, config)
    }

    /// As [`Node::start`], in another environment.
    #[must_use]
    pub fn start_in(
        store: Arc<dyn Store>,
        environment: Environment,
        config: NodeConfig,
    ) -> Arc<Self> {
        let clock = Arc::clone(&environment.clock);
        let cluster = Cluster::begin(Arc::clone(&store), environment, config.cluster);
        let streams = Streams::start(
            Arc::clone(&store),
            Arc::clone(&clock),
            &cluster.tasks,
            (Arc::clone(&cluster.positions), cluster.changes()),
            config.streams,
        );
        let node = Arc::new(Self {
            store,
            cluster,
            streams,
            clock,
            closing: AtomicBool::new(false),
            turns: Turns::default(),
            requests: Requests::default(),
            batch_parts: Semaphore::new(BATCH_PARTS_AT_A_TIME_MAX),
            large_patches: Semaphore::new(LARGE_PATCHES_AT_A_TIME_MAX),
        });
        node.cluster.serve_with(Arc::downgrade(&node));
        node.cluster.start();
        node
    }

    /// What all nodes of its cluster know, where it has been told.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        self.cluster.config.secret.as_ref()
    }

    /// Whether other nodes may come: it has a secret by which they know each other.
    #[must_use]
    pub fn takes_peers(&self) -> bool {
        self.cluster.config.secret.is_some()
    }

    /// Serves a connection that another node has made, to its end. Nothing is known of who is there.
    pub async fn accept_mesh(
        self: Arc<Self>,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        self.cluster.accept(io).await;
    }

    /// The node's name, born with its data folder.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.store.position().node
    }

    /// The node's clock.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// How tasks that belong to the node are run.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.cluster.tasks
    }

    /// Ends all of its tasks where they stand, as a crash does. Nothing is told, kept or closed.
    pub fn crash(&self) {
        self.streams.crash();
        self.cluster.close();
    }

    /// Begins a live stream, wherever the records are.
    ///
    /// # Errors
    /// [`SubscribeError`]; nothing was begun.
    pub fn subscribe(
        &self,
        selection: Selection,
        begin: Begin,
    ) -> Result<Subscription, SubscribeError> {
        Subscription::begin(&self.cluster, &self.streams, selection, begin)
    }

    /// Waits until the store stops by itself; tells why.
    pub async fn store_failure(&self) -> Arc<str> {
        let mut published = self.store.published();
        while published.changed().await.is_ok() {
            // Not woken by each publication: only their end is of interest.
            tokio::time::sleep(FAILURE_NOTICE_INTERVAL).await;
        }
        self.store.failure().unwrap_or_else(|| Arc::from("it was closed"))
    }

    /// Waits until the node can take no part in its cluster; tells why.
    pub async fn cluster_failure(&self) -> ClusterError {
        let mut failure = self.cluster.failure();
        let failed = failure.wait_for(Option::is_some).await;
        let failed = failed.ok().and_then(|failed| failed.clone());
        match failed {
            Some(error) => error,
            // Nobody will tell any more.
            None => std::future::pending().await,
        }
    }

    /// The node begins to close: it is ready no more, and each stream ends with `closing`.
    pub fn close_streams(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.streams.close();
    }

    /// Closes the store: what was written is on stable storage afterwards.
    pub async fn close_store(&self) {
        self.cluster.keep_last_note().await;
        self.cluster.close();
        self.store.close().await;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id()).finish_non_exhaustive()
    }
}
