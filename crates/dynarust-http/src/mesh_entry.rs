//! `GET /_mesh`: where another node comes in. It asks for an upgrade; then its connection leaves HTTP, and
//! is the node's ([`Node::accept_mesh`]), which believes nothing before the other side has proved itself.
//!
//! ```text
//! surface: mesh ─▶ 101, the connection claimed (`departure`) ─▶ connection: hyper lets go ─▶ front door ─▶ node
//! ```
//!
//! A node has places for peers apart from those for clients: neither can take the other's. A peer that finds
//! all places of clients taken comes in by way of the few that are turned away.
//!
//! [`Node::accept_mesh`]: dynarust_node::Node::accept_mesh

use std::sync::Arc;

use dynarust_node::Node;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::Outcome;
use crate::backend::Backend;
use crate::connection::Io;
use crate::departure::{Claim, Departed, Offer};
use crate::door_counts::OpenConnection;
use crate::preceded::Preceded;
use crate::problem::{Code, Problem};
use crate::query::Query;
use crate::response_body::Body;
use crate::stall_limit::StallLimit;

/// Where peers ask.
pub(crate) const PATH: &str = "/_mesh";
/// What they ask for.
pub(crate) const PROTOCOL: &str = "dynarust/1";

/// A connection that a peer has, and its place among them.
pub(crate) struct MeshConnection<I> {
    io: I,
    /// The answer to what the peer asked.
    head: Vec<u8>,
    _place: OwnedSemaphorePermit,
    _open: OpenConnection,
}

/// The answer to a peer.
pub(crate) fn mesh(backend: &Backend, request: &Request<Incoming>) -> Outcome {
    Query::parse(request.uri().query())?.finish()?;
    if !backend.node.takes_peers() {
        return Err(Problem::no_cluster());
    }
    if request.version() == Version::HTTP_2 {
        let detail = format!("`{PROTOCOL}` is an upgrade of HTTP/1.1");
        return Err(Problem::new(Code::VersionNotSupported, detail));
    }
    // Without an offer the guard saw no upgrade that could be.
    let offer = request.extensions().get::<Offer>();
    let asks = asks(request.method(), request.headers());
    let Some(offer) = offer.filter(|offer| asks && offer.is_upgrade()) else {
        return Err(Problem::upgrade_required(PROTOCOL));
    };
    let place = Arc::clone(&backend.mesh_places).try_acquire_owned().map_err(|_| {
        Problem::new(Code::Overloaded, "this node has as many peers as it takes on")
    })?;
    offer.claim(Claim::Peer(place));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
    Ok(response)
}

/// Whether this asks for the mesh's protocol (RFC 9110 section 7.8).
fn asks(method: &Method, headers: &HeaderMap) -> bool {
    let lists = |name, wanted: &str| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|it| it.trim().eq_ignore_ascii_case(wanted))
    };
    *method == Method::GET && lists(UPGRADE, PROTOCOL) && lists(CONNECTION, "upgrade")
}

impl<S: Io> MeshConnection<Preceded<S>> {
    /// One that has left hyper; none where it was not for a peer.
    pub(crate) fn new(departed: Departed<StallLimit<S>>, open: OpenConnection) -> Option<Self> {
        let Departed { claim: Claim::Peer(place), head, stream, read, .. } = departed else {
            return None;
        };
        // What the peer said at once may have been read already.
        let io = Preceded::new(read, stream.into_inner());
        Some(Self { io, head, _place: place, _open: open })
    }
}

impl<I: Io> MeshConnection<I> {
    /// Until it ends.
    pub(crate) async fn serve(self, node: Arc<Node>) {
        let Self { mut io, head, _place, _open } = self;
        // It fails where the connection has broken.
        if io.write_all(&head).await.is_ok() {
            node.accept_mesh(io).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use dynarust_node::{ClusterConfig, NodeConfig, Secret};
    use dynarust_store::SystemClock;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;

    use super::*;
    use crate::HttpConfig;
    use crate::connection::{self, GoesOn};
    use crate::store_in_memory::StoreInMemory;
    use crate::surface::Surface;

    fn surface() -> Arc<Surface> {
        let secret = Some(Secret::new("a secret of a test"));
        let cluster = ClusterConfig { secret, ..ClusterConfig::default() };
        let config = NodeConfig { cluster, ..NodeConfig::alone("a:1") };
        let node = Node::start(StoreInMemory::new(), Arc::new(SystemClock), config);
        Arc::new(Surface::new(Arc::new(Backend::new(node, HttpConfig::default()))))
    }

    #[tokio::test]
    async fn what_comes_behind_the_head_is_not_lost_and_the_connection_counts_until_its_end() {
        const HEAD: &[u8] =
            b"GET /_mesh HTTP/1.1\r\nHost: a\r\nConnection: x, upgrade\r\nUpgrade: a, DynaRust/1\r\n\r\n";
        let surface = surface();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (ours, _) = listener.accept().await.unwrap();
        // With the head, and behind it.
        peer.write_all(&[HEAD, b"hello "].concat()).await.unwrap();
        let stopping = watch::Sender::new(false);
        let serving = connection::serve(ours, None, Arc::clone(&surface), stopping.subscribe());
        let Some(GoesOn::Peer(mut mesh)) = serving.await else { panic!("it is no peer's") };
        peer.write_all(b"there").await.unwrap();
        let mut said = [0; 11];
        mesh.io.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello there");
        let head = std::mem::take(&mut mesh.head);
        mesh.io.write_all(&[&head, b"hello".as_slice()].concat()).await.unwrap();
        let mut answer = vec![0; 17];
        peer.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 101 Swit");
        while !answer.ends_with(b"\r\n\r\nhello") {
            answer.push(peer.read_u8().await.unwrap());
        }
        let door = surface.door();
        assert_eq!((door.now().open, door.now().held_bytes), (1, 0));
        drop(mesh);
        assert_eq!(door.now().open, 0);
        assert_eq!(peer.read(&mut said).await.unwrap(), 0);
    }
}
