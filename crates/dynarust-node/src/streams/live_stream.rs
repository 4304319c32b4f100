//! A stream of this node's feed: the state, then what changed meanwhile, then what changes.
//!
//! ```text
//! Resting ──start──▶ State ──▶ CatchUp ──attach──▶ Joining ──ready──▶ Live ──▶ Ended
//!                      ▲          │                   │                        (from any)
//!                      └──reset───┴───────────────────┘  deletes behind it were forgotten
//! ```
//!
//! Invariants (why they give no gap stands in [`super`]):
//! - it is polled, and what is being read of the store is kept: a reader may give up waiting at any time;
//! - one that is live holds nothing that waits but its mailbox;
//! - ids and items go out together, in order.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dynarust_core::limits::CHUNK_RECORDS_MAX;
use dynarust_core::{
    Claims, FeedPosition, Partition, PartitionSet, RecordName, Selection, Seq, Stored,
};
use dynarust_store::{FeedPage, FeedRead, ReadError};
use futures_util::FutureExt as _;
use tokio::time::sleep;

use super::begin::{Beginning, Start};
use super::counts::StreamCounts;
use super::event::{Event, Local, Place};
use super::mailbox::{End, Mailbox};
use super::outbox::{HANDED_BYTES_MAX, Outbox};
use super::owner::Streams;
use super::part::Standing;
use super::reading::{Read, Reading};
use super::register::{Ending, StreamId};
use super::samples::settled_head;
use super::state::{StateReader, get};

/// How far from the head a stream attaches: what is left to read meanwhile fills its mailbox.
const NEAR: Seq = CHUNK_RECORDS_MAX as Seq;
/// Until the store is asked again where too many others wait for it.
const AFTER_OTHERS: Duration = Duration::from_millis(50);

#[derive(Debug)]
enum Phase {
    /// Tells nothing but its end.
    Resting,
    /// Tells the state; then what changed since `began`.
    State { reader: StateReader, began: Seq },
    /// Reads the feed behind `from`, far from the head.
    CatchUp { from: Seq },
    /// Attached; reads the feed behind `from` up to `head`, and no further.
    Joining { from: Seq, head: Seq },
    /// Tells what comes in, above `sent`.
    Live { sent: Seq },
    /// Told its end.
    Ended,
}

/// One of them. Dropping it ends it.
pub(super) struct LiveStream {
    streams: Arc<Streams>,
    id: StreamId,
    mailbox: Arc<Mailbox>,
    selection: Arc<Selection>,
    /// Those whose records are told.
    partitions: Arc<PartitionSet>,
    phase: Phase,
    /// What its phase waits for, of the store.
    reading: Option<Reading>,
    /// Nothing that was sent lies behind this, or behind where the stream stands: what was told as state may be
    /// above the position at which that began, and what was told elsewhere above where it goes on here.
    told: Seq,
    /// What it has claimed.
    claims: Claims,
    /// What was passed over for something newer of the same name is told, in its newest form, at or below this. Before
    /// the stream stands there, it claims no more of others: they may have the older alone.
    owed: Seq,
    outbox: Outbox,
}

impl LiveStream {
    /// A stream that has entered the register as `id`. It rests.
    pub(super) fn new(
        streams: Arc<Streams>,
        id: StreamId,
        mailbox: Arc<Mailbox>,
        selection: Arc<Selection>,
    ) -> Self {
        Self {
            streams,
            id,
            mailbox,
            selection,
            partitions: Arc::default(),
            phase: Phase::Resting,
            reading: None,
            told: 0,
            claims: Claims::default(),
            owed: 0,
            outbox: Outbox::default(),
        }
    }

