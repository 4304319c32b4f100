//! The command line and the environment, as they come. [`crate::config`] makes sense of them.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use dynarust_bench::BenchArguments;
use dynarust_core::limits::{
    APPLY_INTERVAL_MILLIS_DEFAULT, CACHE_BYTES_DEFAULT, STREAM_QUEUE_BYTES_MAX, STREAMS_MAX,
    VALUE_BYTES_DEFAULT,
};

use crate::byte_count::ByteCount;
use crate::cluster_arguments::ClusterArguments;

const EXAMPLES: &str = "\
Examples:
  DynaRust 127.0.0.1:6660                        a node; its data lie in storage.db/6660
  DynaRust 127.0.0.1:6661                        another one beside it, in storage.db/6661
  DynaRust 0.0.0.0:6660 --data-dir /var/lib/dynarust
  CLUSTER_SECRET=… DynaRust 10.0.0.2:6660 10.0.0.1:6660
                                                 joins the cluster of 10.0.0.1:6660
  DynaRust health                                asks the node that runs here whether it is ready
  DynaRust verify storage.db/6660                checks the folder of a stopped node

  curl -X PUT 127.0.0.1:6660/people/key/ada -H 'Content-Type: application/json' \\
       -d '{\"value\": {\"born\": 1815}}'
  curl 127.0.0.1:6660/people/key/ada
  curl -N 127.0.0.1:6660/people/subscribe

Sizes take K, M and G. Every option can stand in the environment as well, under the name in brackets.
CLUSTER_SECRET, in the environment alone, is what all nodes of a cluster know: 16 bytes or more. Without
it a node runs alone.";

