//! The mailbox of a stream: the hub puts records in, the stream takes them out.
//!
//! Invariants:
//! - whoever changes it wakes the stream afterwards, so that no change goes unseen;
//! - once it has an end, that end stays, and nothing waits any more.
//!
//! The lock is a plain one: it is held for a push, a merge or a few pops, never across an await.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dynarust_core::{Seq, Stored};
use parking_lot::Mutex;

use super::queue::Queue;

/// How a stream ends, other than by its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its queue ran over.
    Lagged,
    /// The node closes.
    Closing {
        /// When this reader should come back.
        retry: Duration,
    },
    /// The store stopped: there is nothing left to follow.
    Stopped,
}

#[derive(Debug, Default)]
struct Inbox {
    queue: Queue,
    end: Option<End>,
    /// The newest record for which older ones were left out.
    owed: Seq,
    /// Since the stream looked last.
    changed: bool,
    /// Who waits for that.
    reader: Option<Waker>,
}

/// Where the hub leaves what a stream follows.
#[derive(Debug)]
pub(super) struct Mailbox {
    inbox: Mutex<Inbox>,
    bytes_max: usize,
    /// Bytes that wait in all mailboxes.
    waiting: Arc<AtomicUsize>,
}

impl Mailbox {
    /// An empty mailbox for a queue of `bytes_max`; one that has ended already where `end` says so.
    pub(super) fn new(bytes_max: usize, end: Option<End>, waiting: Arc<AtomicUsize>) -> Self {
        let inbox = Mutex::new(Inbox { end, ..Inbox::default() });
        Self { inbox, bytes_max, waiting }
    }

    /// What a change of the queue makes of what waits in all.
    fn count(&self, before: usize, after: usize) {
        self.waiting.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Adds a record, and tells how many older ones were left out for it; ends the stream as lagged
    /// where there is no room.
    pub(super) fn push(&self, record: &Arc<Stored>) -> usize {
        let mut inbox = self.inbox.lock();
        if inbox.end.is_some() {
            return 0;
        }
        let before = inbox.queue.bytes();
        let pushed = inbox.queue.push(Arc::clone(record), self.bytes_max);
        if pushed.is_ok_and(|merged| merged > 0) {
            inbox.owed = record.seq;
        }
        self.count(before, inbox.queue.bytes());
        let reader = inbox.change();
        drop(inbox);
        match pushed {
            Ok(merged) => {
                wake(reader);
                merged
            }
            Err(_) => {
                self.end(End::Lagged);
                wake(reader);
                0
            }
        }
    }

    /// Ends the stream, and drops what waits for it. The first end stays.
    pub(super) fn end(&self, end: End) {
        let mut inbox = self.inbox.lock();
        inbox.end.get_or_insert(end);
        let dropped = std::mem::take(&mut inbox.queue);
        let reader = inbox.change();
        drop(inbox);
        self.count(dropped.bytes(), 0);
        drop(dropped);
        wake(reader);
    }

    /// Has the stream look around, though nothing came for it.
    pub(super) fn touch(&self) {
        let reader = self.inbox.lock().change();
        wake(reader);
    }

    /// Forgets what waits: for a stream that is no longer attached.
    pub(super) fn clear(&self) {
        let dropped = std::mem::take(&mut self.inbox.lock().queue);
        self.count(dropped.bytes(), 0);
    }

    /// What was left out for something newer is told, in its newest form, at or below this.
    pub(super) fn owed(&self) -> Seq {
        self.inbox.lock().owed
    }

    /// How the stream ended, if it has.
    pub(super) fn ended(&self) -> Option<End> {
        self.inbox.lock().end
    }

    /// Takes what waits, oldest first, until `bytes_max` bytes of values are together.
    pub(super) fn take(&self, bytes_max: usize) -> Vec<Arc<Stored>> {
        let mut inbox = self.inbox.lock();
        let (mut taken, before) = (Vec::new(), inbox.queue.bytes());
        let mut bytes = 0;
        while bytes < bytes_max {
            let Some(record) = inbox.queue.pop() else {
                break;
            };
            bytes += record.record.value.len();
            taken.push(record);
        }
        self.count(before, inbox.queue.bytes());
        taken
    }

    /// Whether nothing waits and the stream goes on.
    pub(super) fn is_idle(&self) -> bool {
        let inbox = self.inbox.lock();
        inbox.end.is_none() && inbox.queue.is_empty()
    }

    /// Ready once something may have changed since it was ready last.
    pub(super) fn poll_changed(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut inbox = self.inbox.lock();
        if std::mem::take(&mut inbox.changed) {
            return Poll::Ready(());
        }
        match &mut inbox.reader {
            Some(reader) => reader.clone_from(context.waker()),
            reader => *reader = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Inbox {
    /// Notes a change, and gives out who is to hear of it.
    fn change(&mut self) -> Option<Waker> {
        self.changed = true;
        self.reader.take()
    }
}

/// With no lock held: who is woken may come at once.
fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::tests::store::stored;

    #[test]
    fn what_waits_in_all_is_counted_however_it_goes() {
        let waiting = Arc::default();
        let boxes = [(); 5].map(|()| Mailbox::new(1000, None, Arc::clone(&waiting)));
        let record = stored(1, "a", Some("1"));
        boxes.iter().for_each(|mailbox| _ = mailbox.push(&record));
        let count = || waiting.load(Ordering::Relaxed);
        assert_eq!(count(), 5 * record.memory_bytes());
        let [taken, ended, cleared, dropped, stays] = boxes;
        taken.take(1000);
        ended.end(End::Lagged);
        cleared.clear();
        drop(dropped);
        assert_eq!(count(), record.memory_bytes());
        // Until it runs over.
        (2..100).for_each(|seq| _ = stays.push(&stored(seq, &seq.to_string(), Some("1"))));
        assert_eq!((stays.ended(), count()), (Some(End::Lagged), 0));
    }
}
