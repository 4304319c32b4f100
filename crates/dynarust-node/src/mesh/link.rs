//! A link: a framed connection between two nodes that have met. Both ends ask, answer and notify.
//!
//! ```text
//! ask, notify ─▶ outbox ─▶ writer ─▶ ~~~ ─▶ reader ─▶ answers ─▶ who asked
//!                  ▲                          └─────▶ requests, notices ─▶ handler
//!                  └────────────── answers ◀──────────────┘
//! ```
//!
//! Whatever is in the outbox when the writer turns to it goes out in one write. Frames leave in the order
//! in which they were put there, and notices are handled in the order in which they came.
//!
//! Invariants:
//! - the reader never waits for what the peer must send: where too much is under way, requests are
//!   refused, so that answers and acknowledgements always get through;
//! - a link on which nothing was heard for a while is closed; who waits for an answer hears of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use dynarust_core::limits::{
    ASK_AGAIN_MILLIS, LINK_OUTBOX_BYTES_CEILING, LINK_OUTBOX_BYTES_MAX, LINK_REQUESTS_MAX,
    PING_MILLIS, SILENCE_MILLIS_MAX,
};
use dynarust_core::{Epoch, Incarnation, UnixMillis, skew};
use dynarust_store::WallClock;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, interval, sleep};

use super::Channel;
use super::frame::{self, Frame, FrameError, FrameReader, HEADER_BYTES, Kind};
use super::handshake::Met;
use super::message::{Failure, FailureText};
use super::traffic::Traffic;

/// Numbers of notices that the link keeps to itself.
const PING: u16 = 0;
const PONG: u16 = 1;

/// What comes of a request: the answer's body, or why there is none.
pub(crate) type Reply = Result<Bytes, Failure>;

