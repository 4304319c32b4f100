//! The front door: listens, serves connections, and closes in order.
//!
//! Closing: the socket first, so that nobody new comes; then each connection behind the request that
//! runs on it; whatever is left at the deadline is cut.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dynarust_node::Node;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::backend::{Backend, HttpConfig};
use crate::connection;
use crate::surface::Surface;

/// How long no connection is taken after the system refused one (too many open files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening socket. Connections wait in the kernel until [`FrontDoor::serve`].
#[derive(Debug)]
pub struct FrontDoor {
    listener: TcpListener,
    address: SocketAddr,
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("the address {0} is in use: stop what listens there, or choose another port")]
    InUse(String),
    /// It is not one of this machine's.
    #[error("the address {0} is not one of this machine's: take 127.0.0.1, 0.0.0.0 or its own")]
    NotLocal(String),
    /// The system does not allow it.
    #[error("this user may not listen on {0}: choose a port from 1024 on")]
    NotAllowed(String),
    /// Anything else, such as a name that nobody knows.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// What was asked for.
        address: String,
        /// What the system says.
        source: io::Error,
    },
}

impl FrontDoor {
    /// Listens on `address`: host and port, where port 0 takes any that is free.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(address: &str) -> Result<Self, BindError> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bound.await.map_err(|error| BindError::of(address, error))
    }

    /// Where it listens, with the port that it really has.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `node` until `stop` comes true; then running requests and streams have `drain` to end.
    pub async fn serve(
        self,
        node: Arc<Node>,
        config: HttpConfig,
        stop: impl Future<Output = ()>,
        drain: Duration,
    ) {
        let slots = Arc::new(Semaphore::new(config.connections_max));
        let surface = Arc::new(Surface::new(Arc::new(Backend::new(node, config))));
        let stopping = watch::Sender::new(false);
        let mut connections = JoinSet::new();
        let accepting = accept_all(&self.listener, slots, &surface, &stopping, &mut connections);
        tokio::select! {
            () = accepting => {}
            () = stop => {}
        }
        drop(self.listener);
        stopping.send_replace(true);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if timeout(drain, all_ended).await.is_err() {
            tracing::warn!(connections = connections.len(), "cutting what did not end in time");
        }
        connections.shutdown().await;
    }
}

/// Takes connections, and never ends.
async fn accept_all(
    listener: &TcpListener,
    slots: Arc<Semaphore>,
    surface: &Arc<Surface>,
    stopping: &watch::Sender<bool>,
    connections: &mut JoinSet<()>,
) {
    loop {
        tokio::select! {
            (stream, slot) = accept(listener, &slots) => {
                let serving = connection::serve(stream, Arc::clone(surface), stopping.subscribe());
                connections.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection failed: this is a bug");
                }
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl BindError {
    fn of(address: &str, source: io::Error) -> Self {
        let address = address.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::AddrNotAvailable => Self::NotLocal(address),
            io::ErrorKind::PermissionDenied => Self::NotAllowed(address),
            _ => Self::Other { address, source },
        }
    }
}
