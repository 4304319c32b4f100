//! `DynaRust bench`: a load on one node, and how fast and how evenly the node bears it.
//!
//! ```text
//! arguments ──► a load: work (load, read, write), live, resume, soak
//!                 │  connections, each with one request under way, at a pace or as fast as can be
//!                 └─► outcome: tallies of latencies, failures ──► report, as text or JSON
//! ```
//!
//! The load runs on the same cores as the node, mostly, and must cost as little as can be: requests
//! are written and answers read by hand (`connection`), and nothing is shared between connections
//! but counters. An answer that is no success is counted as a failure, shown, and is in no latency.

mod answer;
mod arguments;
mod connection;
mod dialect;
mod error;
mod failures;
mod handles;
mod live;
pub mod lorem;
mod pace;
mod progress;
mod report;
mod request;
mod resume;
mod soak;
mod tally;
mod work;

use std::io::Write as _;

use crate::arguments::Command;
pub use crate::arguments::{BenchArguments, LiveArguments};
pub use crate::dialect::Dialect;
pub use crate::error::BenchError;
use crate::report::Outcome;

/// Runs a load and prints its report on standard output.
///
/// # Errors
/// [`BenchError`]; where requests failed, the report is printed all the same.
pub fn run(arguments: &BenchArguments) -> Result<(), BenchError> {
    let outcome = in_runtime(arguments.threads, async {
        match &arguments.command {
            Command::Load(asked) => work::load(asked, arguments.shows_progress()).await,
            Command::Read(asked) => work::read(asked, arguments.shows_progress()).await,
            Command::Write(asked) => work::write(asked, arguments.shows_progress()).await,
            Command::Live(asked) => {
                live::run(asked, Dialect::DynaRust, arguments.shows_progress()).await
            }
            Command::Resume(asked) => resume::run(asked, arguments.shows_progress()).await,
            Command::Soak(asked) => soak::run(asked, arguments.shows_progress()).await,
        }
    })?;
    conclude(&outcome, arguments.json)
}

/// The load `live` on a server of another dialect, to compare; the report is JSON.
///
/// # Errors
/// As [`run`].
pub fn run_live(asked: &LiveArguments, dialect: Dialect) -> Result<(), BenchError> {
    let outcome = in_runtime(1, live::run(asked, dialect, false))?;
    conclude(&outcome, true)
}

fn in_runtime<T>(
    threads: usize,
    load: impl Future<Output = Result<T, BenchError>>,
) -> Result<T, BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(BenchError::System)?;
    runtime.block_on(load)
}

fn conclude(outcome: &Outcome, json: bool) -> Result<(), BenchError> {
    let text = if json { outcome.to_json() } else { outcome.to_string() };
    // A closed pipe is no reason to complain.
    let _ = writeln!(std::io::stdout(), "{text}");
    outcome.verdict()
}
