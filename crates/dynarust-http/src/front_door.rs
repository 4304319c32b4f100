//! The front door: listens, serves connections, and closes in order.
//!
//! Closing: the socket first, so that nobody new comes; then each connection behind the request that
//! runs on it; whatever is left at the deadline is cut. Connections of peers end last, since requests
//! that still run may need them, and a node that has left its cluster says so ([`Node::go`]).
//!
//! Where too many connections are open, the next are answered 503 and closed, a few at a time. Peers
//! have places of their own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::TURNED_AWAY_MAX;
use dynarust_node::Node;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::backend::{Backend, HttpConfig};
use crate::connection::{self, GoesOn, Io};
use crate::listen::Listen;
use crate::live::StreamConnection;
use crate::surface::Surface;

/// How long no connection is taken after the system refused one (too many open files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening socket. Connections wait in the kernel until [`FrontDoor::serve`].
#[derive(Debug)]
pub struct FrontDoor<L = TcpListener> {
    listener: L,
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
}

impl<L: Listen> FrontDoor<L> {
    /// Of connections that come by way of `listener`, which is reached at `address`.
    pub fn of(listener: L, address: SocketAddr) -> Self {
        Self { listener, address }
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
        let places = Places::new(config.connections_max);
        self.listener.prepare(config.memory_is_small());
        let surface = Arc::new(Surface::new(Arc::new(Backend::new(Arc::clone(&node), config))));
        let stopping = watch::Sender::new(false);
        let mut connections = Connections::default();
        let accepting = accept_all(&self.listener, places, &surface, &stopping, &mut connections);
        tokio::select! {
            () = accepting => {}
            () = stop => {}
        }
        drop(self.listener);
        stopping.send_replace(true);
        connections.close_those_of_clients(drain).await;
        node.go().await;
        connections.peers.shutdown().await;
    }
}

/// How many connections there may be.
struct Places {
    served: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
}

/// What becomes of a connection.
enum Place {
    Served(OwnedSemaphorePermit),
    TurnedAway(OwnedSemaphorePermit),
}

impl Places {
    fn new(served_max: usize) -> Self {
        Self {
            served: Arc::new(Semaphore::new(served_max)),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
        }
    }

    /// The place of a connection that is there; it waits where there is none of either kind.
    async fn take(&self) -> Place {
        let acquire = |places: &Arc<Semaphore>| {
            let acquired = Arc::clone(places).acquire_owned();
            async move {
                match acquired.await {
                    Ok(permit) => permit,
                    // It is never closed.
                    Err(_) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            biased;
            permit = acquire(&self.served) => Place::Served(permit),
            permit = acquire(&self.turned_away) => Place::TurnedAway(permit),
        }
    }
}

/// The connections that there are.
#[derive(Default)]
struct Connections {
    /// Those of clients. One that leaves HTTP ends with what serves it from then on.
    clients: JoinSet<Option<Left>>,
    /// Live streams that have their sockets for themselves.
    streams: JoinSet<()>,
    peers: JoinSet<()>,
}

/// What a connection goes on as.
enum Left {
    Peer(Serving),
    Stream(Serving),
}

/// What serves it.
type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Connections {
    fn spawn<I: Io, S: Io>(
        &mut self,
        surface: Arc<Surface>,
        place: OwnedSemaphorePermit,
        serving: impl Future<Output = Option<GoesOn<I, S>>> + Send + 'static,
    ) {
        let tasks = surface.node().tasks().clone();
        let theirs = tasks.clone();
        self.clients.spawn(tasks.task(async move {
            Some(match serving.await? {
                GoesOn::Peer(mesh) => {
                    drop(place);
                    let node = Arc::clone(surface.node());
                    Left::Peer(Box::pin(theirs.task(mesh.serve(node))))
                }
                GoesOn::Stream(departed, open) => {
                    let stream = StreamConnection::new(departed, open, place)?;
                    Left::Stream(Box::pin(theirs.task(stream)))
                }
                GoesOn::WebSocket(stream) => Left::Stream(Box::pin(theirs.task(async move {
                    stream.serve().await;
                    drop(place);
                }))),
            })
        }));
    }

    /// Waits until one ends; a peer's goes on as such, and a stream.
    async fn one_ends(&mut self) {
        let failed = tokio::select! {
            Some(ended) = self.clients.join_next() => match ended {
                Ok(left) => {
                    match left {
                        None => {}
                        Some(Left::Peer(serving)) => _ = self.peers.spawn(serving),
                        Some(Left::Stream(serving)) => _ = self.streams.spawn(serving),
                    }
                    return;
                }
                Err(error) => error,
            },
            Some(ended) = self.streams.join_next() => match ended {
                Ok(()) => return,
                Err(error) => error,
            },
            Some(ended) = self.peers.join_next() => match ended {
                Ok(()) => return,
                Err(error) => error,
            },
            else => std::future::pending().await,
        };
        tracing::error!(error = %failed, "a connection failed: this is a bug");
    }

    /// They have this long to end.
    async fn close_those_of_clients(&mut self, drain: Duration) {
        let all_ended = async {
            while !self.clients.is_empty() || !self.streams.is_empty() {
                self.one_ends().await;
            }
        };
        if timeout(drain, all_ended).await.is_err() {
            let connections = self.clients.len() + self.streams.len();
            tracing::warn!(connections, "cutting what did not end in time");
        }
        self.clients.shutdown().await;
        self.streams.shutdown().await;
    }
}

/// Takes connections, and never ends.
async fn accept_all<L: Listen>(
    listener: &L,
    places: Places,
    surface: &Arc<Surface>,
    stopping: &watch::Sender<bool>,
    connections: &mut Connections,
) {
    loop {
        let mut next = pin!(async {
            let stream = accept(listener).await;
            (stream, places.take().await)
        });
        let (stream, place) = loop {
            tokio::select! {
                next = next.as_mut() => break next,
                () = connections.one_ends() => {}
            }
        };
        let surface = Arc::clone(surface);
        match place {
            Place::Served(place) => {
                let client = L::client(&stream);
                let stopping = stopping.subscribe();
                let serving = connection::serve(stream, client, Arc::clone(&surface), stopping);
                connections.spawn(surface, place, serving);
            }
            Place::TurnedAway(place) => {
                let turning_away = connection::turn_away(stream, Arc::clone(&surface));
                connections.spawn(surface, place, turning_away);
            }
        }
    }
}

async fn accept<L: Listen>(listener: &L) -> L::Io {
    loop {
        match listener.accept().await {
            Ok(stream) => return stream,
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
