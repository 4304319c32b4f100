//! `dynarust-bench`: a load on one node, and how fast and how evenly it bears it.
//!
//! `fill` writes the records; `put` overwrites and `get` reads random ones; `streams` opens many live
//! streams and measures how long a write takes to reach its reader. Connections are kept, and each has one
//! request under way. The requests are written by hand ([`connection`]), since the load runs on the
//! same cores as the node and must cost as little as can be.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command line program")]

mod connection;

mod streams;
mod tally;
mod work;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::connection::BenchError;

/// A load on one node.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write every record once.
    Fill,
    /// Overwrite random records.
    Put,
    /// Read random records.
    Get,
    /// Open live streams, one a key, and write to random ones of these keys.
    Streams {
        /// How many streams.
        #[arg(long, default_value_t = 5000)]
        streams: usize,
    },
}

/// What all loads have in common.
#[derive(Debug, Clone, Args)]
struct Load {
    /// The node.
    #[arg(long, global = true, default_value = "127.0.0.1:6660")]
    address: SocketAddr,
    /// Connections that send requests, one at a time each.
    #[arg(long, global = true, default_value_t = 32)]
    connections: usize,
    /// How long to measure.
    #[arg(long, global = true, default_value_t = 10, value_name = "SECONDS")]
    seconds: u64,
    /// How many records there are.
    #[arg(long, global = true, default_value_t = 100_000)]
    records: usize,
    /// The table that they are in.
    #[arg(long, global = true, default_value = "bench")]
    table: String,
    /// When a write is answered.
    #[arg(long, global = true, value_enum, default_value_t = Durability::Sync)]
    durability: Durability,
    /// Requests a second, over all connections; without it, as many as there can be. (Streams: 300.)
    #[arg(long, global = true)]
    rate: Option<u32>,
    /// Threads that make the load.
    #[arg(long, global = true, default_value_t = 1)]
    threads: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Durability {
    Sync,
    Relaxed,
}

impl Load {
    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The query of a write.
    fn query(&self) -> &'static str {
        match self.durability {
            Durability::Sync => "?durability=sync",
            Durability::Relaxed => "?durability=relaxed",
        }
    }
}

fn main() -> ExitCode {
    let Arguments { command, load } = Arguments::parse();
    match run(&command, load) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("dynarust-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command, load: Load) -> Result<String, BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(load.threads)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match *command {
            Command::Fill => work::run(work::Kind::Fill, load).await,
            Command::Put => work::run(work::Kind::Put, load).await,
            Command::Get => work::run(work::Kind::Get, load).await,
            Command::Streams { streams } => streams::run(load, streams).await,
        }
    })
}
