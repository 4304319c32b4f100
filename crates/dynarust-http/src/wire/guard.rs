//! The guard: a socket of which only sound requests are read. See the folder's header.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dynarust_core::limits::{
    HEAD_MILLIS_MAX, IDLE_MILLIS_MAX, LINGER_MILLIS_MAX, REFUSED_BODY_BYTES_MAX,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::fault::Fault;
use super::framer::{Framer, Passage, Rest};
use super::held::{Full, Held};
use super::patience::Patience;
use super::verdict::{Verdict, sentinel};
use crate::door_counts::DoorCounts;

const HEAD_PATIENCE: Duration = Duration::from_millis(HEAD_MILLIS_MAX);
const IDLE_PATIENCE: Duration = Duration::from_millis(IDLE_MILLIS_MAX);
const LINGER_PATIENCE: Duration = Duration::from_millis(LINGER_MILLIS_MAX);
/// What a client says first who knows that we speak HTTP/2 (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that are read at a time until one can tell what a client speaks.
const FIRST_BYTES: usize = 1024;
/// Bytes that are thrown away at a time.
const DISCARDED_BYTES: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    stream: S,
    framer: Framer,
    held: Held,
    /// So many of the held bytes may go on.
    clear: usize,
    /// What the next read fails with.
    body_fault: Option<Fault>,
    verdict: Arc<Verdict>,
    counts: Arc<DoorCounts>,
    patience: Patience,
    /// When the head that has begun must be whole.
    head_end: Option<Instant>,
    /// Something came or went since `idle_end` was set.
    moved: bool,
    /// An answer waits for its reader, for whom others have patience (`stall_limit`).
    writing: bool,
    idle_end: Instant,
    closing: Option<Closing>,
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    /// Which needs no guard: its frames have one meaning, and hyper refuses the others.
    Http2,
}

/// A connection that is shut down on our side, and is read on for a while, so that the answer arrives:
/// one that is closed with unread bytes is reset, and the answer with it.
#[derive(Debug)]
struct Closing {
    end: Instant,
    bytes_left: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    pub(crate) fn new(stream: S, counts: Arc<DoorCounts>) -> Self {
        Self {
            stream,
            framer: Framer::default(),
            held: Held::new(counts.held_bytes()),
            clear: 0,
            body_fault: None,
            verdict: Arc::default(),
            counts,
            patience: Patience::default(),
            head_end: None,
            moved: false,
            writing: false,
            idle_end: Instant::now() + IDLE_PATIENCE,
            closing: None,
        }
    }

    /// What the service of this connection asks and tells.
    pub(crate) fn verdict(&self) -> Arc<Verdict> {
        Arc::clone(&self.verdict)
    }

