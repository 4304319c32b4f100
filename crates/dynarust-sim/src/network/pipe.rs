//! One direction of a connection, and the two ends of a connection.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Net;
use crate::trace::tell;

/// Bytes under way, and in the buffers of both sockets.
const PIPE_BYTES: usize = 256 << 10;
/// Bytes that go at once.
const PACKET_BYTES_MAX: usize = 64 << 10;

/// See the module.
pub(super) struct Pipe {
    from: usize,
    to: usize,
    connection: u64,
    under_way: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    /// When the newest packet is due: none overtakes another.
    due: Instant,
    /// Nothing more is sent; due then.
    end: Option<Instant>,
    /// Nobody reads any more.
    unread: bool,
    /// It was reset.
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(from: usize, to: usize, connection: u64) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            from,
            to,
            connection,
            under_way: VecDeque::new(),
            bytes: 0,
            due: Instant::now(),
            end: None,
            unread: false,
            broken: false,
            reader: None,
            writer: None,
        }))
    }

    pub(super) fn touches(&self, host: usize) -> bool {
        self.from == host || self.to == host
    }

    pub(super) fn break_off(&mut self) {
        self.broken = true;
        self.under_way.clear();
        self.wake();
    }

    fn wake(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    /// When the next thing is there for the reader.
    fn next_due(&self) -> Option<Instant> {
        self.under_way.front().map(|(due, _)| *due).or(self.end)
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

/// One side of a connection.
pub(crate) struct End {
    net: Arc<Net>,
    inward: Arc<Mutex<Pipe>>,
    outward: Arc<Mutex<Pipe>>,
    /// Until something that is under way is there.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl End {
    pub(super) fn new(
        net: &Arc<Net>,
        inward: &Arc<Mutex<Pipe>>,
        outward: &Arc<Mutex<Pipe>>,
    ) -> Self {
        let (inward, outward) = (Arc::clone(inward), Arc::clone(outward));
        Self { net: Arc::clone(net), inward, outward, sleep: None }
    }

    fn poll_due(&mut self, due: Instant, context: &mut Context<'_>) -> Poll<()> {
        if due <= Instant::now() {
            return Poll::Ready(());
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        sleep.as_mut().poll(context)
    }

    /// Until the next packet has come through.
    fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (from, to, due) = {
            let mut pipe = self.inward.lock();
            if pipe.broken {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            pipe.reader = Some(context.waker().clone());
            (pipe.from, pipe.to, pipe.next_due())
        };
        let Some(due) = due else {
            return Poll::Pending;
        };
        if !self.net.wake_when_open(from, to, context.waker()) {
            return Poll::Pending;
        }
        self.poll_due(due, context).map(Ok)
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match this.poll_arrival(context) {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        let mut pipe = this.inward.lock();
        let Some((_, bytes)) = pipe.under_way.front_mut() else {
            // The end.
            return Poll::Ready(Ok(()));
        };
        let part = bytes.len().min(buffer.remaining());
        buffer.put_slice(bytes.get(..part).unwrap_or_default());
        bytes.advance(part);
        if bytes.is_empty() {
            pipe.under_way.pop_front();
        }
        pipe.bytes -= part;
        wake(&mut pipe.writer);
        tell!(this.net.trace, "{}: {} ─▶ {}: {part} bytes", pipe.connection, pipe.from, pipe.to);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = self.outward.lock();
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.end.is_some() || (pipe.unread && self.net.is_open(pipe.to, pipe.from)) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let part = bytes.len().min(PIPE_BYTES.saturating_sub(pipe.bytes)).min(PACKET_BYTES_MAX);
        if part == 0 && !bytes.is_empty() {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let due = pipe.due.max(Instant::now() + self.net.latency(pipe.from, pipe.to));
        pipe.due = due;
        pipe.bytes += part;
        let packet = Bytes::copy_from_slice(bytes.get(..part).unwrap_or_default());
        pipe.under_way.push_back((due, packet));
        wake(&mut pipe.reader);
        Poll::Ready(Ok(part))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.outward.lock();
        if pipe.end.is_none() {
            let due = pipe.due.max(Instant::now() + self.net.latency(pipe.from, pipe.to));
            pipe.end = Some(due);
            wake(&mut pipe.reader);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    /// The system closes it, with what was sent on its way; or, without power, nobody does.
    fn drop(&mut self) {
        let host = self.outward.lock().from;
        if self.net.state.lock().dark.contains(&host) {
            return;
        }
        let mut outward = self.outward.lock();
        if outward.end.is_none() {
            outward.end = Some(outward.due);
        }
        wake(&mut outward.reader);
        drop(outward);
        let mut inward = self.inward.lock();
        inward.unread = true;
        inward.under_way.clear();
        inward.bytes = 0;
        wake(&mut inward.writer);
    }
}
