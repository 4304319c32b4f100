//! The network as the mesh needs it: a port, so that a simulator can bring another one.

use std::io;
use std::net::SocketAddr;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection, whatever it is made of.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// A connection that was dialled.
pub struct Dialled {
    /// The connection.
    pub io: Box<dyn Io>,
    /// Where this end of it is.
    pub local: SocketAddr,
    /// Where the other end of it is.
    pub remote: SocketAddr,
}

/// What connects.
pub trait Network: Send + Sync + 'static {
    /// Connects to `address`: host and port, where a name is resolved anew each time.
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Dialled>>;
}

/// The system's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TcpNetwork;

impl Network for TcpNetwork {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Dialled>> {
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
            Ok(Dialled { io: Box::new(stream), local, remote })
        }
        .boxed()
    }
}
