//! The command line: `iso-codes load | check | follow`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command line program")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use iso_codes::api::Api;
use iso_codes::{check, follow, load, source};

/// Debian's iso-codes in DynaRust.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The node.
    #[arg(long, global = true, default_value = "127.0.0.1:6660")]
    address: String,
    /// The folder of the package's JSON files.
    #[arg(long, global = true, default_value = source::FOLDER)]
    folder: PathBuf,
    /// Above 0, each record has a member `edition` with this number.
    #[arg(long, global = true, default_value_t = 0)]
    edition: u32,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write all records.
    Load {
        /// How many connections write.
        #[arg(long, default_value_t = 8)]
        connections: usize,
    },
    /// Read all records back and compare them with the files.
    Check,
    /// Print every change, until this edition is here as a whole.
    Follow,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("iso-codes: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let api = Api::new(&arguments.address);
    let tables = source::read(&arguments.folder, arguments.edition)?;
    match &arguments.command {
        Command::Load { connections } => {
            println!("{} records written", load::load(&api, &tables, *connections)?);
        }
        Command::Check => {
            let report = check::check(&api, &tables)?;
            report.differences.iter().for_each(|path| println!("differs: {path}"));
            println!("{} records, {} differences", report.records, report.differences.len());
            return Ok(report.differences.is_empty());
        }
        Command::Follow => {
            let events = follow::follow(&api, &tables, |change| {
                let value = change.value.as_ref().map_or("(deleted)", |value| value.get());
                println!("{}/{} {value}", change.table, change.key);
            })?;
            println!("all here after {events} events");
        }
    }
    Ok(true)
}
