//! HTTP/1.1 by hand, over one kept connection: just what a load needs.

use std::io;
use std::net::SocketAddr;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What ends a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The way to the node.
    #[error("the node cannot be reached, or went away: {0}")]
    Io(#[from] io::Error),
    /// An answer that is not 200.
    #[error("the node answered: {0}")]
    Refused(String),
    /// A figure that no histogram takes.
    #[error("the measurement cannot be kept: {0}")]
    Unmeasurable(String),
}

/// A connection with one request under way at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection, BenchError> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Connection { socket, unread: Vec::with_capacity(4096) })
    }

    /// Sends a request and reads its whole answer, which must be a 200 with a length.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<(), BenchError> {
        self.socket.write_all(request).await?;
        self.unread.clear();
        loop {
            if let Some(whole) = answer_bytes(&self.unread)
                && self.unread.len() >= whole
            {
                return self.expect_200();
            }
            self.read_more().await?;
        }
    }

    /// Sends a request for a stream, and reads until its head is here.
    pub(crate) async fn open_stream(&mut self, request: &[u8]) -> Result<(), BenchError> {
        self.socket.write_all(request).await?;
        while memmem::find(&self.unread, b"\r\n\r\n").is_none() {
            self.read_more().await?;
        }
        self.expect_200()
    }

    /// What came and was not taken yet.
    pub(crate) fn unread(&mut self) -> &mut Vec<u8> {
        &mut self.unread
    }

    pub(crate) async fn read_more(&mut self) -> Result<(), BenchError> {
        match self.socket.read_buf(&mut self.unread).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    fn expect_200(&self) -> Result<(), BenchError> {
        if self.unread.starts_with(b"HTTP/1.1 200") {
            return Ok(());
        }
        Err(BenchError::Refused(String::from_utf8_lossy(&self.unread).into_owned()))
    }
}

/// The bytes of the whole answer at the beginning of `text`, once its head is here.
fn answer_bytes(text: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"content-length: ";
    let head = memmem::find(text, b"\r\n\r\n")? + 4;
    let lines = text.get(..head)?.split(|byte| *byte == b'\n');
    let length = lines
        .filter(|line| {
            line.get(..LENGTH.len()).is_some_and(|name| name.eq_ignore_ascii_case(LENGTH))
        })
        .find_map(|line| {
            std::str::from_utf8(line.get(LENGTH.len()..)?).ok()?.trim().parse::<usize>().ok()
        });
    Some(head + length.unwrap_or(0))
}
