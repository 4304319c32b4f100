//! Where connections come from, as a port: so that a simulator can bring another network.

use std::future::Future;
use std::io;

use tokio::net::{TcpListener, TcpStream};

use crate::connection::Io;
use crate::socket;

/// What takes connections.
pub trait Listen: Send + Sync + 'static {
    /// A connection that came.
    type Io: Io;

    /// Called once, before the first connection is taken.
    fn prepare(&self, _memory_is_small: bool) {}

    /// The next connection. It may be dropped before it has ended, and loses none then.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listen for TcpListener {
    type Io = TcpStream;

    fn prepare(&self, memory_is_small: bool) {
        socket::prepare_listener(self, memory_is_small);
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = TcpListener::accept(self).await?;
        socket::prepare(&stream);
        Ok(stream)
    }
}
