//! The load `DynaRust bench live` on nginx with nchan, to compare: the same streams, writes and figures.
//!
//! Its arguments are those of `DynaRust bench live`; the report is JSON.
#![expect(clippy::print_stderr, reason = "this is a command line program")]

use std::process::ExitCode;

use clap::Parser;
use dynarust_bench::{Dialect, LiveArguments};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    live: LiveArguments,
}

fn main() -> ExitCode {
    match dynarust_bench::run_live(&Arguments::parse().live, Dialect::Nchan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nchan_live: {error}");
            ExitCode::FAILURE
        }
    }
}
