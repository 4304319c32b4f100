//! The command line of `DynaRust bench`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::connection;
use crate::error::BenchError;

const EXAMPLES: &str = "\
Examples, against a node on the usual address:
  DynaRust bench load                                 100,000 records of about 340 bytes
  DynaRust bench read --connections 16
  DynaRust bench write --durability relaxed
  DynaRust bench write --rate 5000                    how even the answers are at a fixed rate
  DynaRust bench live --streams 5000                  how long a write takes to its reader

It writes into the table `bench` of a running node; `--table` names another.";

/// Puts a load on a running node, and tells how fast and how evenly it bears it
///
/// Requests that fail are counted and shown by kind, and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = false)]
pub struct BenchArguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Prints the report as one JSON object, and no progress
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Threads that make the load: the fewer, the more is left for the node
    #[arg(long, global = true, default_value_t = 1, value_parser = at_least_one())]
    pub(crate) threads: usize,
}

/// What is done to the node.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes every record once
    Load(LoadArguments),
    /// Reads random records, until the time is over or it is interrupted
    Read(ReadArguments),
    /// Overwrites random records, until the time is over or it is interrupted
    Write(WriteArguments),
    /// Opens live streams, writes to random ones of their keys, and times the events
    Live(LiveArguments),
    /// Cuts many live streams, writes each key, and times how they come back all at once
    Resume(ResumeArguments),
    /// Mixed work by clients that come and go; with --pid and --folder, whether the node grows
    Soak(SoakArguments),
}

/// The node, and how it is reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The node
    #[arg(long, default_value = "127.0.0.1:6660", value_name = "HOST:PORT")]
    pub(crate) address: String,
    /// The table
    #[arg(long, default_value = "bench")]
    pub(crate) table: String,
    /// Connections that send requests, one at a time each
    #[arg(long, default_value_t = 32, value_parser = at_least_one())]
    pub(crate) connections: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) records: Records,
    #[command(flatten)]
    pub(crate) durability: DurabilityArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReadArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) records: Records,
    #[command(flatten)]
    pub(crate) time: Time,
    /// Reads every record once, in order, however long it takes
    #[arg(long, conflicts_with_all = ["seconds", "rate"])]
    pub(crate) once: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WriteArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) records: Records,
    #[command(flatten)]
    pub(crate) time: Time,
    #[command(flatten)]
    pub(crate) durability: DurabilityArgument,
}

/// What `live` is asked for.
#[derive(Debug, Clone, Args)]
pub struct LiveArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The node whose streams are followed, where it is another than the one that is written to
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) follow: Option<String>,
    /// Streams, each on one key
    #[arg(long, default_value_t = 5000, value_parser = at_least_one())]
    pub(crate) streams: usize,
    /// Keys that the streams share out among themselves; without it, one a stream
    #[arg(long, value_parser = at_least_one())]
    pub(crate) keys: Option<usize>,
    /// Writes a second, over all connections; with 0 the streams are only held open
    #[arg(long, default_value_t = 300.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// How long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) seconds: u64,
    #[command(flatten)]
    pub(crate) durability: DurabilityArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ResumeArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Streams, each on one key
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one())]
    pub(crate) streams: usize,
    #[command(flatten)]
    pub(crate) durability: DurabilityArgument,
}

/// What `soak` is asked for.
#[derive(Debug, Clone, Args)]
pub(crate) struct SoakArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) records: Records,
    /// Streams at a time, opened and dropped
    #[arg(long, default_value_t = 100, value_parser = at_least_one())]
    pub(crate) streams: usize,
    /// Requests a second, over all clients
    #[arg(long, default_value_t = 1000.0, value_parser = positive)]
    pub(crate) rate: f64,
    /// How long
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub(crate) minutes: f64,
    /// The node's process: its memory and file handles are watched
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// The node's data folder: its size on the disk is watched
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Records {
    /// How many records there are
    #[arg(long, default_value_t = 100_000, value_parser = at_least_one())]
    pub(crate) records: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Time {
    /// How long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seconds: u64,
    /// Requests a second, over all connections; without it, as many as there can be
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DurabilityArgument {
    /// When a write is answered
    #[arg(long, value_enum, default_value_t = Durability::Sync)]
    durability: Durability,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Durability {
    /// Once it is on stable storage
    Sync,
    /// Once it is in the journal's file
    Relaxed,
}

impl BenchArguments {
    pub(crate) fn shows_progress(&self) -> bool {
        !self.json
    }
}

impl Target {
    /// The node's address, where somebody listens.
    pub(crate) async fn reach(&self) -> Result<SocketAddr, BenchError> {
        let reached = async {
            let mut found = tokio::net::lookup_host(&self.address).await?;
            let address = found.next().ok_or(std::io::ErrorKind::NotFound)?;
            connection::open(address).await?;
            Ok(address)
        };
        let unreachable =
            |source| BenchError::Unreachable { address: self.address.clone(), source };
        reached.await.map_err(unreachable)
    }
}

impl LiveArguments {
    /// The node that the streams are opened at.
    pub(crate) fn followed(&self) -> Target {
        let address = self.follow.clone().unwrap_or_else(|| self.target.address.clone());
        Target { address, ..self.target.clone() }
    }
}

impl Time {
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl DurabilityArgument {
    /// As the query of a write says it.
    pub(crate) fn name(self) -> &'static str {
        match self.durability {
            Durability::Sync => "sync",
            Durability::Relaxed => "relaxed",
        }
    }
}

fn at_least_one() -> impl clap::builder::TypedValueParser<Value = usize> {
    use clap::builder::TypedValueParser as _;
    clap::builder::RangedU64ValueParser::<u64>::new()
        .range(1..=100_000_000)
        .map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// Bounds of rates and times, within which nothing overflows.
const POSITIVE: std::ops::RangeInclusive<f64> = 0.01..=1_000_000.0;

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| POSITIVE.contains(number));
    number.ok_or_else(|| format!("it is between {} and {}", POSITIVE.start(), POSITIVE.end()))
}

/// As [`positive`], or none.
fn rate(text: &str) -> Result<f64, String> {
    if text == "0" { Ok(0.0) } else { positive(text) }
}
