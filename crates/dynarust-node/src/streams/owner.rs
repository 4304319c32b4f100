//! The owner of all live streams of a node.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{
    STREAM_QUEUE_BYTES_MAX, STREAM_READS_MAX, STREAMS_MAX, TOMBSTONE_AGE_SECONDS_DEFAULT,
};
use dynarust_core::{FeedPosition, Selection, Seq, UnixMillis};
use dynarust_store::{Store, WallClock};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::counts::StreamFigures;
use super::hub::Hub;
use super::live_stream::LiveStream;
use super::register::{Ending, EndsWithIt, Register};
use super::samples::Samples;
use super::sweep::sweep;
use crate::environment::Tasks;
use crate::following::Positions;

/// How much the live streams of a node may hold.
#[derive(Debug, Clone)]
pub struct StreamsConfig {
    /// Bytes that may wait for one slow reader, beside the newest record. More, and bursts are
    /// ridden out; less, and readers are cut sooner. Times [`StreamsConfig::streams_max`] it is the
    /// worst case, but records that wait for several readers are held once.
    pub queue_bytes_max: usize,
    /// Streams at a time.
    pub streams_max: usize,
    /// Ids that are older are answered with `reset` in a cluster: as long as deletes are remembered.
    pub cursor_age_max: Duration,
}

/// Why a stream did not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The node follows for as many readers as it may. Nothing changed.
    #[error("this node has as many live streams as it takes on: try another node, or later")]
    TooMany,
}

/// All live streams of a node.
///
/// It owns the tasks of hub and sweep: closing or dropping it ends them, and the end of one, even by a panic, ends
/// every stream. A stream keeps its owner.
pub struct Streams {
    store: Arc<dyn Store>,
    clock: Arc<dyn WallClock>,
    register: Arc<Register>,
    samples: Arc<Samples>,
    cursor_age_max: Duration,
    /// How many streams may read the store at a time: a crowd that comes at once waits here, where there is room for
    /// it, and leaves the store's to others.
    reads: Semaphore,
    tasks: Tasks,
    /// Whose feed: the same as long as the store runs.
    feed: FeedPosition,
    hub: JoinHandle<()>,
    sweep: JoinHandle<()>,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        Self {
            queue_bytes_max: STREAM_QUEUE_BYTES_MAX,
            streams_max: STREAMS_MAX,
            cursor_age_max: Duration::from_secs(TOMBSTONE_AGE_SECONDS_DEFAULT),
        }
    }
}

impl Streams {
    /// Starts hub and sweep as tasks of the current tokio runtime. Whoever holds the `Arc` owns them. `positions`
    /// are where the node is in the feeds of others; `changes` are those of its cluster.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn WallClock>,
        tasks: &Tasks,
        (positions, changes): (Arc<Positions>, watch::Receiver<u64>),
        config: StreamsConfig,
    ) -> Arc<Self> {
        let feed = store.position();
        let head = feed.seq;
        let register = Register::new(config.streams_max, config.queue_bytes_max, head);
        let register = Arc::new(register);
        let samples = Arc::new(Samples::new(positions));
        let ends_all = || EndsWithIt(Arc::clone(&register));
        let hub = Hub::new(Arc::clone(&store), ends_all(), Arc::clone(&samples), head);
        let hub = tokio::spawn(tasks.task(hub.run()));
        let sweep = tokio::spawn(tasks.task(sweep(ends_all(), changes)));
        let cursor_age_max = config.cursor_age_max;
        Arc::new(Self {
            store,
            clock,
            register,
            samples,
            cursor_age_max,
            reads: Semaphore::new(STREAM_READS_MAX),
            tasks: tasks.clone(),
            feed,
            hub,
            sweep,
        })
    }

    /// Takes on a stream of this node's feed. It rests until it is started.
    ///
    /// # Errors
    /// [`SubscribeError::TooMany`]: nothing changed.
    pub(super) fn take_on(
        self: &Arc<Self>,
        selection: Arc<Selection>,
    ) -> Result<LiveStream, SubscribeError> {
        let (id, mailbox) = self.register.enter().ok_or(SubscribeError::TooMany)?;
        Ok(LiveStream::new(Arc::clone(self), id, mailbox, selection))
    }

    /// Ends every stream with [`Event::Closing`], those that begin later too. Idempotent.
    ///
    /// [`Event::Closing`]: super::Event::Closing
    pub fn close(&self) {
        self.register.end(Ending::Closing);
        self.hub.abort();
        self.sweep.abort();
    }

    /// Ends the hub's task where it stands, which ends every stream.
    pub(crate) fn crash(&self) {
        self.hub.abort();
    }

    /// What they are and did, in numbers.
    #[must_use]
    pub fn figures(&self) -> StreamFigures {
        let counts = self.register.counts();
        // Before the head, so that the difference is not too small.
        let dispatched = self.register.dispatched();
        let (queue_bytes, queue_bytes_max) = self.register.waiting();
        StreamFigures {
            queue_bytes,
            queue_bytes_max,
            open: self.register.count(),
            behind: self.store.position().seq.saturating_sub(dispatched),
            begun: counts.begun.get(),
            refused: counts.refused.get(),
            resumed: counts.resumed.get(),
            reset: counts.reset.get(),
            lagged: counts.lagged.get(),
            events: counts.events.get(),
            merged: counts.merged.get(),
        }
    }

    /// A stream was gone on with by an id.
    pub(super) fn count_resumed(&self) {
        self.register.counts().resumed.add(1);
    }

    /// Readers were told that many events.
    pub(super) fn count_events(&self, count: usize) {
        self.register.counts().events.add(count);
    }

    /// A stream began anew.
    pub(super) fn count_reset(&self) {
        self.register.counts().reset.add(1);
    }

    /// What is followed.
    pub(super) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// For as long as this is held, a stream may read the store.
    pub(super) async fn turn_to_read(&self) -> impl Drop + '_ {
        match self.reads.acquire().await {
            Ok(turn) => turn,
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// How tasks are run.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Who is there.
    pub(super) fn register(&self) -> &Register {
        &self.register
    }

    /// How old an id may be.
    pub(super) fn cursor_age_max(&self) -> Duration {
        self.cursor_age_max
    }

    /// How far the node was in the feeds of others, and when.
    pub(super) fn samples(&self) -> &Samples {
        &self.samples
    }

    /// A place in the store's feed.
    pub(super) fn at(&self, seq: Seq) -> FeedPosition {
        FeedPosition { seq, ..self.feed }
    }

    /// The node's time.
    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.hub.abort();
        self.sweep.abort();
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").field("register", &self.register).finish_non_exhaustive()
    }
}
