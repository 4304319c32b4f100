//! HTTP/2 as the node speaks it: bounds on streams, windows and resets, and an end for whoever takes
//! nothing or asks for nothing.
//!
//! Each stream is a task of its own, which is polled when its client takes something or its answer has
//! something. One that is not polled for so long as a reader may stall is dropped, which resets it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use dynarust_core::limits::{
    HEAD_BYTES_MAX, HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_ERROR_RESETS_MAX, HTTP2_PING_MILLIS,
    HTTP2_PONG_MILLIS_MAX, HTTP2_RESETS_WAITING_MAX, HTTP2_SEND_BUFFER_BYTES,
    HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_MAX, IDLE_MILLIS_MAX, STALL_MILLIS_MAX,
};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::door_counts::DoorCounts;

const STALL_PATIENCE: Duration = Duration::from_millis(STALL_MILLIS_MAX);
const IDLE_PATIENCE: Duration = Duration::from_millis(IDLE_MILLIS_MAX);

/// The streams of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    activity: Arc<Activity>,
    counts: Arc<DoorCounts>,
}

#[derive(Debug, Default)]
struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Streams {
    pub(crate) fn new(counts: Arc<DoorCounts>) -> Self {
        Self { activity: Arc::default(), counts }
    }

    /// Once nothing was asked for so long that the connection may be closed.
    pub(crate) async fn idle(&self) {
        let mut seen = None;
        loop {
            let begun = self.activity.begun.load(Ordering::Relaxed);
            let quiet = self.activity.ended.load(Ordering::Relaxed) == begun;
            if quiet && seen == Some(begun) {
                return self.counts.count_idle();
            }
            seen = quiet.then_some(begun);
            sleep(IDLE_PATIENCE).await;
        }
    }
}

/// hyper with these bounds.
pub(crate) fn builder(streams: &Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams.clone());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(HTTP2_SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(HTTP2_RESETS_WAITING_MAX)
        .max_local_error_reset_streams(HTTP2_ERROR_RESETS_MAX)
        .keep_alive_interval(Duration::from_millis(HTTP2_PING_MILLIS))
        .keep_alive_timeout(Duration::from_millis(HTTP2_PONG_MILLIS_MAX));
    builder
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.activity.begun.fetch_add(1, Ordering::Relaxed);
        // It ends with its connection, or out of patience.
        tokio::spawn(Stream::new(stream, self.clone()));
    }
}

/// A stream that is dropped when nobody moves it.
struct Stream<F> {
    inner: Pin<Box<F>>,
    streams: Streams,
    /// When it will have been still for too long.
    end: Instant,
    /// Goes off no later than that; mostly sooner, and is moved then.
    timer: Pin<Box<Sleep>>,
}

impl<F> Stream<F> {
    fn new(inner: F, streams: Streams) -> Self {
        let end = Instant::now() + STALL_PATIENCE;
        Self { inner: Box::pin(inner), streams, end, timer: Box::pin(sleep_until(end)) }
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let polled = this.inner.as_mut().poll(context);
        if polled.is_ready() {
            return polled;
        }
        let now = Instant::now();
        let mut by_timer = false;
        while this.timer.as_mut().poll(context).is_ready() {
            if now >= this.end {
                this.streams.counts.count_slow();
                return Poll::Ready(());
            }
            by_timer = true;
            this.timer.as_mut().reset(this.end);
        }
        if !by_timer {
            this.end = now + STALL_PATIENCE;
        }
        Poll::Pending
    }
}

impl<F> Drop for Stream<F> {
    fn drop(&mut self) {
        self.streams.activity.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_nobody_moves_is_dropped() {
        let began = Instant::now();
        let streams = Streams::new(Arc::default());
        // It moves for a while, and then no more.
        let mut moves = 10;
        let mut pause = Box::pin(sleep(STALL_PATIENCE / 3));
        let moving = poll_fn(move |context| {
            while moves > 0 && pause.as_mut().poll(context).is_ready() {
                moves -= 1;
                pause = Box::pin(sleep(STALL_PATIENCE / 3));
            }
            Poll::Pending
        });
        streams.execute(moving);
        streams.idle().await;
        let moved = STALL_PATIENCE / 3 * 11 + STALL_PATIENCE;
        let elapsed = began.elapsed();
        assert!(elapsed >= moved && elapsed <= moved + 3 * IDLE_PATIENCE, "{elapsed:?}");
        assert_eq!(streams.counts.now().slow, 1);
        streams.execute(pending());
        assert_eq!(streams.activity.begun.load(Ordering::Relaxed), 2);
    }
}
