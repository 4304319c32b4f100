//! The network between the nodes of a test: each connection is a pair of pipes in memory, and what goes
//! through them is held where a test says so, and goes on where it stops saying so.
//!
//! A cut is as on a real network: nothing comes through, nobody is told, and connections that are tried
//! hang. Only what ends a connection on both of its sides is what the nodes make of that.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Node;
use crate::mesh::{Channel, Dialled, Network, handshake};

/// Bytes that a pipe holds, as a socket does.
const PIPE_BYTES: usize = 256 << 10;
const PORT: u16 = 7000;

/// A direction between two nodes, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) channel: Channel,
}

/// See the module.
#[derive(Default)]
pub(super) struct Wires {
    /// Where nothing comes through.
    shut: watch::Sender<BTreeSet<Way>>,
    listening: Mutex<BTreeMap<usize, Listener>>,
}

/// A node that takes connections.
struct Listener {
    node: Arc<Node>,
    serving: JoinSet<()>,
}

/// The network as one node has it.
struct Socket {
    wires: Arc<Wires>,
    number: usize,
}

/// Where the node of that number is reached.
pub(super) fn address_of(number: usize) -> SocketAddr {
    let host = u8::try_from(number + 1).unwrap();
    SocketAddr::from((Ipv4Addr::new(10, 0, 0, host), PORT))
}

fn number_at(address: &str) -> Option<usize> {
    let address: SocketAddr = address.parse().ok()?;
    (0..usize::from(u8::MAX)).find(|number| address_of(*number) == address)
}

impl Wires {
    /// The network for that node.
    pub(super) fn network(self: &Arc<Self>, number: usize) -> Arc<dyn Network> {
        Arc::new(Socket { wires: Arc::clone(self), number })
    }

    /// The node takes connections from now on.
    pub(super) fn listen(&self, number: usize, node: Arc<Node>) {
        self.listening.lock().insert(number, Listener { node, serving: JoinSet::new() });
    }

    /// It takes none any more, and those that it took end.
    pub(super) fn close(&self, number: usize) {
        self.listening.lock().remove(&number);
    }

    /// Nothing comes through that way until it is opened.
    pub(super) fn shut(&self, way: Way) {
        self.shut.send_modify(|shut| {
            shut.insert(way);
        });
    }

    /// What was held comes through, and what follows it.
    pub(super) fn open(&self, way: Way) {
        self.shut.send_modify(|shut| {
            shut.remove(&way);
        });
    }

    /// Nothing of what one says reaches the other.
    pub(super) fn cut_one_way(&self, from: usize, to: usize) {
        Channel::ALL.into_iter().for_each(|channel| self.shut(Way { from, to, channel }));
    }

    /// Neither hears the other.
    pub(super) fn cut(&self, one: usize, other: usize) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Both hear each other again, on all channels.
    pub(super) fn heal(&self, one: usize, other: usize) {
        for channel in Channel::ALL {
            self.open(Way { from: one, to: other, channel });
            self.open(Way { from: other, to: one, channel });
        }
    }

    /// Waits until something comes through from one to the other: on that channel, or on any.
    async fn is_open(&self, from: usize, to: usize, channel: Option<Channel>) {
        let open = |shut: &BTreeSet<Way>| match channel {
            Some(channel) => !shut.contains(&Way { from, to, channel }),
            None => {
                Channel::ALL.into_iter().any(|it| !shut.contains(&Way { from, to, channel: it }))
            }
        };
        // Its sender is in `self`.
        let _ = self.shut.subscribe().wait_for(open).await;
    }

    async fn connect(self: &Arc<Self>, from: usize, address: &str) -> io::Result<Dialled> {
        let to = number_at(address).ok_or(io::ErrorKind::NotFound)?;
        self.is_open(from, to, None).await;
        self.is_open(to, from, None).await;
        let (near, near_inside) = duplex(PIPE_BYTES);
        let (far, far_inside) = duplex(PIPE_BYTES);
        let node = {
            let mut listening = self.listening.lock();
            let listener = listening.get_mut(&to).ok_or(io::ErrorKind::ConnectionRefused)?;
            let node = Arc::clone(&listener.node);
            listener.serving.spawn(serve(Arc::clone(&listener.node), far));
            node
        };
        drop(node);
        let (near_read, near_write) = split(near_inside);
        let (far_read, far_write) = split(far_inside);
        let channel = Arc::new(OnceLock::new());
        let there = Pipe { wires: Arc::clone(self), from, to, channel: Arc::clone(&channel) };
        let back = Pipe { wires: Arc::clone(self), from: to, to: from, channel };
        tokio::spawn(there.carry(near_read, far_write));
        tokio::spawn(back.carry(far_read, near_write));
        let local = SocketAddr::new(address_of(from).ip(), 50_000);
        Ok(Dialled { io: Box::new(near), local, remote: address_of(to) })
    }
}

impl Network for Socket {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Dialled>> {
        self.wires.connect(self.number, address).boxed()
    }
}

/// As the front door does: the request for the mesh is answered, and the node has the rest.
async fn serve(node: Arc<Node>, mut io: DuplexStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    if io.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await.is_ok() {
        node.accept_mesh(io).await;
    }
}

/// One direction of a connection.
struct Pipe {
    wires: Arc<Wires>,
    from: usize,
    to: usize,
    /// What the connection is for, once its dialler has said so.
    channel: Arc<OnceLock<Channel>>,
}

impl Pipe {
    async fn carry(self, mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>) {
        let mut buffer = vec![0; PIPE_BYTES];
        loop {
            // An end is carried, too.
            let count = from.read(&mut buffer).await.unwrap_or(0);
            if self.channel.get().is_none()
                && let Some(channel) = handshake::channel_in(&buffer[..count]).await
            {
                let _ = self.channel.set(channel);
            }
            self.wires.is_open(self.from, self.to, self.channel.get().copied()).await;
            if count == 0 {
                let _ = to.shutdown().await;
                return;
            }
            if to.write_all(&buffer[..count]).await.is_err() {
                // That nobody reads here has to come back the other way.
                self.wires.is_open(self.to, self.from, self.channel.get().copied()).await;
                return;
            }
        }
    }
}
