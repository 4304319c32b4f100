//! Whether this node lives, and whether it answers for any key.

use crate::Node;

/// The answer to "is all well?": it is where no reason says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// What is wrong, in words for an operator.
    pub reasons: Vec<String>,
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
        }
    }

    /// Whether any key can be answered now: the store is open, and the node does not close.
    #[must_use]
    pub fn readiness(&self) -> Health {
        let mut health = self.liveness();
        if self.is_closing() {
            health.reasons.push("the node is closing".to_owned());
        }
        health
    }
}
