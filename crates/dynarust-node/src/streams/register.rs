//! The register: which streams there are, and which of them are attached to the hub.
//!
//! Invariants:
//! - at most `streams_max` streams;
//! - a stream that comes after the end finds it in its mailbox;
//! - all that is followed up to `dispatched` was put into the mailboxes of all attached streams, or
//!   those streams have ended.
//!
//! One lock guards it. It is held for map operations only: mailboxes are touched after it is
//! released, so that a large fan-out keeps nobody from subscribing.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dynarust_core::{Selection, Seq, Stored};
use parking_lot::Mutex;

use super::counts::StreamCounts;
use super::interest::Interest;
use super::mailbox::{End, Mailbox};

/// The soonest that a reader is asked to come back after a close.
const RETRY_MILLIS_MIN: u64 = 1_000;
/// The latest.
const RETRY_MILLIS_MAX: u64 = 5_000;

/// Parts of the streams that are woken one after the other (`sweep`).
pub(super) const PARTS: usize = 50;

/// One stream of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StreamId(pub(super) u64);

/// Why all streams end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The node closes.
    Closing,
    /// The store stopped, or the hub failed.
    Stopped,
}

#[derive(Debug)]
struct Members {
    /// By the part that they belong to.
    streams: [HashMap<StreamId, Arc<Mailbox>>; PARTS],
    attached: Interest,
    /// The highest seq that the hub has looked up.
    looked_up: Seq,
    next_id: u64,
    ending: Option<Ending>,
}

impl Members {
    fn new(looked_up: Seq) -> Self {
        Self {
            streams: std::array::from_fn(|_| HashMap::new()),
            attached: Interest::default(),
            looked_up,
            next_id: 0,
            ending: None,
        }
    }

    fn count(&self) -> usize {
        self.streams.iter().map(HashMap::len).sum()
    }

    fn part_of(&mut self, id: StreamId) -> &mut HashMap<StreamId, Arc<Mailbox>> {
        #[expect(clippy::cast_possible_truncation, reason = "less than the parts")]
        let part = (id.0 % PARTS as u64) as usize;
        #[expect(clippy::indexing_slicing, reason = "less than the parts")]
        &mut self.streams[part]
    }
}

/// All streams of a node.
#[derive(Debug)]
pub(super) struct Register {
    members: Mutex<Members>,
    dispatched: AtomicU64,
    owed: AtomicU64,
    counts: StreamCounts,
    /// Bytes that wait for readers.
    waiting: Arc<AtomicUsize>,
    streams_max: usize,
    queue_bytes_max: usize,
}

impl Register {
    /// An empty register whose hub stands at `dispatched`.
    pub(super) fn new(streams_max: usize, queue_bytes_max: usize, dispatched: Seq) -> Self {
        Self {
            members: Mutex::new(Members::new(dispatched)),
            dispatched: AtomicU64::new(dispatched),
            owed: AtomicU64::new(0),
            counts: StreamCounts::default(),
            waiting: Arc::default(),
            streams_max,
            queue_bytes_max,
        }
    }

    /// Takes on a stream; `None` where there are too many.
    pub(super) fn enter(&self) -> Option<(StreamId, Arc<Mailbox>)> {
        let mut members = self.members.lock();
        if members.count() >= self.streams_max {
            self.counts.refused.add(1);
            return None;
        }
        self.counts.begun.add(1);
        let id = StreamId(members.next_id);
        members.next_id += 1;
        let end = members.ending.map(|ending| ending.of(id));
        let mailbox = Arc::new(Mailbox::new(self.queue_bytes_max, end, Arc::clone(&self.waiting)));
        members.part_of(id).insert(id, Arc::clone(&mailbox));
        Some((id, mailbox))
    }

    /// From now on the hub finds the stream: for every record above the seq that this returns.
    pub(super) fn attach(
        &self,
        id: StreamId,
        selection: &Selection,
        mailbox: &Arc<Mailbox>,
    ) -> Seq {
        let mut members = self.members.lock();
        members.attached.add(id, selection, mailbox);
        members.looked_up
    }

    /// The hub does not find the stream any more; harmless where it did not.
    pub(super) fn detach(&self, id: StreamId, selection: &Selection) {
        self.members.lock().attached.remove(id, selection);
    }

