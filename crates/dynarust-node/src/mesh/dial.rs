//! Dialling: from an address to a peer that has proved itself.

use std::time::Duration;

use bytes::BytesMut;
use dynarust_core::limits::{DIAL_MILLIS_MAX, MESH_ANSWER_BYTES_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::handshake::{self, Greeting, HandshakeError, Met, Refusal};
use super::network::{Dialled, Io, Network};
use super::{Channel, PATH, UPGRADE};

/// Why a peer was not reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Nobody listens there: the process is gone.
    #[error("nobody listens there")]
    Absent,
    /// The network says no.
    #[error("cannot be reached: {0}")]
    Unreachable(std::io::Error),
    /// Nothing came in time.
    #[error("does not answer")]
    Slow,
    /// The node there has no secret, and lets nobody in.
    #[error("the node there runs without a secret, and lets no other in: give it CLUSTER_SECRET")]
    NoSecret,
    /// What listens there is no node of this protocol.
    #[error("answers `{0}` instead of letting a node in: it is no DynaRust node")]
    NoNode(String),
    /// The two did not come together.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// Connects to a node. `greeting` says what this node tells it, where that is known from where to where
/// the connection goes.
pub(crate) async fn dial(
    network: &dyn Network,
    address: &str,
    channel: Channel,
    secret: &[u8],
    greeting: impl FnOnce(&Dialled) -> Greeting,
    judge: impl FnOnce(&Greeting) -> Result<(), Refusal>,
) -> Result<Met<Box<dyn Io>>, DialError> {
    let patience = Duration::from_millis(DIAL_MILLIS_MAX);
    let connected = timeout(patience, network.connect(address)).await;
    let mut dialled =
        connected.map_err(|_| DialError::Slow)?.map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => DialError::Absent,
            _ => DialError::Unreachable(error),
        })?;
    let greeting = greeting(&dialled);
    let upgraded = timeout(patience, upgrade(&mut *dialled.io, address)).await;
    upgraded.map_err(|_| DialError::Slow)??;
    Ok(handshake::dial(dialled.io, secret, channel, &greeting, judge).await?)
}

/// Asks for the mesh, as any HTTP/1.1 client would (RFC 9110 section 7.8).
async fn upgrade(io: &mut dyn Io, address: &str) -> Result<(), DialError> {
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n"
    );
    io.write_all(request.as_bytes()).await.map_err(DialError::Unreachable)?;
    io.flush().await.map_err(DialError::Unreachable)?;
    let mut head = BytesMut::new();
    // Byte by byte: nothing behind the head may be taken.
    while !head.ends_with(b"\r\n\r\n") && head.len() < MESH_ANSWER_BYTES_MAX {
        match io.read_u8().await {
            Ok(byte) => head.extend_from_slice(&[byte]),
            Err(error) if head.is_empty() => return Err(DialError::Unreachable(error)),
            Err(_) => break,
        }
    }
    if head.starts_with(b"HTTP/1.1 101 ") && head.ends_with(b"\r\n\r\n") {
        return Ok(());
    }
    if head.starts_with(b"HTTP/1.1 403 ") {
        return Err(DialError::NoSecret);
    }
    let line = head.as_ref().split(|byte: &u8| *byte == b'\r').next().unwrap_or_default();
    Err(DialError::NoNode(String::from_utf8_lossy(line).escape_debug().take(100).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    async fn answered(answer: &'static [u8]) -> Result<(), DialError> {
        let (mut near, mut far) = duplex(1 << 18);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        upgrade(&mut near, "a:1").await
    }

    #[tokio::test]
    async fn only_a_node_is_let_in() {
        answered(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n").await.unwrap();
        for other in [&b"HTTP/1.1 404 Not Found\r\n\r\n"[..], b"SSH-2.0", &[b'x'; 1 << 16]] {
            assert!(matches!(answered(other).await, Err(DialError::NoNode(_))));
        }
        assert!(matches!(answered(b"").await, Err(DialError::Unreachable(_))));
    }

    #[tokio::test]
    async fn what_follows_the_answer_is_left_for_the_handshake() {
        let (mut near, mut far) = duplex(1 << 16);
        far.write_all(b"HTTP/1.1 101 x\r\n\r\nhello").await.unwrap();
        upgrade(&mut near, "a:1").await.unwrap();
        let mut rest = [0; 5];
        near.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"hello");
    }
}