    /// The socket, once this is an upgraded connection, and what was read of it and not handed on.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.held.into_bytes())
    }

    /// What the client speaks, told by its first bytes; `None` where it has gone or stays silent. No
    /// request is read before, and a client that says nothing costs little memory.
    pub(crate) async fn protocol(&mut self) -> Option<Protocol> {
        poll_fn(|context| self.poll_protocol(context)).await
    }

    fn poll_protocol(&mut self, context: &mut Context<'_>) -> Poll<Option<Protocol>> {
        let mut scratch = [0; FIRST_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending if !self.is_out_of_patience(context) => return Poll::Pending,
                Poll::Pending if self.held.is_empty() => {
                    self.counts.count_idle();
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    self.refuse(Fault::TooSlow);
                    return Poll::Ready(Some(Protocol::Http1));
                }
            }
            if self.held.push(buffer.filled()).is_err() {
                self.refuse(Fault::Crowded);
                return Poll::Ready(Some(Protocol::Http1));
            }
            let said = self.held.bytes();
            if said.starts_with(HTTP2_PREFACE) {
                self.framer.go_around();
                self.look_at_held();
                return Poll::Ready(Some(Protocol::Http2));
            }
            if !HTTP2_PREFACE.starts_with(said) {
                self.look_at_held();
                return Poll::Ready(Some(Protocol::Http1));
            }
            self.head_end.get_or_insert_with(|| Instant::now() + HEAD_PATIENCE);
        }
    }

    /// Looks at what was read: the last bytes of `buffer`, from `before` on. What may not go on yet
    /// leaves the buffer.
    fn look_at(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        self.moved = true;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        if !self.held.is_empty() {
            let pushed = self.held.push(fresh);
            buffer.set_filled(before);
            return match pushed {
                Ok(()) => self.look_at_held(),
                Err(Full) => self.refuse(Fault::Crowded),
            };
        }
        let Passage { clear, rest } = self.framer.advance(fresh);
        let behind = fresh.get(clear..).unwrap_or_default();
        let pushed = self.held.push(behind);
        buffer.set_filled(before + clear);
        match pushed {
            Ok(()) => self.follow(clear, rest),
            Err(Full) => self.refuse(Fault::Crowded),
        }
    }

    fn look_at_held(&mut self) {
        let Passage { clear, rest } = self.framer.advance(self.held.bytes());
        self.clear = clear;
        self.follow(clear, rest);
    }

    /// Does what is to be done with the rest, after `clear` bytes have gone on.
    fn follow(&mut self, clear: usize, rest: Rest) {
        if self.framer.awaits_decision() {
            self.verdict.ask();
        }
        if clear > 0 || rest != Rest::Begun {
            self.head_end = None;
        }
        match rest {
            Rest::Nothing | Rest::Undecided => {}
            Rest::Begun => {
                self.head_end.get_or_insert_with(|| Instant::now() + HEAD_PATIENCE);
            }
            Rest::RefusedHead(fault) => self.refuse(fault),
            Rest::RefusedBody(fault) => {
                self.counts.count_malformed();
                self.body_fault = Some(fault);
                self.held.replace_behind(self.clear, &[]);
            }
        }
    }

    /// Puts the sentinel behind what is clear.
    fn refuse(&mut self, fault: Fault) {
        match fault {
            Fault::TooSlow => self.counts.count_slow(),
            Fault::Crowded => {}
            _ => self.counts.count_malformed(),
        }
        self.framer.refuse();
        self.verdict.refuse(fault);
        self.head_end = None;
        let refused = self.held.bytes().get(self.clear..).unwrap_or_default();
        let sentinel = sentinel(refused.starts_with(b"HEAD "));
        self.held.replace_behind(self.clear, sentinel);
        self.clear += sentinel.len();
    }

    /// Hands on of the held bytes what is clear and has room.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let bytes = self.clear.min(buffer.remaining());
        buffer.put_slice(self.held.bytes().get(..bytes).unwrap_or_default());
        self.held.take_front(bytes);
        self.clear -= bytes;
    }

    /// Waits for what becomes of an upgrade.
    fn poll_decision(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let upgraded = ready!(self.verdict.poll_decision(context));
        self.framer.decide(upgraded);
        if !self.held.is_empty() {
            self.look_at_held();
        }
        Poll::Ready(())
    }

    /// Whether the client was silent for too long; if not, the task is woken when it will have been.
    fn is_out_of_patience(&mut self, context: &mut Context<'_>) -> bool {
        if self.framer.is_around() {
            return false;
        }
        if std::mem::take(&mut self.moved) || self.writing {
            self.idle_end = Instant::now() + IDLE_PATIENCE;
        }
        self.patience.is_over(self.head_end.unwrap_or(self.idle_end), context)
    }

    fn note_write(&mut self, done: bool) {
        self.moved = true;
        self.writing = !done;
    }

    /// Throws away what still comes, within bounds.
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; DISCARDED_BYTES];
        while let Some(closing) = &mut self.closing {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending if self.patience.is_over(closing.end, context) => break,
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => break,
                Poll::Ready(Ok(())) => {}
            }
            let bytes = buffer.filled().len();
            if bytes == 0 || bytes > closing.bytes_left {
                break;
            }
            closing.bytes_left -= bytes;
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.clear > 0 {
                this.hand_on(buffer);
                return Poll::Ready(Ok(()));
            }
            if let Some(fault) = this.body_fault {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
            }
            if this.framer.is_refused() {
                // The answer to the sentinel ends the connection.
                return Poll::Pending;
            }
            if this.framer.is_undecided() {
                ready!(this.poll_decision(context));
                continue;
            }
            let before = buffer.filled().len();
            match Pin::new(&mut this.stream).poll_read(context, buffer)? {
                Poll::Ready(()) if buffer.filled().len() == before => return Poll::Ready(Ok(())),
                Poll::Ready(()) => this.look_at(buffer, before),
                Poll::Pending if !this.is_out_of_patience(context) => return Poll::Pending,
                Poll::Pending if this.head_end.is_some() => this.refuse(Fault::TooSlow),
                Poll::Pending => {
                    this.counts.count_idle();
                    return Poll::Ready(Ok(()));
                }
            }
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.note_write(outcome.is_ready());
        outcome
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.note_write(outcome.is_ready());
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !this.framer.is_amid_request() && this.held.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let end = Instant::now() + LINGER_PATIENCE;
            this.closing = Some(Closing { end, bytes_left: REFUSED_BODY_BYTES_MAX });
        }
        this.poll_discard(context).map(Ok)
    }
}
