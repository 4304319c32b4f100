//! What a node or a client has of the network: it connects, and it listens.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use dynarust_http::Listen;
use dynarust_node::{Dialled, Network};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, mpsc};
use tokio::time::sleep;

use super::pipe::{End, Pipe};
use super::{Net, address_of, host_at};

/// The network as one host has it.
#[derive(Clone)]
pub(crate) struct Socket {
    pub(crate) net: Arc<Net>,
    pub(crate) host: usize,
}

impl Socket {
    /// A connection to that node.
    pub(crate) async fn dial(&self, to: usize) -> io::Result<End> {
        self.come_through(self.host, to).await;
        let listening = self.net.state.lock().listening.get(&to).cloned();
        self.come_through(to, self.host).await;
        let listening = listening.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (there, back) = {
            let mut state = self.net.state.lock();
            state.connections += 1;
            let number = state.connections;
            let there = Pipe::new(self.host, to, number);
            let back = Pipe::new(to, self.host, number);
            state.pipes.push(Arc::downgrade(&there));
            state.pipes.push(Arc::downgrade(&back));
            (there, back)
        };
        let far = End::new(&self.net, &there, &back);
        listening.send(far).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(End::new(&self.net, &back, &there))
    }

    async fn come_through(&self, from: usize, to: usize) {
        std::future::poll_fn(|context| {
            if self.net.wake_when_open(from, to, context.waker()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        sleep(self.net.latency(from, to)).await;
    }

    /// Takes connections from now on, in place of who did so before.
    pub(crate) fn listen(&self) -> Listening {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.net.state.lock().listening.insert(self.host, sender);
        Listening(Mutex::new(receiver))
    }

    /// Nobody takes any.
    pub(crate) fn stop_listening(&self) {
        self.net.state.lock().listening.remove(&self.host);
    }
}

impl Network for Socket {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Dialled>> {
        async move {
            let to = host_at(address).ok_or(io::ErrorKind::NotFound)?;
            let io = Box::new(self.dial(to).await?);
            let local = SocketAddr::new(address_of(self.host).ip(), 50_000);
            Ok(Dialled { io, local, remote: address_of(to) })
        }
        .boxed()
    }
}

/// What takes a node's connections.
pub(crate) struct Listening(Mutex<mpsc::UnboundedReceiver<End>>);

impl Listen for Listening {
    type Io = End;

    async fn accept(&self) -> io::Result<End> {
        match self.0.lock().await.recv().await {
            Some(end) => Ok(end),
            // Somebody else listens here now.
            None => std::future::pending().await,
        }
    }
}
