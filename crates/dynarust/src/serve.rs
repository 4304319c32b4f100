//! Serving: from the configuration to a running node, and to its end.
//!
//! Order of a start: socket, store, node; so an address in use leaves no folder behind, and clients
//! that come early wait for the store instead of being turned away.
//!
//! Order of an end: streams are told, running requests finish, the store syncs. All of it takes less
//! than five seconds.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::NodeId;
use dynarust_core::limits::{CONNECTION_MEMORY_BYTES, CONNECTIONS_MAX, TURNED_AWAY_MAX};
use dynarust_http::{BindError, FrontDoor, HttpConfig};
use dynarust_node::streams::StreamsConfig;
use dynarust_node::{ClusterConfig, ClusterError, Holdings, Node, NodeConfig};
use dynarust_store::renew::renew;
use dynarust_store::{LocalStore, OpenError, StoreConfig, SystemClock, WallClock as _};
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use crate::address_file::AddressFile;
use crate::config::Config;
use crate::{memory, memory_limit};

/// File handles that the store and the program itself may need, and connections that are turned away.
const FILES_RESERVED: u64 = 128 + TURNED_AWAY_MAX as u64;
/// File handles for connections with other nodes: two each way, with 32 of them.
const MESH_FILES: u64 = 128;
/// The limit of open files where the system does not tell it.
const FILES_ASSUMED: u64 = 1024;
/// Threads for reads of the base, patches and the like. Each keeps some memory of the allocator's for
/// itself; the base is read by four at a time.
const BLOCKING_THREADS_MAX: usize = 8;
/// How long running requests have once the node closes.
const DRAIN: Duration = Duration::from_millis(2500);
/// How long the store has behind them.
const STORE_CLOSE: Duration = Duration::from_millis(2000);
/// How long it may take until nothing of a node that has ended holds its folder any more.
const RELEASE: Duration = Duration::from_secs(10);
const RELEASE_LOOK: Duration = Duration::from_millis(20);

/// Why a node did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Nothing was done.
    #[error("the system gives no threads or signals: {0}")]
    Runtime(io::Error),
    /// The folder is as it was, or new and empty.
    #[error(transparent)]
    NoCluster(ClusterError),
    /// The folder is as it was.
    #[error("the node's folder could not be put aside: {0}")]
    Aside(io::Error),
    /// Nothing was done.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The folder is as it was.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was acknowledged is kept; a write that got no answer may have been kept or not.
    #[error("the store has stopped: {0}")]
    StoreStopped(Arc<str>),
    /// What was acknowledged as `sync` is kept; relaxed writes of the last moments may be lost.
    #[error("the store did not close in time; the next start reads its journal")]
    SlowClose,
}

enum Stop {
    /// By a signal, or it has left its cluster.
    Asked,
    StoreFailed(Arc<str>),
    NoCluster(ClusterError),
}

/// Runs a node until a signal or a failure ends it.
///
/// # Errors
/// [`ServeError`].
pub(crate) fn serve(config: Config) -> Result<(), ServeError> {
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(ServeError::Runtime)?;
    let outcome = runtime.block_on(run_as_member(config));
    // Nothing that still runs there is worth waiting for.
    runtime.shutdown_background();
    outcome
}

/// A node that its cluster has given up comes back as a new one: with its records, where it was away for less
/// than `--rejoin-max`; else its folder is put aside, and its data come from the others.
async fn run_as_member(mut config: Config) -> Result<(), ServeError> {
    loop {
        let gone = match run(&config).await {
            Err(ServeError::NoCluster(gone @ ClusterError::Gone { .. })) => gone,
            ended => return ended,
        };
        let ClusterError::Gone { member, holdings } = &gone else {
            return Err(ServeError::NoCluster(gone));
        };
        // Without an address to join it would found a cluster of its own.
        let Some(join) = config.cluster.join.clone().or_else(|| member.clone()) else {
            return Err(ServeError::NoCluster(gone));
        };
        if let Holdings::Recent { .. } = holdings {
            let node = renew_once_closed(&config.data_dir).await?;
            tracing::warn!(
                "{gone}. Since {holdings}, it comes back as a new node, {node}, with the records that it has, by \
                 way of {join}"
            );
        } else {
            let aside = put_aside(&config.data_dir).map_err(ServeError::Aside)?;
            tracing::warn!(
                "{gone}. Since {holdings}, it comes back as a new, empty node by way of {join}; its old data are \
                 kept in {}",
                aside.display()
            );
        }
        config.cluster.join = Some(join);
    }
}

/// Makes the folder a new node's once the last of the node before has let go of it.
async fn renew_once_closed(folder: &Path) -> Result<NodeId, OpenError> {
    let patience = Instant::now() + RELEASE;
    loop {
        match renew(folder) {
            Err(OpenError::Locked { .. }) if Instant::now() < patience => {
                sleep(RELEASE_LOOK).await;
            }
            renewed => return renewed,
        }
    }
}

