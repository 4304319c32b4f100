//! The queue in front of the writer thread: bounded in number and bytes. Beside it waits one portion of
//! records that may have expired.

use std::time::{Duration, Instant};

use dynarust_core::limits::{
    GROUP_BYTES_MAX, GROUP_OPERATIONS_MAX, WRITES_WAITING_BYTES_MAX, WRITES_WAITING_MAX,
};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::expirer::Due;
use crate::port::{Change, Write, WriteError, Written};

/// A write, and who waits for it.
pub(crate) struct Submission {
    pub(crate) write: Write,
    pub(crate) answer: oneshot::Sender<Result<Written, WriteError>>,
}

/// What the writer thread finds when it looks.
pub(crate) enum Work {
    /// Submissions, in the order in which they came.
    Group(Vec<Submission>),
    /// Records that may have expired; [`Submissions::marked`] must be told what became of them.
    Due(Vec<Due>),
    /// Nothing came until the deadline.
    Deadline,
    /// The queue is closed and empty.
    Closed,
}

/// What became of a portion of records that may have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marked {
    /// Those that are due have been marked.
    All,
    /// There is no room for them now.
    None,
    /// The queue is closed.
    Closed,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Submissions {
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// What was due has been looked at, or the queue is closed.
    marked: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: std::collections::VecDeque<Submission>,
    bytes: usize,
    closed: bool,
    due: DuePortion,
}

/// The one portion of records that may have expired.
#[derive(Default)]
enum DuePortion {
    #[default]
    None,
    Waiting(Vec<Due>),
    /// The writer thread has it.
    Taken,
    /// The writer thread had it; it was marked, or not.
    Done(bool),
}

impl Submissions {
    /// Queues a write. It is given back where the queue is full or closed.
    pub(crate) fn submit(&self, submission: Submission) -> Result<(), Refused> {
        let bytes = write_bytes(&submission.write);
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(Refused::Closed);
        }
        if queue.waiting.len() >= WRITES_WAITING_MAX
            || queue.bytes + bytes > WRITES_WAITING_BYTES_MAX
        {
            return Err(Refused::Full);
        }
        queue.bytes += bytes;
        queue.waiting.push_back(submission);
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for submissions, and takes as many as one sync may cover.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> Work {
        if self.queue.lock().waiting.is_empty() {
            // Those who are about to submit do so now, and need not wake this thread one by one.
            std::thread::yield_now();
        }
        let mut queue = self.queue.lock();
        loop {
            // Whatever came first: a portion goes between two groups, and a group between two portions,
            // since the next portion comes only when this one is done.
            if let Some(due) = queue.take_due() {
                return Work::Due(due);
            }
            if !queue.waiting.is_empty() {
                return Work::Group(queue.take_group());
            }
            if queue.closed {
                return Work::Closed;
            }
            match deadline {
                None => self.arrived.wait(&mut queue),
                Some(deadline) => {
                    if self.arrived.wait_until(&mut queue, deadline).timed_out() {
                        return Work::Deadline;
                    }
                }
            }
        }
    }

    /// Hands a portion over, and waits until the writer thread has done with it.
    pub(crate) fn mark_expired(&self, due: Vec<Due>) -> Marked {
        let mut queue = self.queue.lock();
        queue.due = DuePortion::Waiting(due);
        self.arrived.notify_one();
        loop {
            if queue.closed {
                return Marked::Closed;
            }
            if let DuePortion::Done(marked) = queue.due {
                queue.due = DuePortion::None;
                return if marked { Marked::All } else { Marked::None };
            }
            self.marked.wait(&mut queue);
        }
    }

    /// The writer thread has done with the portion.
    pub(crate) fn marked(&self, marked: bool) {
        self.queue.lock().due = DuePortion::Done(marked);
        self.marked.notify_all();
    }

    /// Waits so long; whether the queue is closed then, or was before.
    pub(crate) fn is_closed_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut queue = self.queue.lock();
        while !queue.closed && !self.marked.wait_until(&mut queue, until).timed_out() {}
        queue.closed
    }

    /// Lets no more in, and lets go of what waits: who asked hears that the store has stopped.
    pub(crate) fn abandon(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        queue.bytes = 0;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(waiting);
        self.arrived.notify_all();
        self.marked.notify_all();
    }

    /// Lets no more in. What waits is still taken.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.arrived.notify_all();
        self.marked.notify_all();
    }
}

/// Why a write was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

impl Queue {
    fn take_due(&mut self) -> Option<Vec<Due>> {
        match std::mem::take(&mut self.due) {
            DuePortion::Waiting(due) if !self.closed => {
                self.due = DuePortion::Taken;
                Some(due)
            }
            other => {
                self.due = other;
                None
            }
        }
    }

    fn take_group(&mut self) -> Vec<Submission> {
        let mut group = Vec::with_capacity(self.waiting.len().min(GROUP_OPERATIONS_MAX));
        let mut bytes = 0;
        while group.len() < GROUP_OPERATIONS_MAX && bytes < GROUP_BYTES_MAX {
            let Some(submission) = self.waiting.pop_front() else {
                break;
            };
            bytes += write_bytes(&submission.write);
            group.push(submission);
        }
        self.bytes -= bytes;
        group
    }
}

fn write_bytes(write: &Write) -> usize {
    let value = match &write.change {
        Change::Put { value, .. } => value.len(),
        Change::Delete => 0,
    };
    write.name.as_bytes().len() + value + 64
}