/// Who handles what a peer sends.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers a request. The future is dropped where the link closes.
    fn answer(&self, link: &Arc<Link>, number: u16, body: Bytes) -> BoxFuture<'static, Reply>;

    /// Takes note, at once.
    fn note(&self, link: &Arc<Link>, number: u16, body: Bytes);
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// It did not leave this node.
    #[error("the request was not sent: {0}")]
    NotSent(&'static str),
    /// The link broke: whether the peer has carried it out is not known.
    #[error("the connection broke before the answer came")]
    Broken,
    /// The peer says why.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// What came is not the answer to it.
    #[error("the answer makes no sense")]
    Nonsense,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    /// Tells it from every other link of this process.
    serial: u64,
    /// Which start of the peer it leads to.
    incarnation: Incarnation,
    start: Epoch,
    channel: Channel,
    /// What all links of this node carry.
    traffic: Arc<Traffic>,
    outbox: Outbox,
    waiting: Mutex<HashMap<u32, oneshot::Sender<Reply>>>,
    next_id: AtomicU32,
    began: Instant,
    /// Milliseconds after the beginning at which something was last heard.
    heard: AtomicU64,
    /// Milliseconds that our clock is ahead of the peer's; [`i64::MIN`] until it is known.
    ahead: AtomicI64,
    /// See [`Link::heard_all_until`]; 0 until it is known.
    heard_all_until: AtomicU64,
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Outbox {
    waiting: Mutex<BytesMut>,
    filled: Notify,
    emptied: Notify,
}

impl Link {
    pub(crate) fn new(
        (incarnation, start): (Incarnation, Epoch),
        channel: Channel,
        traffic: Arc<Traffic>,
    ) -> Arc<Self> {
        static LAST_SERIAL: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            serial: LAST_SERIAL.fetch_add(1, Ordering::Relaxed) + 1,
            incarnation,
            start,
            channel,
            traffic,
            outbox: Outbox::default(),
            waiting: Mutex::default(),
            next_id: AtomicU32::new(1),
            began: Instant::now(),
            heard: AtomicU64::new(0),
            ahead: AtomicI64::new(i64::MIN),
            heard_all_until: AtomicU64::new(0),
            closed: watch::Sender::new(false),
        })
    }

    /// Tells it from every other link of this process; never 0.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    pub(crate) fn start(&self) -> Epoch {
        self.start
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask<A: Message + Default>(
        &self,
        number: u16,
        message: &impl Message,
    ) -> Result<A, AskError> {
        let (sender, answer) = oneshot::channel();
        let asked = Asked { link: self, id: self.next_id.fetch_add(1, Ordering::Relaxed) };
        self.waiting.lock().insert(asked.id, sender);
        if self.is_closed() {
            return Err(AskError::NotSent("the connection is closed"));
        }
        if !self.outbox.put_if_room((Kind::Request, number, asked.id), message) {
            return Err(AskError::NotSent("too much waits to be sent"));
        }
        let answer = answer.await.map_err(|_| AskError::Broken)??;
        A::decode(answer).map_err(|_| AskError::Nonsense)
    }

    /// Asks again while too much is under way, here or there: for what this link is of no use without. None where
    /// it cannot be had over this link.
    pub(crate) async fn ask_for_sure<A: Message + Default>(
        &self,
        number: u16,
        message: &impl Message,
    ) -> Option<A> {
        loop {
            match self.ask(number, message).await {
                Ok(answer) => return Some(answer),
                Err(AskError::NotSent(_) | AskError::Failed(Failure::Overloaded))
                    if !self.is_closed() => {}
                Err(_) => return None,
            }
            sleep(Duration::from_millis(ASK_AGAIN_MILLIS)).await;
        }
    }

    /// Sends what nobody answers, whatever else waits: for what is small, or bounded otherwise.
    pub(crate) fn notify(&self, number: u16, message: &impl Message) {
        self.put((Kind::Notice, number, 0), |buffer| encode(buffer, message));
    }

    /// Waits until less waits to be sent than there is room for; false once the link is closed.
    pub(crate) async fn has_room(&self) -> bool {
        let mut closed = self.closed.subscribe();
        loop {
            let emptied = self.outbox.emptied.notified();
            if *closed.borrow() {
                return false;
            }
            if self.outbox.has_room() {
                return true;
            }
            tokio::select! {
                () = emptied => {}
                _ = closed.changed() => {}
            }
        }
    }

    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits until it is closed.
    pub(crate) async fn closed(&self) {
        // Its sender is in `self`.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Milliseconds since something was last heard.
    pub(crate) fn silent_millis(&self) -> u64 {
        self.age_millis().saturating_sub(self.heard.load(Ordering::Relaxed))
    }

    /// What the peer had sent by this time has come, for sure: by the clock of whichever end shows less, and
    /// however late this node came to read what lay there.
    pub(crate) fn heard_all_until(&self) -> Option<UnixMillis> {
        Some(self.heard_all_until.load(Ordering::Relaxed)).filter(|until| *until != 0)
    }

    /// How far this node's clock is ahead of the peer's, in milliseconds, once that is known.
    pub(crate) fn clock_ahead_millis(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != i64::MIN)
    }

    fn age_millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Carries frames until the link is closed, by either side, and says why.
    pub(crate) async fn run<S: AsyncRead + AsyncWrite>(
        self: &Arc<Self>,
        met: Met<S>,
        handler: &dyn Handler,
        clock: &dyn WallClock,
    ) -> FrameError {
        let _closing = Closing(self);
        let Met { mut reader, mut writer, .. } = met;
        tokio::select! {
            error = self.read(&mut reader, handler, clock) => error,
            error = self.write(&mut writer) => FrameError::Io(error),
            error = self.watch_over(clock) => FrameError::Io(error),
            () = self.closed() => FrameError::Closed,
        }
    }

    async fn read<R: AsyncRead + Unpin>(
        self: &Arc<Self>,
        reader: &mut FrameReader<R>,
        handler: &dyn Handler,
        clock: &dyn WallClock,
    ) -> FrameError {
        let mut under_way = FuturesUnordered::new();
        loop {
            let frame = tokio::select! {
                biased;
                Some(()) = under_way.next() => continue,
                frame = reader.next() => frame,
            };
            let Frame { kind, number, id, body } = match frame {
                Ok(frame) => frame,
                Err(error) => return error,
            };
            self.heard.store(self.age_millis(), Ordering::Relaxed);
            self.traffic.received(self.channel, HEADER_BYTES + body.len());
            match kind {
                Kind::Request
                    if under_way.len() >= LINK_REQUESTS_MAX || !self.outbox.has_room() =>
                {
                    self.reply((number, id), Err(Failure::Overloaded));
                }
                Kind::Request => {
                    let answer = handler.answer(self, number, body);
                    under_way.push(async move {
                        let answer = answer.await;
                        if self.outbox.has_room() || self.has_room().await {
                            self.reply((number, id), answer);
                        }
                    });
                }
                Kind::Answer => self.settle(id, Ok(body)),
                Kind::Failure => self.settle(id, Err(FailureText::understand(body))),
                Kind::Notice if number == PING || number == PONG => {
                    if !self.note_ping(number, body, clock) {
                        return FrameError::Nonsense;
                    }
                }
                Kind::Notice => handler.note(self, number, body),
            }
        }
    }

    fn reply(&self, (number, id): (u16, u32), reply: Reply) {
        match reply {
            Ok(body) => self.put((Kind::Answer, number, id), |it| it.extend_from_slice(&body)),
            Err(failure) => self.put((Kind::Failure, number, id), |buffer| {
                encode(buffer, &FailureText::of(&failure));
            }),
        }
    }

    /// A peer that sends and does not read would make this node keep ever more for it: then it ends.
    fn put(&self, head: (Kind, u16, u32), body: impl FnOnce(&mut BytesMut)) {
        if self.outbox.put(head, body) > LINK_OUTBOX_BYTES_CEILING {
            self.close();
            drop(self.outbox.take());
        }
    }

    fn settle(&self, id: u32, reply: Reply) {
        if let Some(asked) = self.waiting.lock().remove(&id) {
            // Who asked may have gone.
            let _ = asked.send(reply);
        }
    }

    async fn write<W: AsyncWrite + Unpin>(&self, writer: &mut W) -> std::io::Error {
        loop {
            let filled = self.outbox.filled.notified();
            let frames = self.outbox.take();
            if frames.is_empty() {
                filled.await;
                continue;
            }
            let written = async {
                writer.write_all(&frames).await?;
                writer.flush().await
            };
            if let Err(error) = written.await {
                return error;
            }
            self.traffic.sent(self.channel, frames.len());
        }
    }

    /// Pings, and ends where nothing is heard.
    async fn watch_over(&self, clock: &dyn WallClock) -> std::io::Error {
        let mut ticks = interval(Duration::from_millis(PING_MILLIS));
        // A node that was stopped for a while first hears what has come meanwhile.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut quiet_ticks = 0;
        loop {
            ticks.tick().await;
            quiet_ticks = if self.silent_millis() < PING_MILLIS * 2 { 0 } else { quiet_ticks + 1 };
            if quiet_ticks * PING_MILLIS >= SILENCE_MILLIS_MAX {
                let silence = format!("nothing was heard for {} ms", self.silent_millis());
                return std::io::Error::new(std::io::ErrorKind::TimedOut, silence);
            }
            let sent = self.age_millis();
            self.put_ping(PING, sent, clock.now());
        }
    }

    fn put_ping(&self, number: u16, sent: u64, now: u64) {
        self.put((Kind::Notice, number, 0), |buffer| {
            buffer.put_u64_le(sent);
            buffer.put_u64_le(now);
        });
    }

    fn note_ping(&self, number: u16, mut body: Bytes, clock: &dyn WallClock) -> bool {
        let (Ok(sent), Ok(theirs)) = (body.try_get_u64_le(), body.try_get_u64_le()) else {
            return false;
        };
        if number == PING {
            self.put_ping(PONG, sent, clock.now());
            return true;
        }
        let received = clock.now();
        let way = self.age_millis().saturating_sub(sent);
        let asked = received.saturating_sub(way);
        let ahead = skew::offset(asked, theirs, received);
        self.ahead.store(ahead, Ordering::Relaxed);
        self.heard_all_until.store(asked.min(theirs), Ordering::Relaxed);
        true
    }
}