/// The folder under another name.
fn put_aside(folder: &Path) -> io::Result<PathBuf> {
    let seconds = SystemClock.now() / 1000;
    let mut name = folder.as_os_str().to_owned();
    name.push(format!(".evicted-{seconds}"));
    let aside = PathBuf::from(name);
    std::fs::rename(folder, &aside)?;
    Ok(aside)
}

async fn run(config: &Config) -> Result<(), ServeError> {
    let memory_bytes = memory_limit::bytes();
    let files_reserved = match config.cluster.secret {
        Some(_) => FILES_RESERVED + MESH_FILES,
        None => FILES_RESERVED,
    };
    let connections_max = connections_max(memory_bytes, files_reserved);
    let mut signals = Signals::listen().map_err(ServeError::Runtime)?;
    let door = FrontDoor::bind(&config.listen).await?;
    let node = start_node(config, &door)?;
    let address_file = say_where(config, &door);
    let http = HttpConfig {
        value_bytes_max: config.value_bytes_max,
        durability: config.durability,
        connections_max,
        memory_bytes,
        streams_per_address_max: config.streams_per_address,
        cors: config.cors.clone(),
    };
    let mut reason = Stop::Asked;
    let stop = async {
        reason = until_its_end(&node, &mut signals, config.leave_on_term).await;
        node.close_streams();
    };
    tokio::select! {
        () = door.serve(Arc::clone(&node), http, stop, DRAIN) => {}
        () = memory::give_back() => {}
    }
    // While the folder is still locked: the next node's file must stay.
    drop(address_file);
    let closed = timeout(STORE_CLOSE, node.close_store()).await;
    match (reason, closed) {
        (Stop::StoreFailed(why), _) => Err(ServeError::StoreStopped(why)),
        (Stop::NoCluster(why), _) => Err(ServeError::NoCluster(why)),
        (Stop::Asked, Err(_)) => Err(ServeError::SlowClose),
        (Stop::Asked, Ok(())) => {
            tracing::info!("closed; everything is on stable storage");
            Ok(())
        }
    }
}

/// Until the node is to end. A second signal ends it before it has left.
async fn until_its_end(node: &Node, signals: &mut Signals, leave_on_term: bool) -> Stop {
    let mut failure = pin!(node.store_failure());
    tokio::select! {
        why = failure.as_mut() => return Stop::StoreFailed(why),
        why = node.cluster_failure() => return Stop::NoCluster(why),
        () = node.left() => return Stop::Asked,
        () = signals.next() => {}
    }
    if leave_on_term {
        if let Err(refused) = node.leave().await {
            tracing::info!("closing without leaving: {refused}");
            return Stop::Asked;
        }
        tracing::info!("leaving the cluster; a second signal ends the node at once");
        tokio::select! {
            why = failure => return Stop::StoreFailed(why),
            why = node.cluster_failure() => return Stop::NoCluster(why),
            left = node.left_or_not() => if !left {
                tracing::info!("closing without leaving: nobody could take over");
            },
            () = signals.next() => {}
        }
    }
    tracing::info!("closing");
    Stop::Asked
}

fn start_node(config: &Config, door: &FrontDoor) -> Result<Arc<Node>, ServeError> {
    let clock = Arc::new(SystemClock);
    let store = LocalStore::open(&StoreConfig {
        cache_bytes: config.cache_bytes,
        relaxed_flush: config.relaxed_flush,
        apply_interval: config.apply_interval,
        tombstone_age: config.tombstone_age,
        clock: clock.clone(),
        // Among others the node says so, once it has compared its clock with theirs.
        trusts_clock: config.cluster.secret.is_none(),
        ..StoreConfig::new(config.data_dir.clone())
    })?;
    let cluster = ClusterConfig { listen: door.address(), ..config.cluster.clone() };
    let streams = StreamsConfig {
        queue_bytes_max: config.stream_queue_bytes,
        cursor_age_max: config.tombstone_age,
        ..StreamsConfig::default()
    };
    let node_config = NodeConfig { streams, cluster };
    let node = Node::start(Arc::new(store), clock, node_config);
    tracing::info!(
        "DynaRust {} listens on http://{}, keeps its data in {}, and is node {}",
        env!("CARGO_PKG_VERSION"),
        door.address(),
        config.data_dir.display(),
        node.id(),
    );
    Ok(node)
}

/// Says in the folder where the node listens. A node that can't is a node all the same.
fn say_where(config: &Config, door: &FrontDoor) -> Option<AddressFile> {
    let written = AddressFile::write(&config.data_dir, door.address());
    written
        .inspect_err(|error| {
            let folder = config.data_dir.display();
            tracing::warn!(%folder, %error, "`DynaRust health` will not find this node: its file ADDRESS could not be written");
        })
        .ok()
}

/// Raises the limit of open files as far as it goes, and returns how many connections that, and the
/// memory, are good for.
fn connections_max(memory_bytes: usize, files_reserved: u64) -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files stays as it is");
        FILES_ASSUMED
    });
    let connections = usize::try_from(files.saturating_sub(files_reserved)).unwrap_or(usize::MAX);
    connections.min(memory_bytes / CONNECTION_MEMORY_BYTES).clamp(1, CONNECTIONS_MAX)
}

/// What asks the node to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
