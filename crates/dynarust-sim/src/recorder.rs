//! What is recorded of a simulation: the history of its clients, and when things were not as they should be.

use std::collections::BTreeMap;
use std::sync::Arc;

use dynarust_history::{Final, History, Operation, Stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::time;
use crate::trace::{Trace, tell};

/// See the module.
pub(crate) struct Recorder {
    history: Mutex<History>,
    counts: Mutex<Counts>,
    streams: Mutex<BTreeMap<String, u64>>,
    trace: Arc<Trace>,
}

/// How much happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests of clients.
    pub operations: u64,
    /// Those that were done.
    pub done: u64,
    /// Those that changed nothing.
    pub refused: u64,
    /// Those of which nobody knows.
    pub indeterminate: u64,
    /// Events of streams.
    pub events: u64,
    /// Connections of streams.
    pub connections: u64,
}

impl Counts {
    /// Those of another simulation as well.
    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.done += other.done;
        self.refused += other.refused;
        self.indeterminate += other.indeterminate;
        self.events += other.events;
        self.connections += other.connections;
    }
}

impl Recorder {
    pub(crate) fn new(trace: Arc<Trace>) -> Arc<Self> {
        Arc::new(Self {
            history: Mutex::default(),
            counts: Mutex::default(),
            streams: Mutex::default(),
            trace,
        })
    }

    pub(crate) fn operation(&self, operation: Operation) {
        tell!(
            self.trace,
            "session {} at node {}: {} {:?}: {:?}",
            operation.session,
            operation.node,
            operation.key,
            operation.action,
            operation.outcome
        );
        let mut counts = self.counts.lock();
        counts.operations += 1;
        if operation.is_open() {
            counts.indeterminate += 1;
        } else if operation.is_refused() {
            counts.refused += 1;
        } else {
            counts.done += 1;
        }
        drop(counts);
        self.history.lock().operations.push(operation);
    }

    pub(crate) fn stream(&self, stream: Stream) {
        let mut counts = self.counts.lock();
        counts.connections += stream.connections.len() as u64;
        counts.events += stream.connections.iter().map(|it| it.events.len() as u64).sum::<u64>();
        drop(counts);
        self.history.lock().streams.push(stream);
    }

    /// So many connections of streams of that kind.
    pub(crate) fn count_streams(&self, kind: &str, count: usize) {
        *self.streams.lock().entry(kind.to_owned()).or_default() += count as u64;
    }

    pub(crate) fn finals(&self, finals: Vec<Final>) {
        self.history.lock().finals = finals;
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock()
    }

    pub(crate) fn streams(&self) -> BTreeMap<String, u64> {
        self.streams.lock().clone()
    }

    /// All of it.
    pub(crate) fn history(&self) -> History {
        self.history.lock().clone()
    }
}

/// Moments at which not all was well, from when to when.
#[derive(Debug, Default)]
pub(crate) struct Disturbances(Mutex<Spans>);

#[derive(Debug, Default)]
struct Spans {
    over: Vec<(u64, u64)>,
    since: Option<u64>,
}

impl Disturbances {
    /// From now on not all is well.
    pub(crate) fn begin(&self) {
        self.0.lock().since.get_or_insert_with(time::nanos);
    }

    /// All is well again.
    pub(crate) fn end(&self) {
        let mut spans = self.0.lock();
        if let Some(since) = spans.since.take() {
            spans.over.push((since, time::nanos()));
        }
    }

    /// Whether all was well from one moment to the other.
    pub(crate) fn none_within(&self, from: u64, to: u64) -> bool {
        let spans = self.0.lock();
        let now = spans.since.is_some_and(|since| since <= to);
        !now && spans.over.iter().all(|(began, ended)| to < *began || *ended < from)
    }
}