/// A request that waits for its answer, until this is dropped.
struct Asked<'a> {
    link: &'a Link,
    id: u32,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.link.waiting.lock().remove(&self.id);
    }
}

/// However a link ends: who waits for an answer hears of it.
struct Closing<'a>(&'a Link);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.waiting.lock().clear();
    }
}

impl Outbox {
    /// How many bytes wait then.
    fn put(&self, head: (Kind, u16, u32), body: impl FnOnce(&mut BytesMut)) -> usize {
        let mut waiting = self.waiting.lock();
        frame::encode(&mut waiting, head, body);
        self.filled.notify_one();
        waiting.len()
    }

    fn put_if_room(&self, head: (Kind, u16, u32), message: &impl Message) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= LINK_OUTBOX_BYTES_MAX {
            return false;
        }
        frame::encode(&mut waiting, head, |buffer| encode(buffer, message));
        drop(waiting);
        self.filled.notify_one();
        true
    }

    fn has_room(&self) -> bool {
        self.waiting.lock().len() < LINK_OUTBOX_BYTES_MAX
    }

    fn take(&self) -> BytesMut {
        let taken = std::mem::take(&mut *self.waiting.lock());
        self.emptied.notify_waiters();
        taken
    }
}

fn encode(buffer: &mut BytesMut, message: &impl Message) {
    buffer.reserve(message.encoded_len());
    message.encode_raw(buffer);
}

#[cfg(test)]
mod tests;
