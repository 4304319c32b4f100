//! An end of a link that a fuzz target holds: it has met a node, and then says what it likes.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::script::Said;
use crate::mesh::frame::{FrameReader, Kind};
use crate::mesh::handshake::{self, Greeting};
use crate::mesh::{Channel, Met};

/// How long a node may leave unread what it is sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct End {
    /// Whom it has met.
    pub(crate) node: Greeting,
    writer: WriteHalf<DuplexStream>,
    /// Swallows what the node says.
    reading: Option<JoinHandle<()>>,
    /// Where nobody reads that.
    _unread: Option<FrameReader<ReadHalf<DuplexStream>>>,
}

impl End {
    /// None where the node does not want to know it.
    pub(crate) async fn meet(
        io: DuplexStream,
        secret: &[u8],
        channel: Channel,
        greeting: &Greeting,
        reads: bool,
    ) -> Option<Self> {
        let met = handshake::dial(io, secret, channel, greeting, |_| Ok(())).await.ok()?;
        let Met { peer, mut reader, writer, .. } = met;
        let (reading, unread) = if reads {
            let reading = async move { while reader.next().await.is_ok() {} };
            (Some(tokio::spawn(reading)), None)
        } else {
            (None, Some(reader))
        };
        Some(Self { node: peer, writer, reading, _unread: unread })
    }

    /// False once the node has closed the link.
    pub(crate) async fn send(&mut self, said: &Said) -> bool {
        let written = timeout(PATIENCE, self.writer.write_all(&said.encoded())).await;
        written.expect("the node reads no more").is_ok()
    }

    /// Says nothing but that it is there, and what its clock shows.
    pub(crate) async fn ping(&mut self, now: u64) -> bool {
        let mut body = BytesMut::new();
        body.put_u64_le(0);
        body.put_u64_le(now);
        self.notify(0, body.freeze()).await
    }

    pub(crate) async fn notify(&mut self, number: u16, body: Bytes) -> bool {
        self.send(&Said { kind: Kind::Notice, number, id: 0, body }).await
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}
