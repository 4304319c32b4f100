//! A live stream that has its socket for itself: what it tells is written as it comes, in chunks (RFC 9112 section 7.1),
//! and nothing of hyper stays in memory. One that is cut short has no last chunk.
//!
//! It is a future written by hand, since there are thousands: one that idles has nothing beside its socket and its
//! stream, and what the socket has no room for is kept only until it has.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::following::Following;
use crate::connection::Io;
use crate::departure::Departed;
use crate::door_counts::OpenConnection;
use crate::response_body::Body;

/// Bytes that a client may send behind its request, which closes the connection: more, and it ends.
const SENT_BEHIND_MAX: usize = 64 << 10;
/// Of that, read at a time.
const READ_BYTES: usize = 64;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A line, then a text, then a line's end.
type Chunk = bytes::buf::Chain<bytes::buf::Chain<Bytes, Bytes>, &'static [u8]>;

/// See the module.
pub(crate) struct StreamConnection<I> {
    io: I,
    following: Box<Following>,
    /// What the socket had no room for.
    unsent: Option<Box<Chunk>>,
    sent_behind: usize,
    /// All was told.
    ended: bool,
    _open: OpenConnection,
    _place: OwnedSemaphorePermit,
}

impl<I: Io> StreamConnection<I> {
    /// One that has left hyper, in a connection's place. None where it has nothing of a stream.
    pub(crate) fn new(
        departed: Departed<I>,
        open: OpenConnection,
        place: OwnedSemaphorePermit,
    ) -> Option<Self> {
        let Departed { stream, head, body, .. } = departed;
        let Body::Live(following) = body else {
            return None;
        };
        let head = Bytes::from(head).chain(Bytes::new()).chain(b"".as_slice());
        Some(Self {
            io: stream,
            following,
            unsent: Some(Box::new(head)),
            sent_behind: 0,
            ended: false,
            _open: open,
            _place: place,
        })
    }

    /// Ready once all was told; none where there is nobody left to tell, or the stream is cut short.
    fn poll_told(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        loop {
            if self.poll_gone(context).is_ready() {
                return Poll::Ready(None);
            }
            if let Some(unsent) = &mut self.unsent {
                if ready!(poll_write_all(&mut self.io, context, unsent.as_mut())).is_err() {
                    return Poll::Ready(None);
                }
                self.unsent = None;
            }
            if self.ended {
                return Pin::new(&mut self.io).poll_shutdown(context).map(Result::ok);
            }
            let mut chunk = match ready!(self.following.poll_text(context)) {
                // An empty chunk would be the last.
                Some(Ok(text)) if text.is_empty() => continue,
                Some(Ok(text)) => Bytes::from(format!("{:x}\r\n", text.len()))
                    .chain(text)
                    .chain(b"\r\n".as_slice()),
                Some(Err(_)) => return Poll::Ready(None),
                None => {
                    self.ended = true;
                    Bytes::new().chain(Bytes::new()).chain(LAST_CHUNK)
                }
            };
            match poll_write_all(&mut self.io, context, &mut chunk) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => {
                    self.unsent = Some(Box::new(chunk));
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ready once the client has gone, or says too much.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut scratch = [0; READ_BYTES];
            let mut scratch = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.io).poll_read(context, &mut scratch));
            self.sent_behind += scratch.filled().len();
            if read.is_err() || scratch.filled().is_empty() || self.sent_behind > SENT_BEHIND_MAX {
                return Poll::Ready(());
            }
        }
    }
}

impl<I: Io> Future for StreamConnection<I> {
    type Output = ();

    /// To the end of the stream, or until its client has gone.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.get_mut().poll_told(context).map(|_| ())
    }
}

fn poll_write_all<W: AsyncWrite + Unpin>(
    writer: &mut W,
    context: &mut Context<'_>,
    bytes: &mut Chunk,
) -> Poll<io::Result<()>> {
    while bytes.has_remaining() {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = bytes.chunks_vectored(&mut slices);
        let slices = slices.get(..count).unwrap_or_default();
        match ready!(Pin::new(&mut *writer).poll_write_vectored(context, slices))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => bytes.advance(written),
        }
    }
    Poll::Ready(Ok(()))
}
