//! HTTP/1.1 by hand, over one kept connection: just what a load needs.
//!
//! A connection that broke is opened again with the next request, so that a load outlives a restart
//! of its node.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::answer;
use crate::failures::Failure;

/// How long nothing is tried after a connection that could not be opened.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
const BUFFER_BYTES: usize = 4096;

/// A way to the node with one request under way at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    socket: Option<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    /// Opened by its first request.
    pub(crate) fn new(address: SocketAddr) -> Connection {
        Connection { address, socket: None, received: Vec::with_capacity(BUFFER_BYTES) }
    }

    /// Sends a request and reads its whole answer, which must be a success.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<(), Failure> {
        let status = self.ask(request).await?;
        match status {
            200..=299 => Ok(()),
            _ => Err(Failure::Refused(self.problem())),
        }
    }

    /// Sends a request and reads its whole answer; gives the status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<u16, Failure> {
        self.send(request).await?;
        while !answer::is_whole(&self.received) {
            self.receive().await?;
        }
        Ok(answer::status(&self.received))
    }

    /// Sends a request for a stream, and reads until its head is here; what came behind it stays.
    pub(crate) async fn open_stream(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.send(request).await?;
        let head_bytes = loop {
            match answer::head_bytes(&self.received) {
                Some(head_bytes) => break head_bytes,
                None => self.receive().await?,
            }
        };
        if answer::status(&self.received) != 200 {
            return Err(Failure::Refused(self.problem()));
        }
        self.received.drain(..head_bytes);
        Ok(())
    }

    /// Reads until `marker` is here, and takes all up to its end.
    pub(crate) async fn skip_behind(&mut self, marker: &[u8]) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(at) = memmem::find(&self.received, marker) {
                return Ok(self.received.drain(..at + marker.len()).collect());
            }
            self.receive().await?;
        }
    }

    /// What the last answer says where it is no success.
    pub(crate) fn problem(&self) -> String {
        answer::problem(&self.received)
    }

    /// What came and was not taken yet.
    pub(crate) fn received(&mut self) -> &mut Vec<u8> {
        &mut self.received
    }

    /// Waits for more.
    pub(crate) async fn receive(&mut self) -> Result<(), Failure> {
        let Some(socket) = &mut self.socket else {
            return Err(Failure::Lost("it is closed".to_owned()));
        };
        let came = match socket.read_buf(&mut self.received).await {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            other => other,
        };
        came.map(|_| ()).map_err(|error| self.lost(&error))
    }

    pub(crate) fn close(&mut self) {
        self.socket = None;
        self.received.clear();
    }

    async fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.received.clear();
        if self.socket.is_none() {
            match open(self.address).await {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => {
                    sleep(REFUSED_PAUSE).await;
                    return Err(self.lost(&error));
                }
            }
        }
        let Some(socket) = &mut self.socket else { return Ok(()) };
        let sent = socket.write_all(request).await;
        sent.map_err(|error| self.lost(&error))
    }

    fn lost(&mut self, error: &io::Error) -> Failure {
        self.close();
        Failure::Lost(error.kind().to_string())
    }
}

/// A connection as a load has it.
pub(crate) async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
