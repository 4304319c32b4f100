//! A front door on port 0, in front of a store in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dynarust_http::{CorsOrigins, FrontDoor, HttpConfig};
use dynarust_node::streams::StreamsConfig;
use dynarust_node::{ClusterConfig, Node, NodeConfig, Secret};
use dynarust_store::SystemClock;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Answer, Client};
use crate::store_in_memory::StoreInMemory;

/// Large enough to tell the limits apart, small enough to be quick.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 20;

/// Where its node is reached, as it says.
const ADDRESS: &str = "node.example:6660";
/// What the nodes of its cluster know.
pub(crate) const SECRET: &str = "a secret of a test";

pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<StoreInMemory>,
    pub(crate) node: Arc<Node>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

fn http_config() -> HttpConfig {
    HttpConfig { value_bytes_max: VALUE_BYTES_MAX, connections_max: 1000, ..HttpConfig::default() }
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with_streams(StreamsConfig::default()).await
    }

    pub(crate) async fn with_streams(streams: StreamsConfig) -> Self {
        Self::with(streams, http_config()).await
    }

    pub(crate) async fn with_connections_max(connections_max: usize) -> Self {
        let http = HttpConfig { connections_max, ..http_config() };
        Self::with(StreamsConfig::default(), http).await
    }

    pub(crate) async fn with_streams_per_address(streams_per_address_max: usize) -> Self {
        let http = HttpConfig { streams_per_address_max, ..http_config() };
        Self::with(StreamsConfig::default(), http).await
    }

    pub(crate) async fn with_origins(cors: CorsOrigins) -> Self {
        Self::with(StreamsConfig::default(), HttpConfig { cors, ..http_config() }).await
    }

    /// A door of a machine that has no more memory.
    pub(crate) async fn with_memory(memory_bytes: usize) -> Self {
        Self::with(StreamsConfig::default(), HttpConfig { memory_bytes, ..http_config() }).await
    }

    /// A door at which other nodes may come in.
    pub(crate) async fn of_cluster(connections_max: usize) -> Self {
        let secret = Some(Secret::new(SECRET));
        let cluster = ClusterConfig { secret, ..ClusterConfig::default() };
        let node = NodeConfig { cluster, ..NodeConfig::alone(ADDRESS) };
        Self::of_node(node, HttpConfig { connections_max, ..http_config() }).await
    }

    async fn with(streams: StreamsConfig, http: HttpConfig) -> Self {
        Self::of_node(NodeConfig { streams, ..NodeConfig::alone(ADDRESS) }, http).await
    }

    async fn of_node(config: NodeConfig, http: HttpConfig) -> Self {
        let store = StoreInMemory::new();
        let node = Node::start(store.clone(), Arc::new(SystemClock), config);
        let door = FrontDoor::bind("127.0.0.1:0").await.unwrap();
        let address = door.address();
        let (stop, stopped) = oneshot::channel();
        let closing = Arc::clone(&node);
        let serving = tokio::spawn(door.serve(
            Arc::clone(&node),
            http,
            async move {
                let _ = stopped.await;
                closing.close_streams();
            },
            Duration::from_secs(60),
        ));
        Self { address, store, node, stop: Some(stop), serving }
    }

    /// Asks the door to close, which takes as long as it takes.
    pub(crate) fn begin_close(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has closed.
    pub(crate) async fn closed(self) {
        self.serving.await.unwrap();
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, target: &str) -> Answer {
        self.client().await.ask(method, target, &[], "").await
    }

    /// A PUT of a value, which must be well.
    pub(crate) async fn put(&self, target: &str, value: &str) -> String {
        let answer = self.client().await.put(target, value).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["version"].as_str().unwrap().to_owned()
    }
}