    /// The stream is gone, and detached.
    pub(super) fn leave(&self, id: StreamId, selection: &Selection) {
        let mut members = self.members.lock();
        members.attached.remove(id, selection);
        members.part_of(id).remove(&id);
    }

    /// Adds the mailboxes of all attached streams that follow the record.
    pub(super) fn look_up(&self, record: &Stored, found: &mut Vec<Arc<Mailbox>>) {
        let mut members = self.members.lock();
        members.attached.find(&record.name, found);
        members.looked_up = members.looked_up.max(record.seq);
    }

    /// The mailboxes of the streams of a part, attached or not.
    pub(super) fn part(&self, part: usize) -> Vec<Arc<Mailbox>> {
        let members = self.members.lock();
        members.streams.get(part).into_iter().flat_map(HashMap::values).map(Arc::clone).collect()
    }

    /// Ends every attached stream as lagged: each resumes by itself.
    pub(super) fn cut_attached(&self) {
        let attached = self.members.lock().attached.all();
        for mailbox in attached {
            mailbox.end(End::Lagged);
        }
    }

    /// Ends all streams, those to come too. The first ending stays.
    pub(super) fn end(&self, ending: Ending) {
        for (id, mailbox) in self.begin_end(ending).unwrap_or_default() {
            mailbox.end(ending.of(id));
        }
    }

    /// None where they have ended.
    fn begin_end(&self, ending: Ending) -> Option<Vec<(StreamId, Arc<Mailbox>)>> {
        let mut members = self.members.lock();
        if members.ending.is_some() {
            return None;
        }
        members.ending = Some(ending);
        let streams = members.streams.iter().flatten();
        Some(streams.map(|(id, mailbox)| (*id, Arc::clone(mailbox))).collect())
    }

    /// How many streams there are.
    pub(super) fn count(&self) -> usize {
        self.members.lock().count()
    }

    /// Bytes that wait for readers, and how many may for one.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.waiting.load(Ordering::Relaxed), self.queue_bytes_max)
    }

    /// What the streams do, to be counted.
    pub(super) fn counts(&self) -> &StreamCounts {
        &self.counts
    }

    /// How far the hub has come.
    pub(super) fn dispatched(&self) -> Seq {
        self.dispatched.load(Ordering::Acquire)
    }

    /// What the hub passed over for something newer of the same name is dispatched, in its newest form, at or below
    /// this.
    pub(super) fn owed(&self) -> Seq {
        self.owed.load(Ordering::Acquire)
    }

    /// The hub passes over something; told before it dispatches what lies behind that.
    pub(super) fn set_owed(&self, seq: Seq) {
        self.owed.store(seq, Ordering::Release);
    }

    /// Tells how far the hub has come: only once all up to there is in the mailboxes.
    pub(super) fn set_dispatched(&self, seq: Seq) {
        self.dispatched.store(seq, Ordering::Release);
    }
}

/// The register, as a task has it without which there is nothing to wait for: by its return, panic or abort all
/// streams end.
#[derive(Debug)]
pub(super) struct EndsWithIt(pub(super) Arc<Register>);

impl Deref for EndsWithIt {
    type Target = Register;

    fn deref(&self) -> &Register {
        &self.0
    }
}

impl Drop for EndsWithIt {
    fn drop(&mut self) {
        self.0.end(Ending::Stopped);
    }
}

impl Ending {
    /// What it means for one stream.
    pub(super) fn of(self, id: StreamId) -> End {
        match self {
            Self::Stopped => End::Stopped,
            Self::Closing => End::Closing { retry: retry(id) },
        }
    }
}

/// Spreads the readers' return evenly over the span, without a draw: ids are consecutive, and steps
/// of the golden ratio fill a span evenly however many are taken.
fn retry(id: StreamId) -> Duration {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let turn = id.0.wrapping_mul(GOLDEN) >> 32;
    let span = RETRY_MILLIS_MAX - RETRY_MILLIS_MIN + 1;
    Duration::from_millis(RETRY_MILLIS_MIN + ((turn * span) >> 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_come_back_evenly_spread() {
        let mut seconds = [0; 5];
        for id in 0..4_000 {
            let retry = retry(StreamId(id));
            assert!((1_000..=5_000).contains(&retry.as_millis()));
            seconds[usize::try_from(retry.as_secs()).unwrap() - 1] += 1;
        }
        assert!(seconds[..4].iter().all(|count| (950..1_050).contains(count)));
    }
}
