//! Seeds that once found something.
//!
//! A seed says what happens as long as plan, workload and node draw the same: a change of either makes of it another
//! run. So each bug that was found has a test of its own, in the crate where it was; the seed is kept beside.

use crate::settings::Form;

/// A seed, and what it found.
#[derive(Debug, Clone, Copy)]
pub struct Regression {
    /// The seed.
    pub seed: u64,
    /// How long it is.
    pub form: Form,
    /// What was wrong.
    pub found: &'static str,
}

/// In the order in which they were found.
pub const REGRESSIONS: [Regression; 20] = [
    Regression {
        seed: 6,
        form: Form::Short,
        found: "two writes over one version that was far ahead got one version (core/clock.rs)",
    },
    Regression {
        seed: 24,
        form: Form::Short,
        found: "a cut-off node's 404 to a DELETE did not say how few stand behind it (http/replicas.rs)",
    },
    Regression {
        seed: 119,
        form: Form::Short,
        found: "a write over something newer was acknowledged as followers had read past it, and never seen \
                (node/coordinate/acks.rs)",
    },
    Regression {
        seed: 1024,
        form: Form::Short,
        found: "a write that followers heard of by catching up was not told what stood in its way \
                (node/following/catch_up.rs)",
    },
    Regression {
        seed: 1046,
        form: Form::Short,
        found: "records that a node brought back, of partitions that it does not own, stayed for ever \
                (node/cluster/leftovers.rs)",
    },
    Regression {
        seed: 2102,
        form: Form::Short,
        found: "records of a partition that others came to own first stayed for ever (node/cluster/leftovers.rs)",
    },
    Regression {
        seed: 2254,
        form: Form::Short,
        found: "behind a leave that was given up, nodes stayed behind in others' feeds for minutes \
                (node/following/copying.rs)",
    },
    Regression {
        seed: 87,
        form: Form::Short,
        found: "a record that was deleted stood in such a leftover",
    },
    Regression {
        seed: 42,
        form: Form::Short,
        found: "records of a partition that a node did not want for a while stayed for ever (node/cluster/leftovers.rs)",
    },
    Regression {
        seed: 23,
        form: Form::Short,
        found: "a list came to a rotten record again and again, which memory had whole (store/overlay.rs)",
    },
    Regression {
        seed: 21,
        form: Form::Long,
        found: "a write was acknowledged below what it did not see, which another had taken the place of; and a list \
                said who stood behind it before anybody had told it (node/coordinate/newer.rs, node/scan.rs)",
    },
    Regression {
        seed: 17,
        form: Form::Long,
        found: "the same, where the node had written the key twice more (node/coordinate/newer.rs)",
    },
    Regression {
        seed: 9,
        form: Form::Long,
        found: "a repeat was told the first stamp of a write that had been stamped anew (store/group.rs)",
    },
    Regression {
        seed: 10,
        form: Form::Long,
        found: "a conditional write that an owner had just been asked for again was told as refused, and surfaced \
                (node/coordinate/propose.rs)",
    },
    Regression {
        seed: 45,
        form: Form::Long,
        found: "a patch under a key was refused for ten minutes for what one of its tries had met (node/write.rs)",
    },
    Regression {
        seed: 22,
        form: Form::Long,
        found: "what had rotted stayed so until it was read; a stream left it out for good (store/scrubbing.rs, \
                store/overlay.rs)",
    },
    Regression {
        seed: 252,
        form: Form::Short,
        found: "a stream that went on behind its id passed over what had rotted, and was never told it: memory had it \
                still, and wrote it anew in its place (store/overlay.rs)",
    },
    Regression { seed: 236, form: Form::Short, found: "the same" },
    Regression {
        seed: 8545,
        form: Form::Short,
        found: "a stream in parts claimed nothing in the feed of a node that had started anew, since parts to which nothing \
                happened claimed in its start before: where nobody else has what that tells, ids led to a reset \
                (node/streams/telling.rs, node/streams/parts.rs)",
    },
    Regression { seed: 3941, form: Form::Short, found: "the same" },
];
