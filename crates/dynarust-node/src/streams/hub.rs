//! The hub: one task that follows the store and hands each publication to those who follow its name.
//!
//! Invariants:
//! - publications are dispatched in seq order, each at most once, and none that is newest of its name
//!   is left out; where that cannot be kept, every attached stream is cut as lagged;
//! - the task never runs long without giving way, so that readers empty their mailboxes meanwhile;
//! - however it ends, every stream ends with it.

use std::sync::Arc;

use dynarust_core::limits::{CHUNK_BYTES_MAX, CHUNK_RECORDS_MAX};
use dynarust_core::{FeedPosition, Seq, Stored};
use dynarust_store::{FeedPage, FeedRead, ReadError, Store};

use super::mailbox::Mailbox;
use super::register::EndsWithIt;
use super::samples::{Samples, settled_head};

/// Publications that are taken from the store at a time.
const TAIL_RECORDS_MAX: usize = 256;
/// Work after which the hub gives way: deliveries, and bytes of values. A reader that keeps up must
/// get its turn long before [`dynarust_core::limits::STREAM_QUEUE_BYTES_MAX`] bytes wait for it. And a worker of the
/// runtime has room for 256 tasks of its own: what is woken beyond that goes ahead of the answers of writers.
const TURN_DELIVERIES_MAX: usize = 128;
/// See [`TURN_DELIVERIES_MAX`].
const TURN_BYTES_MAX: usize = 64 << 10;
/// Where more follow a record, its writer's answer goes first.
const READERS_AT_ONCE_MAX: usize = 32;

/// The fan-out of one store.
pub(super) struct Hub {
    store: Arc<dyn Store>,
    register: EndsWithIt,
    samples: Arc<Samples>,
    /// Everything up to this was dispatched.
    position: Seq,
    turn: Turn,
    /// Whether the writers' answers had their chance since the records at hand were taken.
    is_answered: bool,
    /// The mailboxes for the record at hand; kept for its memory.
    found: Vec<Arc<Mailbox>>,
}

/// Why the hub cannot tell what lies between its position and the head.
#[derive(Debug, thiserror::Error)]
enum Gap {
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    #[error("the hub was so slow that deletes which it had not read are forgotten")]
    Forgotten,
    #[error("something in it is damaged")]
    Damaged,
}

/// What was done since the hub last gave way.
#[derive(Default)]
struct Turn {
    deliveries: usize,
    bytes: usize,
}

impl Hub {
    /// A hub that has dispatched everything up to `position`.
    pub(super) fn new(
        store: Arc<dyn Store>,
        register: EndsWithIt,
        samples: Arc<Samples>,
        position: Seq,
    ) -> Self {
        Self {
            store,
            register,
            samples,
            position,
            turn: Turn::default(),
            is_answered: false,
            found: Vec::new(),
        }
    }

    /// Follows the store until it stops.
    pub(super) async fn run(mut self) {
        let mut published = self.store.published();
        loop {
            self.follow_to_head().await;
            if published.changed().await.is_err() {
                return;
            }
        }
    }

    /// Dispatches all that is published.
    async fn follow_to_head(&mut self) {
        while let Some((records, through)) = self.read().await {
            // So that what is sent soon claims as much as it can in the feeds of others.
            self.samples.take_again(&*self.store);
            self.dispatch_all(&records).await;
            self.position = through;
            self.register.set_dispatched(through);
        }
    }

    /// What comes next, and how far it reaches; `None` at the head.
    ///
    /// Where memory does not reach back to the position, it is the newest of each name.
    async fn read(&mut self) -> Option<(Vec<Arc<Stored>>, Seq)> {
        if let Some(records) = self.store.tail(self.position, TAIL_RECORDS_MAX) {
            let through = records.last()?.seq;
            return Some((records, through));
        }
        match self.read_feed().await {
            Ok(page) => (page.through > self.position).then_some((page.records, page.through)),
            Err(gap) => {
                self.skip_to_head(&gap);
                None
            }
        }
    }

    async fn read_feed(&self) -> Result<FeedPage, Gap> {
        let read = FeedRead::behind(self.position, CHUNK_RECORDS_MAX, CHUNK_BYTES_MAX);
        let page = self.store.feed(read).await?;
        if !page.left_out.is_empty() {
            return Err(Gap::Damaged);
        }
        // Of each record the newest is there; the others were passed over.
        self.register.set_owed(settled_head(&*self.store));
        // Asked behind the read: what was not forgotten by now was there to be read.
        let from = FeedPosition { seq: self.position, ..self.store.position() };
        self.store.resume(from).map(|_| page).ok_or(Gap::Forgotten)
    }

    /// What lies between cannot be told: the attached streams resume by themselves, each with its own
    /// answer (`reset`, or the error). The head is taken first, so that a stream that attaches behind
    /// the cut stands at or behind it.
    fn skip_to_head(&mut self, gap: &Gap) {
        tracing::error!(%gap, "all live streams are cut");
        let head = self.position.max(self.store.position().seq);
        self.register.cut_attached();
        self.position = head;
        self.register.set_dispatched(head);
    }

    async fn dispatch_all(&mut self, records: &[Arc<Stored>]) {
        self.is_answered = false;
        for record in records {
            self.dispatch(record).await;
            if self.turn.is_over() {
                self.give_way().await;
            }
        }
    }

    /// Hands the record to all who follow its name. A stream that attaches behind the look-up hears of
    /// it there, and reads this record from the feed.
    async fn dispatch(&mut self, record: &Arc<Stored>) {
        self.register.look_up(record, &mut self.found);
        if self.found.len() > READERS_AT_ONCE_MAX && !self.is_answered {
            self.give_way().await;
        }
        self.turn.bytes += record.record.value.len();
        let mut merged = 0;
        while let Some(mailbox) = self.found.pop() {
            if self.turn.is_over() {
                self.give_way().await;
            }
            merged += mailbox.push(record);
            self.turn.deliveries += 1;
        }
        if merged > 0 {
            self.register.counts().merged.add(merged);
        }
    }

    async fn give_way(&mut self) {
        (self.turn, self.is_answered) = (Turn::default(), true);
        tokio::task::yield_now().await;
    }
}

impl Turn {
    fn is_over(&self) -> bool {
        self.deliveries >= TURN_DELIVERIES_MAX || self.bytes >= TURN_BYTES_MAX
    }
}
