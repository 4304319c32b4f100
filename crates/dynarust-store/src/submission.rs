//! The queue in front of the writer thread: bounded in number and bytes. Beside it waits one portion of
//! records that may have expired.

use std::time::{Duration, Instant};

use dynarust_core::limits::{
    GROUP_BYTES_MAX, GROUP_OPERATIONS_MAX, WRITES_WAITING_BYTES_MAX, WRITES_WAITING_MAX,
};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::driver::Bell;
use crate::expirer::Due;
use crate::group::{Deciding, Published};
use crate::port::{Arrival, Change, Durability, Proposed, TakenIn, Write, WriteError, Written};

/// What is asked of the writer thread, and who waits for it.
pub(crate) enum Submission {
    Write(Write, Waiter<Written>),
    Proposal(Write, Waiter<Proposed>),
    Arrivals(Vec<Arrival>, Durability, Waiter<Vec<TakenIn>>),
}

/// Who waits for an answer.
pub(crate) type Waiter<T> = oneshot::Sender<Result<T, WriteError>>;

/// An answer that waits until what was decided stands.
pub(crate) enum Answer {
    Write(Result<Written, WriteError>, Waiter<Written>),
    Proposal(Result<Proposed, WriteError>, Waiter<Proposed>),
    Arrivals(Result<Vec<TakenIn>, WriteError>, Waiter<Vec<TakenIn>>),
}

impl Submission {
    pub(crate) fn decide(self, deciding: &mut Deciding<'_, impl Published>) -> Answer {
        match self {
            Self::Write(write, waiter) => Answer::Write(deciding.write(&write), waiter),
            Self::Proposal(write, waiter) => Answer::Proposal(deciding.propose(&write), waiter),
            Self::Arrivals(arrivals, durability, waiter) => {
                Answer::Arrivals(deciding.take_in(arrivals, durability), waiter)
            }
        }
    }

    /// Nothing came of it.
    pub(crate) fn refuse(self, error: &WriteError) {
        // Nobody waits any more where the client went away.
        match self {
            Self::Write(_, waiter) => drop(waiter.send(Err(error.clone()))),
            Self::Proposal(_, waiter) => drop(waiter.send(Err(error.clone()))),
            Self::Arrivals(_, _, waiter) => drop(waiter.send(Err(error.clone()))),
        }
    }

    /// What it counts for in the queue and in a group: operations and bytes.
    fn weight(&self) -> (usize, usize) {
        match self {
            Self::Write(write, _) | Self::Proposal(write, _) => (1, write_bytes(write)),
            Self::Arrivals(arrivals, ..) => {
                (arrivals.len().max(1), arrivals.iter().map(arrival_bytes).sum())
            }
        }
    }
}

impl Answer {
    /// What was decided stands, or it does not, for this reason.
    pub(crate) fn give(self, stands: &Result<(), WriteError>) {
        // As above.
        match self {
            Self::Write(answer, waiter) => drop(waiter.send(stands.clone().and(answer))),
            Self::Proposal(answer, waiter) => drop(waiter.send(stands.clone().and(answer))),
            Self::Arrivals(answer, waiter) => drop(waiter.send(stands.clone().and(answer))),
        }
    }
}

/// Parts of a lot, each of which one group may have, one arrival more at most.
pub(crate) fn parts(arrivals: Vec<Arrival>) -> Vec<Vec<Arrival>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for arrival in arrivals {
        match parts.last_mut() {
            Some(part) if part.len() < GROUP_OPERATIONS_MAX && bytes < GROUP_BYTES_MAX => {
                bytes += arrival_bytes(&arrival);
                part.push(arrival);
            }
            _ => {
                bytes = arrival_bytes(&arrival);
                parts.push(vec![arrival]);
            }
        }
    }
    parts
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
    bell: Bell,
}

#[derive(Default)]
struct Queue {
    waiting: std::collections::VecDeque<Submission>,
    operations: usize,
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
    /// An empty queue; what comes rings the bell.
    pub(crate) fn new(bell: Bell) -> Self {
        Self { bell, ..Self::default() }
    }

    /// Queues all of them, or none where the queue is full or closed.
    pub(crate) fn submit<L>(&self, lot: L) -> Result<(), Refused>
    where
        L: AsRef<[Submission]> + IntoIterator<Item = Submission>,
    {
        let (mut operations, mut bytes) = (0, 0);
        for submission in lot.as_ref() {
            let weight = submission.weight();
            operations += weight.0;
            bytes += weight.1;
        }
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(Refused::Closed);
        }
        if queue.operations + operations > WRITES_WAITING_MAX
            || queue.bytes + bytes > WRITES_WAITING_BYTES_MAX
        {
            return Err(Refused::Full);
        }
        queue.operations += operations;
        queue.bytes += bytes;
        queue.waiting.extend(lot);
        drop(queue);
        self.arrived.notify_one();
        self.bell.ring();
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
            if let Some(work) = queue.take() {
                return work;
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

    /// As [`Submissions::take`], without waiting; nothing where there is nothing to do.
    pub(crate) fn take_now(&self, deadline: Option<Instant>) -> Option<Work> {
        let work = self.queue.lock().take();
        work.or_else(|| deadline.filter(|at| *at <= Instant::now()).map(|_| Work::Deadline))
    }

    /// Hands a portion over, and waits until the writer thread has done with it.
    pub(crate) fn mark_expired(&self, due: Vec<Due>) -> Marked {
        let mut queue = self.queue.lock();
        queue.due = DuePortion::Waiting(due);
        self.arrived.notify_one();
        loop {
            if let Some(marked) = queue.outcome() {
                return marked;
            }
            self.marked.wait(&mut queue);
        }
    }

    /// As [`Submissions::mark_expired`], where `write` is a turn of the writer.
    pub(crate) fn mark_expired_now(&self, due: Vec<Due>, write: impl FnOnce()) -> Marked {
        self.queue.lock().due = DuePortion::Waiting(due);
        write();
        self.queue.lock().outcome().unwrap_or(Marked::None)
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
        queue.operations = 0;
        queue.bytes = 0;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(waiting);
        self.wake_all();
    }

    /// Whether it lets no more in.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// Lets no more in. What waits is still taken.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.wake_all();
    }

    fn wake_all(&self) {
        self.arrived.notify_all();
        self.marked.notify_all();
        self.bell.ring();
    }
}

/// Why nothing was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

impl Queue {
    /// Whatever came first: a portion goes between two groups, and a group between two portions, since the
    /// next portion comes only when this one is done.
    fn take(&mut self) -> Option<Work> {
        if let Some(due) = self.take_due() {
            Some(Work::Due(due))
        } else if !self.waiting.is_empty() {
            Some(Work::Group(self.take_group()))
        } else {
            self.closed.then_some(Work::Closed)
        }
    }

    /// What became of the portion, once that is known.
    fn outcome(&mut self) -> Option<Marked> {
        if self.closed {
            return Some(Marked::Closed);
        }
        let DuePortion::Done(marked) = self.due else {
            return None;
        };
        self.due = DuePortion::None;
        Some(if marked { Marked::All } else { Marked::None })
    }

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
        let (mut operations, mut bytes) = (0, 0);
        while operations < GROUP_OPERATIONS_MAX
            && bytes < GROUP_BYTES_MAX
            && let Some(submission) = self.waiting.pop_front()
        {
            let weight = submission.weight();
            operations += weight.0;
            bytes += weight.1;
            group.push(submission);
        }
        self.operations -= operations;
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

fn arrival_bytes(arrival: &Arrival) -> usize {
    arrival.name.as_bytes().len() + arrival.record.value.len() + 64
}
