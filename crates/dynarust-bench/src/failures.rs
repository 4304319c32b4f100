//! Requests that failed, by what was wrong with them.

use std::collections::BTreeMap;
use std::fmt;

/// Kinds that are told apart; all others are one.
const KINDS_MAX: usize = 32;
const ALL_OTHERS: &str = "others";

/// Why one request failed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// An answer that is no success: status and code.
    Refused(String),
    /// No answer: the connection was refused, or broke.
    Lost(String),
}

impl Failure {
    /// The same, with what it was that failed.
    pub(crate) fn of(self, what: &str) -> Failure {
        match self {
            Self::Refused(said) => Self::Refused(format!("{what}: {said}")),
            Self::Lost(said) => Self::Lost(format!("{said}, in {what}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(said) => f.write_str(said),
            Self::Lost(said) => write!(f, "connection: {said}"),
        }
    }
}

/// How many failed, by kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failures {
    kinds: BTreeMap<String, u64>,
}

impl Failures {
    pub(crate) fn count_one(&mut self, failure: &Failure) {
        self.count(failure.to_string(), 1);
    }

    pub(crate) fn add(&mut self, other: &Failures) {
        for (kind, count) in &other.kinds {
            self.count(kind.clone(), *count);
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.kinds.values().sum()
    }

    pub(crate) fn kinds(&self) -> &BTreeMap<String, u64> {
        &self.kinds
    }

    fn count(&mut self, kind: String, count: u64) {
        let known = self.kinds.contains_key(&kind) || self.kinds.len() < KINDS_MAX;
        *self.kinds.entry(if known { kind } else { ALL_OTHERS.to_owned() }).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_up_to_a_limit() {
        let mut failures = Failures::default();
        for kind in 0..KINDS_MAX + 10 {
            failures.count_one(&Failure::Refused(kind.to_string()));
        }
        let mut twice = failures.clone();
        twice.add(&failures);
        assert_eq!(twice.total(), 2 * (KINDS_MAX as u64 + 10));
        assert_eq!(twice.kinds().len(), KINDS_MAX + 1);
        assert_eq!(twice.kinds()[ALL_OTHERS], 20);
        assert_eq!(twice.kinds()["0"], 2);
    }
}
