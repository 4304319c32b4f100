//! `DynaRust`: one node, in one process (README.md).
//!
//! ```text
//! arguments ──► config (validated once) ──► serve: front door, store, node ──► until a signal
//!           ├─► health: asks a running node
//!           ├─► leave, remove: ask a running node to change who is in the cluster
//!           ├─► verify, salvage: look after the folder of a node that is stopped
//!           └─► bench: puts a load on a node that runs
//! ```
//!
//! Whatever goes wrong is one line on standard error that says what to do. The exit code is 2 where
//! the command was wrong, 1 where it was right and could not be done.

mod address_file;
mod arguments;
mod byte_count;
mod cluster_arguments;
mod config;
mod exchange;
mod health;
mod logging;
mod memory;
mod memory_limit;
mod offline;
mod operator;
mod serve;
mod usage;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use crate::arguments::{Arguments, Command};
use crate::config::Config;
use crate::health::Target;
use crate::usage::UsageError;

/// Why the program ends with another code than 0.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    #[error(transparent)]
    Health(#[from] health::HealthError),
    #[error(transparent)]
    Operator(#[from] operator::OperatorError),
    #[error(transparent)]
    Offline(#[from] offline::OfflineError),
    #[error(transparent)]
    Bench(#[from] dynarust_bench::BenchError),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::Operator(operator::OperatorError::Usage(_)) => ExitCode::from(2),
            Self::Serve(_)
            | Self::Health(_)
            | Self::Operator(_)
            | Self::Offline(_)
            | Self::Bench(_) => ExitCode::FAILURE,
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where even this cannot be written, the exit code must do.
            let _ = writeln!(std::io::stderr(), "DynaRust: {failure}");
            failure.exit_code()
        }
    }
}

fn run() -> Result<(), Failure> {
    let Some(arguments) = usage::read()? else {
        return Ok(());
    };
    match arguments.command {
        Some(Command::Health { address, data_dir }) => {
            Ok(health::health(&Target::new(address, data_dir)?)?)
        }
        Some(Command::Leave { address, data_dir }) => {
            Ok(operator::leave(&Target::new(address, data_dir)?, secret())?)
        }
        Some(Command::Remove { node, address, data_dir }) => {
            Ok(operator::remove(&node, &Target::new(address, data_dir)?, secret())?)
        }
        Some(Command::Verify { folder }) => Ok(offline::verify(&folder)?),
        Some(Command::Salvage { folder }) => Ok(offline::salvage(&folder)?),
        Some(Command::Bench(arguments)) => Ok(dynarust_bench::run(&arguments)?),
        None => start(arguments),
    }
}

fn secret() -> Option<OsString> {
    std::env::var_os(cluster_arguments::SECRET)
}

fn start(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::new(arguments, secret())?;
    logging::start(config.log_format, config.log_filter.clone());
    Ok(serve::serve(config)?)
}
