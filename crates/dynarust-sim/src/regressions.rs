//! Seeds that once found something.
//!
//! A seed says what happens as long as plan, workload and node draw the same: a change of either makes of it another
//! run. So each bug that was found has a test of its own, in the crate where it was; the seed is kept beside.

/// A seed, and what it found.
#[derive(Debug, Clone, Copy)]
pub struct Regression {
    /// The seed, of the short form.
    pub seed: u64,
    /// What was wrong.
    pub found: &'static str,
}

/// In the order in which they were found.
pub const REGRESSIONS: [Regression; 8] = [
    Regression {
        seed: 6,
        found: "two writes over one version that was far ahead got one version (core/clock.rs)",
    },
    Regression {
        seed: 24,
        found: "a cut-off node's 404 to a DELETE did not say how few stand behind it (http/replicas.rs)",
    },
    Regression {
        seed: 119,
        found: "a write over something newer was acknowledged as followers had read past it, and never seen \
                (node/coordinate/acks.rs)",
    },
    Regression {
        seed: 1024,
        found: "a write that followers heard of by catching up was not told what stood in its way \
                (node/following/catch_up.rs)",
    },
    Regression {
        seed: 1046,
        found: "records that a node brought back, of partitions that it does not own, stayed for ever \
                (node/cluster/leftovers.rs)",
    },
    Regression {
        seed: 2102,
        found: "records of a partition that others came to own first stayed for ever (node/cluster/leftovers.rs)",
    },
    Regression {
        seed: 2254,
        found: "behind a leave that was given up, nodes stayed behind in others' feeds for minutes \
                (node/following/copying.rs)",
    },
    Regression { seed: 87, found: "a record that was deleted stood in such a leftover" },
];
