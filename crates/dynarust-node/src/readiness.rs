//! Whether this node lives, and whether it answers for any key.

use dynarust_core::skew::Verdict;

use crate::Node;

/// The answer to "is all well?": it is where no reason says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// What is wrong, in words for an operator.
    pub reasons: Vec<String>,
    /// What an operator should know, though all is well.
    pub notes: Vec<String>,
}

impl Health {
    /// Whether all is well.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.reasons.is_empty()
    }
}

impl Node {
    /// Whether the process can go on; where it cannot, only a new start helps.
    #[must_use]
    pub fn liveness(&self) -> Health {
        let failure = self.store.failure();
        Health {
            reasons: Vec::from_iter(failure.map(|why| format!("the store has stopped: {why}"))),
            notes: Vec::new(),
        }
    }

    /// Whether any key can be answered now: the store is open, and the node does not close.
    #[must_use]
    pub fn readiness(&self) -> Health {
        let mut health = self.liveness();
        if !self.cluster.is_ready() {
            health.reasons.push("the node has not joined its cluster yet".to_owned());
        }
        match self.cluster.clock_verdict() {
            Verdict::Fine => {}
            Verdict::Unsure => health.notes.push(
                "this node's clock and another's are apart, and no majority tells which is off"
                    .to_owned(),
            ),
            Verdict::Fenced => health
                .reasons
                .push("clock_skew: this node's clock is off from a majority's".to_owned()),
        }
        if self.is_closing() {
            health.reasons.push("the node is closing".to_owned());
        }
        health
    }
}