/// A store of JSON records over HTTP that pushes every change to whoever follows it.
#[derive(Debug, Parser)]
#[command(
    name = "DynaRust",
    bin_name = "DynaRust",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Where to listen: host and port, such as 127.0.0.1:6660; port 0 takes any that is free
    #[arg(env = "DYNARUST_LISTEN_ADDRESS", required = true)]
    pub(crate) listen_address: Option<String>,

    /// A node of the cluster to join: host and port; CLUSTER_SECRET must be in the environment
    ///
    /// A node that was a member before needs none.
    #[arg(env = "DYNARUST_JOIN_ADDRESS")]
    pub(crate) join_address: Option<String>,

    /// The folder of the node's data; made if it is not there
    ///
    /// Without it, storage.db/PORT in the working directory: another port is another, empty node.
    #[arg(long, env = "DYNARUST_DATA_DIR", value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Memory for records that are read often
    #[arg(long, env = "DYNARUST_CACHE_BYTES", value_name = "SIZE", default_value_t = ByteCount(CACHE_BYTES_DEFAULT))]
    pub(crate) cache_bytes: ByteCount,

    /// The largest value: bytes of its JSON text, up to 16M
    #[arg(long, env = "DYNARUST_MAX_VALUE_BYTES", value_name = "SIZE", default_value_t = ByteCount(VALUE_BYTES_DEFAULT as u64))]
    pub(crate) max_value_bytes: ByteCount,

    /// When a write that does not say is answered: once it is on stable storage, or before
    #[arg(
        long,
        env = "DYNARUST_DURABILITY",
        value_name = "WHEN",
        value_enum,
        default_value = "sync"
    )]
    pub(crate) durability: DurabilityArgument,

    /// Milliseconds after which a relaxed write is synced at the latest (1 to 60000)
    #[arg(
        long,
        env = "DYNARUST_RELAXED_FLUSH_MS",
        value_name = "MS",
        default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=60_000)
    )]
    pub(crate) relaxed_flush_ms: u64,

    /// Milliseconds between two moves of records from the journal to the base (10 to 60000), sooner
    /// where nothing is written, or much
    ///
    /// More: fewer writes of the same page, a longer journal to read at the next start.
    #[arg(
        long,
        env = "DYNARUST_APPLY_INTERVAL",
        value_name = "MS",
        default_value_t = APPLY_INTERVAL_MILLIS_DEFAULT,
        value_parser = clap::value_parser!(u64).range(10..=60_000)
    )]
    pub(crate) apply_interval: u64,

    /// How long deletes and expiries are remembered, such as 90s, 15m, 24h or 7d (1s to 30d)
    ///
    /// More: a stream that was away for longer resumes without a reset. Less: their space is free sooner.
    #[arg(long, env = "DYNARUST_TOMBSTONE_AGE", value_name = "TIME", default_value = "24h")]
    pub(crate) tombstone_age: String,

    /// What may wait for one reader of a live stream that is slower than its keys change (64K to 64M)
    ///
    /// More: bursts are ridden out; less: slow readers are cut sooner, and resume. The newest of each key is kept.
    #[arg(long, env = "DYNARUST_STREAM_QUEUE_BYTES", value_name = "SIZE", default_value_t = ByteCount(STREAM_QUEUE_BYTES_MAX as u64))]
    pub(crate) stream_queue_bytes: ByteCount,

    /// Live streams at a time that one client address may have; clients behind one proxy have one address
    #[arg(long, env = "DYNARUST_STREAMS_PER_ADDRESS", value_name = "COUNT", default_value_t = STREAMS_MAX,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) streams_per_address: usize,

    /// Web pages of these origins may read answers, such as `https://app.example`; `*` is every page
    ///
    /// May be given more than once, or as a list with commas. Without it browsers show answers to no
    /// page of another origin.
    #[arg(long, env = "DYNARUST_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) cors_origin: Vec<String>,

    /// How to log to standard error: text for people, or one JSON object a line for machines
    #[arg(long, env = "DYNARUST_LOG_FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// What to log, such as debug, or warn,dynarust_store=trace
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub(crate) log_filter: String,

    #[command(flatten, next_help_heading = "Cluster")]
    pub(crate) cluster: ClusterArguments,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Asks a running node whether it is ready: one line, and 0 where it is, else 1
    ///
    /// Without arguments it asks every node that runs in storage.db of the working directory, and all
    /// must be ready. A node says in the file ADDRESS of its folder where it listens.
    Health {
        /// Where to ask: host and port, such as 127.0.0.1:6660
        address: Option<String>,
        /// The folder of the node to ask, where no address is given
        #[arg(long, env = "DYNARUST_DATA_DIR", value_name = "FOLDER")]
        data_dir: Option<PathBuf>,
    },
    /// Lets a running node leave its cluster: it hands over what it holds, and ends
    ///
    /// CLUSTER_SECRET must be in the environment.
    Leave {
        /// The node that leaves: host and port; without it, the one that runs in storage.db
        address: Option<String>,
        /// The folder of the node, where no address is given
        #[arg(long, env = "DYNARUST_DATA_DIR", value_name = "FOLDER")]
        data_dir: Option<PathBuf>,
    },
    /// Takes a node that is down out of the cluster at once, for good
    ///
    /// It can come back only as a new one. CLUSTER_SECRET must be in the environment.
    Remove {
        /// The node's id, as /membership lists it
        node: String,
        /// The node to ask: host and port; without it, the one that runs in storage.db
        address: Option<String>,
        /// The folder of the node to ask, where no address is given
        #[arg(long, env = "DYNARUST_DATA_DIR", value_name = "FOLDER")]
        data_dir: Option<PathBuf>,
    },
    /// Checks the folder of a stopped node, byte for byte, and changes nothing
    ///
    /// The exit code is 0 where all is well, and 1 otherwise.
    Verify {
        /// The node's folder
        folder: PathBuf,
    },
    /// Makes the folder of a stopped node open again after damage to its journal
    ///
    /// Takes in what is sound, tells what is missing, and puts the damaged files aside.
    Salvage {
        /// The node's folder
        folder: PathBuf,
    },
    // Its help is on the arguments.
    Bench(BenchArguments),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityArgument {
    /// On stable storage: a power cut loses nothing
    Sync,
    /// In memory and in the journal's file: a power cut may lose the last --relaxed-flush-ms
    Relaxed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people, in colours on a terminal
    Text,
    /// One JSON object a line
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
