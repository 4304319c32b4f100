//! Where connections come from, as a port: so that a simulator can bring another network.

use std::future::Future;
use std::io;
use std::net::IpAddr;

use tokio::net::{TcpListener, TcpStream};

use crate::connection::Io;
use crate::socket;

/// What takes connections.
pub trait Listen: Send + Sync + 'static {
    /// A connection that came.
    type Io: Io;

    /// Called once, before the first connection is taken.
    fn prepare(&self, _memory_is_small: bool) {}

    /// From where a connection came, where that is known.
    fn client(_: &Self::Io) -> Option<IpAddr> {
        None
    }

    /// The next connection. It may be dropped before it has ended, and loses none then.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listen for TcpListener {
    type Io = TcpStream;

    fn prepare(&self, memory_is_small: bool) {
        socket::prepare_listener(self, memory_is_small);
    }

    fn client(io: &TcpStream) -> Option<IpAddr> {
        io.peer_addr().ok().map(|address| address.ip().to_canonical())
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = TcpListener::accept(self).await?;
        socket::prepare(&stream);
        Ok(stream)
    }
}
