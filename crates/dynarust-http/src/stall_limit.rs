//! A socket that gives up on a peer who takes nothing.
//!
//! A client that stops reading, and never closes, would keep its connection and all that waits for it
//! in memory for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::door_counts::DoorCounts;

/// Fails a write that waits longer than the patience.
#[derive(Debug)]
pub(crate) struct StallLimit<S> {
    stream: S,
    patience: Duration,
    /// Set while a write waits.
    end: Option<Pin<Box<Sleep>>>,
    counts: Arc<DoorCounts>,
}

impl<S: AsyncWrite + Unpin> StallLimit<S> {
    pub(crate) fn new(stream: S, patience: Duration, counts: Arc<DoorCounts>) -> Self {
        Self { stream, patience, end: None, counts }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    fn limit<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let outcome = write(Pin::new(&mut self.stream), context);
        if outcome.is_ready() {
            self.end = None;
            return outcome;
        }
        let patience = self.patience;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(patience)));
        let over = end.as_mut().poll(context);
        over.map(|()| {
            self.counts.count_slow();
            Err(io::ErrorKind::TimedOut.into())
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallLimit<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallLimit<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().limit(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().limit(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_peer_that_takes_nothing_is_given_up() {
        let (ours, mut theirs) = duplex(4);
        let counts = Arc::<DoorCounts>::default();
        let mut ours = StallLimit::new(ours, Duration::from_secs(60), Arc::clone(&counts));
        ours.write_all(b"abcd").await.unwrap();
        let mut taken = [0; 4];
        let (written, read) = tokio::join!(ours.write_all(b"efgh"), theirs.read_exact(&mut taken));
        assert!(written.is_ok() && read.is_ok());
        let stalled = ours.write_all(b"ijkl").await.unwrap_err();
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        assert_eq!(counts.now().slow, 1);
    }
}
