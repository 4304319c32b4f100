//! A live stream that has its socket for itself: what its body tells is written as it comes, in chunks (RFC 9112
//! section 7.1), and nothing of hyper stays in memory. One that is cut short has no last chunk.

use bytes::{Buf, Bytes};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::connection::Io;
use crate::departure::Departed;
use crate::door_counts::OpenConnection;
use crate::response_body::Body;

/// Bytes that a client may send behind its request, which closes the connection: more, and it ends.
const SENT_BEHIND_MAX: usize = 64 << 10;
/// Of that, read at a time.
const READ_BYTES: usize = 64;

/// See the module.
pub(crate) struct StreamConnection<I> {
    io: I,
    head: Bytes,
    body: Body,
    _open: OpenConnection,
}

impl<I: Io> StreamConnection<I> {
    /// One that has left hyper. It is boxed, since a future that is handed a value has room for it twice.
    pub(crate) fn new(departed: Departed<I>, open: OpenConnection) -> Box<Self> {
        let Departed { stream, head, body, .. } = departed;
        Box::new(Self { io: stream, head: head.into(), body, _open: open })
    }

    /// To the end of the stream, or until its client has gone.
    pub(crate) async fn serve(mut self: Box<Self>) {
        // It ends where the client has gone, or the stream is cut short.
        if self.send().await.is_some() {
            // Whatever becomes of that, it ends.
            let _ = self.io.shutdown().await;
        }
    }

    async fn send(&mut self) -> Option<()> {
        let head = std::mem::take(&mut self.head);
        self.io.write_all(&head).await.ok()?;
        drop(head);
        let mut sent_behind = 0;
        while let Some(bytes) = self.next(&mut sent_behind).await? {
            let length = format!("{:x}\r\n", bytes.len());
            let mut chunk = Buf::chain(length.as_bytes(), bytes).chain(b"\r\n".as_slice());
            self.io.write_all_buf(&mut chunk).await.ok()?;
        }
        self.io.write_all(b"0\r\n\r\n").await.ok()
    }

    /// What comes next of the body, or its end; none where there is nobody to tell it, or nothing to be told.
    async fn next(&mut self, sent_behind: &mut usize) -> Option<Option<Bytes>> {
        loop {
            let mut scratch = [0; READ_BYTES];
            tokio::select! {
                biased;
                read = self.io.read(&mut scratch) => match read {
                    Ok(bytes) if bytes > 0 && *sent_behind < SENT_BEHIND_MAX => {
                        *sent_behind += bytes;
                    }
                    _ => return None,
                },
                frame = self.body.frame() => match frame {
                    None => return Some(None),
                    Some(frame) => match frame.ok()?.into_data() {
                        // An empty chunk would be the last.
                        Ok(bytes) if !bytes.is_empty() => return Some(Some(bytes)),
                        _ => {}
                    },
                },
            }
        }
    }
}
