//! Why a load gives no figures, or none that stand.

use std::io;

/// What ends a run without success. The node keeps what it acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Nothing was measured.
    #[error("no node answers at {address}: {source}; start one, or name it with --address")]
    Unreachable {
        /// As it was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The node answered at first, and then no more for so long that the run was given up.
    #[error("the node at {address} went away: {said}")]
    Lost {
        /// As it was given.
        address: String,
        /// What the last try met.
        said: String,
    },
    /// Nothing was measured.
    #[error(
        "{wanted} connections need more file handles than the {limit} that this process may have: `ulimit -n {suggested}`"
    )]
    Handles {
        /// Connections of the load.
        wanted: usize,
        /// The process's limit.
        limit: u64,
        /// A limit that is enough.
        suggested: usize,
    },
    /// The node can't be looked at; the load was stopped.
    #[error("{what} cannot be looked at: {source}")]
    Unseen {
        /// A process, or a folder.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no threads, timers or sockets.
    #[error("the system does not let the load run: {0}")]
    System(io::Error),
    /// The report was printed; some requests failed, or what was awaited did not come.
    #[error("{0}")]
    Failed(String),
}