    /// The next items, at least one; about 64 KiB of values. `None` behind `Lagged` and `Closing`,
    /// and once the store has stopped.
    ///
    /// # Errors
    /// [`ReadError::Base`] where the store cannot be read. No item is lost: the next call tries
    /// again, and the ids handed out stay good.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<Local>>, ReadError>> {
        loop {
            if let Some(end) = self.mailbox.ended() {
                return Poll::Ready(Ok(self.finish(end)));
            }
            if self.outbox.is_full() {
                return Poll::Ready(Ok(Some(self.hand_over())));
            }
            if let Some(reading) = &mut self.reading {
                match reading.poll(self.streams.tasks(), context) {
                    Poll::Ready(Some(read)) => {
                        self.reading = None;
                        self.take(read)?;
                    }
                    // Nothing can be read any more.
                    Poll::Ready(None) => return Poll::Ready(Ok(self.finish(End::Stopped))),
                    Poll::Pending => ready!(self.mailbox.poll_changed(context)),
                }
                continue;
            }
            match self.phase {
                Phase::State { .. } => self.read_state(),
                Phase::CatchUp { from } => self.catch_up(from),
                Phase::Joining { from, head } => self.join(from, head),
                Phase::Live { sent } => self.take_changes(sent),
                Phase::Resting => {}
                Phase::Ended => return Poll::Ready(Ok(None)),
            }
            if matches!(self.phase, Phase::Live { .. } | Phase::Resting) {
                if !self.outbox.is_empty() {
                    return Poll::Ready(Ok(Some(self.hand_over())));
                }
                ready!(self.mailbox.poll_changed(context));
            }
        }
    }

    /// As [`LiveStream::poll_next`]. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Local>>, ReadError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Waits for its end alone.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<Local>>> {
        loop {
            if let Some(end) = self.mailbox.ended() {
                return Poll::Ready(self.finish(end));
            }
            // Who waits for more looks before it waits.
            ready!(self.mailbox.poll_changed(context));
        }
    }

    /// Behind all that was handed out, as fresh as it can be: an idle stream's place moves on with the store, so
    /// that it does not age.
    pub(super) fn place(&mut self) -> Option<Place> {
        // Before it is looked at how far the stream is, so that what it claims in others' feeds is as fresh.
        self.streams.samples().take_again(self.streams.store());
        if let Some(seq) = self.idle_at() {
            self.outbox.stand(Some(self.place_at(seq, None)));
        }
        self.outbox.handed().cloned()
    }

    /// Up to where an idle stream has told everything; `None` for one that is not idle.
    fn idle_at(&self) -> Option<Seq> {
        let Phase::Live { sent } = self.phase else {
            return None;
        };
        // Before the mailbox is looked at: what the hub had dispatched by then is in it, or was.
        let dispatched = self.streams.register().dispatched();
        let idle = self.outbox.is_empty() && self.mailbox.is_idle();
        idle.then(|| sent.max(dispatched))
    }

    /// Tells of these partitions, from there on. What was gathered is told first.
    pub(super) fn start(&mut self, start: Start, partitions: Arc<PartitionSet>) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        self.streams.register().detach(self.id, &self.selection);
        self.mailbox.clear();
        self.reading = None;
        if matches!(start, Start::State { reset: true }) {
            self.outbox.push(Event::Reset, None);
        }
        let source = (self.streams.store(), self.streams.samples());
        let Beginning { state, from, told, claims, place } =
            start.beginning(source, &self.selection, &partitions);
        (self.partitions, self.told, self.claims) = (partitions, told, claims);
        if self.outbox.is_empty() {
            self.outbox.stand(place);
        }
        self.phase = match state {
            None => Phase::CatchUp { from },
            Some(reader) => Phase::State { reader, began: from },
        };
    }

    /// Tells nothing any more.
    pub(super) fn rest(&mut self) {
        if !matches!(self.phase, Phase::Ended) {
            self.streams.register().detach(self.id, &self.selection);
            self.mailbox.clear();
            self.reading = None;
            self.outbox = Outbox::default();
            self.phase = Phase::Resting;
        }
    }

    /// What is claimed of a stream that stands there, in all feeds. Places are asked for in their order.
    pub(super) fn claims(&mut self, place: &Place) -> &Claims {
        let owed = self.owed.max(self.mailbox.owed()).max(self.streams.register().owed());
        let sample = self.streams.samples().at(place.seq).filter(|_| place.seq >= owed);
        if let Some(sample) = sample {
            self.claims.raise(&sample.claims(&self.partitions));
        }
        self.claims.set(self.streams.at(place.seq));
        &self.claims
    }

    /// What the reader of a stream has that stands there.
    pub(super) fn standing(&mut self, place: &Place) -> Standing {
        Standing {
            claims: self.claims(place).clone(),
            told: [self.told(place)].into_iter().collect(),
            state_through: place.state_through.clone(),
        }
    }

    /// The reader has this, too.
    pub(super) fn claim(&mut self, claims: &Claims) {
        self.claims.raise(claims);
    }

    /// Those whose records are told.
    pub(super) fn partitions(&self) -> &PartitionSet {
        &self.partitions
    }

    /// Whether all that was there is handed out, and what comes is told.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live { .. }) && self.outbox.is_empty()
    }

    /// Asks the reader to come back later.
    pub(super) fn close(&self) {
        self.mailbox.end(Ending::Closing.of(self.id));
    }

    /// Behind what in this node's feed nothing lies that a stream which stands there has told.
    pub(super) fn told(&self, place: &Place) -> FeedPosition {
        self.streams.at(place.told)
    }

    fn read_state(&mut self) {
        let Phase::State { reader, .. } = &mut self.phase else {
            return;
        };
        let (streams, mut reader) = (Arc::clone(&self.streams), std::mem::take(reader));
        let waits = self.waits_for_a_turn();
        let reading = async move {
            let _turn = if waits { Some(streams.turn_to_read().await) } else { None };
            loop {
                let read = reader.read(streams.store(), HANDED_BYTES_MAX).await;
                if !matches!(read, Err(ReadError::Overloaded)) {
                    return Read::State(reader, read);
                }
                sleep(AFTER_OTHERS).await;
            }
        };
        self.reading = Some(Reading::Begins(reading.boxed()));
    }

    fn catch_up(&mut self, from: Seq) {
        // One record is read at once, however far the head is.
        let is_one = self.selection.only_record().is_some();
        if is_one || self.head().saturating_sub(from) <= NEAR {
            self.attach(from);
        } else {
            self.read_feed(from, from);
        }
    }

    /// From here on the hub finds the stream. `head` is as high as what the hub had looked up, so that
    /// all above it comes through the mailbox, and as high as what was told, so that nothing in there
    /// is older.
    fn attach(&mut self, from: Seq) {
        // So that what is told with `ready` claims as much as it can in the feeds of others.
        self.streams.samples().take_again(self.streams.store());
        let register = self.streams.register();
        let looked_up = register.attach(self.id, &self.selection, &self.mailbox);
        let told = from.max(self.told);
        let head = self.head().max(looked_up).max(told);
        self.phase = Phase::Joining { from, head };
    }

    fn join(&mut self, from: Seq, head: Seq) {
        if from >= head {
            self.outbox.push(Event::Ready, Some(self.place_at(head, None)));
            self.phase = Phase::Live { sent: head };
        } else {
            self.read_feed(from, head);
        }
    }

    fn take_changes(&mut self, sent: Seq) {
        let records = self.mailbox.take(HANDED_BYTES_MAX);
        if let Some(last) = records.last() {
            self.phase = Phase::Live { sent: sent.max(last.seq) };
        }
        for record in records {
            // What the hub dispatched late was read from the feed before `ready`.
            if record.seq > sent {
                self.tell(record);
            }
        }
    }

    /// Reads a part of the feed.
    ///
    /// Of one record the newest is what the feed has, so that one is read instead of all that others
    /// wrote; with it everything up to `seen`, a seq that some method of the store has shown, was looked at.
    fn read_feed(&mut self, from: Seq, seen: Seq) {
        let streams = Arc::clone(&self.streams);
        let only_record = self.selection.only_record();
        let waits = self.waits_for_a_turn();
        let reading = async move {
            let _turn = if waits { Some(streams.turn_to_read().await) } else { None };
            let store = streams.store();
            loop {
                let read = match &only_record {
                    None => {
                        let read = FeedRead::behind(from, CHUNK_RECORDS_MAX, HANDED_BYTES_MAX);
                        store.feed(read).await
                    }
                    Some(name) => {
                        let may_be_newer = || store.newest_in(Partition::of(name)) > from;
                        only(get(store, name).await, from, seen, may_be_newer)
                    }
                };
                if !matches!(read, Err(ReadError::Overloaded)) {
                    return Read::Feed(read);
                }
                sleep(AFTER_OTHERS).await;
            }
        };
        self.reading = Some(Reading::Begins(reading.boxed()));
    }

    /// What is in memory waits for nobody.
    fn waits_for_a_turn(&self) -> bool {
        let only = self.selection.only_record();
        only.is_none_or(|name| self.streams.store().peek(&name).is_none())
    }

    /// What its phase waited for was read.
    fn take(&mut self, read: Read) -> Result<(), ReadError> {
        match read {
            Read::State(rest, read) => self.take_state(rest, read),
            Read::Feed(page) => page.map(|page| self.take_page(page)),
        }
    }

    fn take_state(
        &mut self,
        mut rest: StateReader,
        read: Result<Vec<Arc<Stored>>, ReadError>,
    ) -> Result<(), ReadError> {
        let Phase::State { began, .. } = self.phase else {
            return Ok(());
        };
        self.go_on_without(&rest.take_left_out());
        let is_done = rest.is_done();
        self.phase = Phase::State { reader: rest, began };
        let records = read?;
        if is_done {
            self.phase = Phase::CatchUp { from: began };
        }
        let now = self.streams.now();
        for record in records {
            if record.record.is_live(now) && self.tells_of(&record.name) {
                self.told = self.told.max(record.seq);
                let place = self.place_at(began, Some(record.name.clone()));
                self.outbox.push(Event::Change(record), Some(place));
            }
        }
        Ok(())
    }

    /// A part of the feed. All begins anew where the stream may have missed deletes.
    fn take_page(&mut self, page: FeedPage) {
        let (from, head) = match self.phase {
            Phase::CatchUp { from } => (from, None),
            Phase::Joining { from, head } => (from, Some(head)),
            _ => return,
        };
        // Asked behind the read: what was not forgotten by now was there to be read.
        if self.streams.store().resume(self.streams.at(from)).is_none() {
            self.start(Start::State { reset: true }, Arc::clone(&self.partitions));
            return;
        }
        self.go_on_without(&page.left_out);
        // Of each record the newest is there; the others were passed over.
        self.owed = settled_head(self.streams.store());
        let from = page.through;
        self.phase = match head {
            None => Phase::CatchUp { from },
            Some(head) => Phase::Joining { from, head },
        };
        // A key that has moved on above the head comes through the mailbox, perhaps by way of an
        // older change: to tell it here would be to go back later.
        self.tell_up_to(page.records, head.unwrap_or(Seq::MAX));
    }

    /// Goes on without damaged records: they are told once they are mended, which makes new entries of them here. So
    /// the stream stands alone from now on: in the feeds of others they lie behind what it would claim there. What was
    /// handed out before does not claim them.
    fn go_on_without(&mut self, left_out: &[Option<RecordName>]) {
        let is_told = |name: &RecordName| self.selection.matches(name) && self.tells_of(name);
        if left_out.iter().any(|name| name.as_ref().is_none_or(is_told)) {
            let me = self.streams.store().position().node;
            self.claims.stand_alone(|node| node == me);
        }
    }

    fn tell_up_to(&mut self, records: Vec<Arc<Stored>>, head: Seq) {
        for record in records {
            if record.seq <= head && self.selection.matches(&record.name) {
                self.tell(record);
            }
        }
    }

    fn tell(&mut self, record: Arc<Stored>) {
        if self.tells_of(&record.name) {
            let place = self.place_at(record.seq, None);
            self.outbox.push(Event::Change(record), Some(place));
        }
    }

    fn tells_of(&self, name: &RecordName) -> bool {
        self.partitions.contains(Partition::of(name))
    }

    /// Tells the end, once.
    fn finish(&mut self, end: End) -> Option<Vec<Local>> {
        if !matches!(self.phase, Phase::Ended) {
            self.phase = Phase::Ended;
            self.reading = None;
            match end {
                End::Lagged => {
                    self.counts().lagged.add(1);
                    self.outbox.push_last(Event::Lagged);
                }
                End::Closing { retry } => self.outbox.push_last(Event::Closing { retry }),
                End::Stopped => {}
            }
        }
        (!self.outbox.is_empty()).then(|| self.hand_over())
    }

    fn hand_over(&mut self) -> Vec<Local> {
        self.outbox.hand_over()
    }

    fn counts(&self) -> &StreamCounts {
        self.streams.register().counts()
    }

    fn head(&self) -> Seq {
        self.streams.store().position().seq
    }

    fn place_at(&self, seq: Seq, state_through: Option<RecordName>) -> Place {
        Place { seq, told: self.told.max(seq), state_through }
    }
}

/// The feed behind `from` up to `seen`, where it is of one record.
fn only(
    newest: Result<Option<Arc<Stored>>, ReadError>,
    from: Seq,
    seen: Seq,
    may_be_newer: impl Fn() -> bool,
) -> Result<FeedPage, ReadError> {
    let mut page = FeedPage { through: seen, ..FeedPage::default() };
    match newest {
        Err(ReadError::CorruptRecord(_)) if !may_be_newer() => {}
        Err(ReadError::CorruptRecord(name)) => page.left_out.push(Some(name)),
        newest => page.records.extend(newest?.filter(|record| record.seq > from)),
    }
    Ok(page)
}

impl std::fmt::Debug for LiveStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveStream")
            .field("id", &self.id)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        self.streams.register().leave(self.id, &self.selection);
    }
}
