//! What the surface has done since the node started, in numbers that only rise.
//!
//! All of it is relaxed atomics: a request pays some nanoseconds, and waits for nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use crate::latencies::{Latencies, Recorded};
use crate::operation::Operation;
use crate::problem::Code;

/// The classes of statuses, `1xx` to `5xx`.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Counts {
    /// One for each of [`Operation::ALL`].
    operations: Vec<OperationCounts>,
    /// One for each of [`Code::ALL`].
    problems: Vec<AtomicU64>,
    in_progress: AtomicU64,
}

#[derive(Debug)]
struct OperationCounts {
    statuses: [AtomicU64; CLASSES.len()],
    abandoned: AtomicU64,
    latencies: Latencies,
}

/// What became of the requests for one operation.
#[derive(Debug)]
pub(crate) struct OperationFigures {
    pub(crate) operation: Operation,
    /// By class of status, `1xx` first.
    pub(crate) statuses: [(&'static str, u64); CLASSES.len()],
    /// The client went away before there was an answer.
    pub(crate) abandoned: u64,
    /// From the request's head to the answer's.
    pub(crate) latencies: Recorded,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            operations: Operation::ALL.iter().map(|_| OperationCounts::new()).collect(),
            problems: Code::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            in_progress: AtomicU64::new(0),
        }
    }

    pub(crate) fn began(&self) {
        self.in_progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends what [`Counts::began`], however it went.
    pub(crate) fn ended(&self) {
        self.in_progress.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, operation: Operation, status: StatusCode, latency: Duration) {
        let Some(counts) = self.operations.get(operation as usize) else { return };
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = counts.statuses.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        counts.latencies.record(latency);
    }

    pub(crate) fn abandoned(&self, operation: Operation) {
        if let Some(counts) = self.operations.get(operation as usize) {
            counts.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn problem(&self, code: Code) {
        if let Some(count) = self.problems.get(code as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests that have no answer yet.
    pub(crate) fn in_progress(&self) -> u64 {
        self.in_progress.load(Ordering::Relaxed)
    }

    /// One for each operation.
    pub(crate) fn operations(&self) -> impl Iterator<Item = OperationFigures> {
        let operations = Operation::ALL.iter().zip(&self.operations);
        operations.map(|(operation, counts)| counts.figures(*operation))
    }

    /// How often each problem was told.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (Code, u64)> {
        let problems = Code::ALL.iter().zip(&self.problems);
        problems.map(|(code, count)| (*code, count.load(Ordering::Relaxed)))
    }
}

impl OperationCounts {
    fn new() -> Self {
        Self {
            statuses: [const { AtomicU64::new(0) }; CLASSES.len()],
            abandoned: AtomicU64::new(0),
            latencies: Latencies::new(),
        }
    }

    fn figures(&self, operation: Operation) -> OperationFigures {
        let mut statuses = CLASSES.map(|class| (class, 0));
        for ((_, total), count) in statuses.iter_mut().zip(&self.statuses) {
            *total = count.load(Ordering::Relaxed);
        }
        OperationFigures {
            operation,
            statuses,
            abandoned: self.abandoned.load(Ordering::Relaxed),
            latencies: self.latencies.recorded(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_every_code_has_its_own_count() {
        let counts = Counts::new();
        for (at, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(*operation as usize, at);
            for _ in 0..=at {
                counts.answered(*operation, StatusCode::NOT_FOUND, Duration::ZERO);
            }
        }
        for (at, figures) in counts.operations().enumerate() {
            let expected = (at + 1) as u64;
            assert_eq!(figures.statuses[3], ("4xx", expected));
            assert_eq!(figures.latencies.count, expected);
        }
        for (at, code) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, at);
            counts.problem(*code);
        }
        assert!(counts.problems().all(|(_, count)| count == 1));
    }
}
