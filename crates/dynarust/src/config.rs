//! The one validated configuration. The rest of the program sees only this.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dynarust_core::limits::{
    STREAM_QUEUE_BYTES_CEILING, STREAM_QUEUE_BYTES_FLOOR, TOMBSTONE_AGE_SECONDS_CEILING,
    VALUE_BYTES_CEILING,
};
use dynarust_core::time_span;
use dynarust_http::CorsOrigins;
use dynarust_node::ClusterConfig;
use dynarust_store::Durability;
use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, DurabilityArgument, LogFormat};
use crate::byte_count::ByteCount;
use crate::cluster_arguments::cluster_config;
use crate::usage::UsageError;

/// The folder beside which nodes without `--data-dir` keep theirs, by port.
pub(crate) const DEFAULT_DATA_DIR: &str = "storage.db";

/// All that a node needs to start.
#[derive(Debug)]
pub(crate) struct Config {
    /// Host and port to listen on.
    pub(crate) listen: String,
    /// Where the node listens is not in it yet.
    pub(crate) cluster: ClusterConfig,
    /// A signal means to leave the cluster, before the node ends.
    pub(crate) leave_on_term: bool,
    pub(crate) data_dir: PathBuf,
    pub(crate) cache_bytes: u64,
    pub(crate) value_bytes_max: usize,
    pub(crate) durability: Durability,
    pub(crate) stream_queue_bytes: usize,
    pub(crate) streams_per_address: usize,
    /// The origins whose web pages may read answers.
    pub(crate) cors: CorsOrigins,
    pub(crate) relaxed_flush: Duration,
    pub(crate) apply_interval: Duration,
    pub(crate) tombstone_age: Duration,
    pub(crate) log_format: LogFormat,
    pub(crate) log_filter: EnvFilter,
}

impl Config {
    /// Makes sense of the arguments and of the secret, as it stands in the environment.
    ///
    /// # Errors
    /// [`UsageError`].
    pub(crate) fn new(arguments: Arguments, secret: Option<OsString>) -> Result<Self, UsageError> {
        let listen = arguments.listen_address.unwrap_or_default();
        let port = port("LISTEN_ADDRESS", &listen)?;
        let tombstone_age = tombstone_age(&arguments.tombstone_age)?;
        let leave_on_term = arguments.cluster.leave_on_term;
        let cluster =
            cluster_config(arguments.cluster, arguments.join_address, secret, tombstone_age)?;
        Ok(Self {
            listen,
            cluster,
            leave_on_term,
            data_dir: data_dir(arguments.data_dir, port)?,
            cache_bytes: arguments.cache_bytes.0,
            value_bytes_max: value_bytes_max(arguments.max_value_bytes)?,
            durability: match arguments.durability {
                DurabilityArgument::Sync => Durability::Sync,
                DurabilityArgument::Relaxed => Durability::Relaxed,
            },
            stream_queue_bytes: stream_queue_bytes(arguments.stream_queue_bytes)?,
            streams_per_address: arguments.streams_per_address,
            cors: cors(&arguments.cors_origin)?,
            relaxed_flush: Duration::from_millis(arguments.relaxed_flush_ms),
            apply_interval: Duration::from_millis(arguments.apply_interval),
            tombstone_age,
            log_format: arguments.log_format,
            log_filter: log_filter(&arguments.log_filter)?,
        })
    }
}

/// The port of `host:port`.
pub(crate) fn port(what: &str, address: &str) -> Result<u16, UsageError> {
    let parts = address.rsplit_once(':').filter(|(host, _)| is_host(host));
    let port = parts.and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| {
        UsageError(format!(
            "{what} takes host and port, such as 127.0.0.1:6660, not `{}`",
            address.escape_debug()
        ))
    })
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    let bracketed = host.starts_with('[') && host.ends_with(']');
    !host.is_empty() && (bracketed || !host.contains([':', '/', ' ']))
}

/// The folder that was given, which must be named.
pub(crate) fn given_data_dir(folder: PathBuf) -> Result<PathBuf, UsageError> {
    if folder.as_os_str().is_empty() {
        return Err(UsageError("--data-dir takes a folder".to_owned()));
    }
    Ok(folder)
}

fn data_dir(given: Option<PathBuf>, port: u16) -> Result<PathBuf, UsageError> {
    match (given, port) {
        (Some(folder), _) => given_data_dir(folder),
        (None, 0) => Err(UsageError(
            "with port 0 the data need a folder of their own: give --data-dir".to_owned(),
        )),
        (None, port) => Ok(Path::new(DEFAULT_DATA_DIR).join(port.to_string())),
    }
}

fn value_bytes_max(given: ByteCount) -> Result<usize, UsageError> {
    let bytes = usize::try_from(given.0).unwrap_or(usize::MAX);
    if (1..=VALUE_BYTES_CEILING).contains(&bytes) {
        return Ok(bytes);
    }
    let ceiling = VALUE_BYTES_CEILING >> 20;
    Err(UsageError(format!("--max-value-bytes takes 1 to {ceiling}M")))
}

fn stream_queue_bytes(given: ByteCount) -> Result<usize, UsageError> {
    let bytes = usize::try_from(given.0).unwrap_or(usize::MAX);
    if (STREAM_QUEUE_BYTES_FLOOR..=STREAM_QUEUE_BYTES_CEILING).contains(&bytes) {
        return Ok(bytes);
    }
    let (floor, ceiling) = (STREAM_QUEUE_BYTES_FLOOR >> 10, STREAM_QUEUE_BYTES_CEILING >> 20);
    Err(UsageError(format!("--stream-queue-bytes takes {floor}K to {ceiling}M")))
}

fn tombstone_age(given: &str) -> Result<Duration, UsageError> {
    let seconds =
        time_span::seconds(given).filter(|it| (1..=TOMBSTONE_AGE_SECONDS_CEILING).contains(it));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        UsageError(format!(
            "--tombstone-age takes 1s to 30d, such as 15m or 24h, not `{}`",
            given.escape_debug()
        ))
    })
}

fn cors(given: &[String]) -> Result<CorsOrigins, UsageError> {
    CorsOrigins::parse(given.iter().map(String::as_str))
        .map_err(|error| UsageError(format!("--cors-origin: {error}")))
}

fn log_filter(given: &str) -> Result<EnvFilter, UsageError> {
    let filter = if given.is_empty() { "info" } else { given };
    EnvFilter::try_new(filter).map_err(|error| {
        UsageError(format!(
            "RUST_LOG takes a filter such as `info` or `debug,hyper=warn`, not `{}`: {error}",
            given.escape_debug()
        ))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use dynarust_core::limits::TOMBSTONE_AGE_SECONDS_DEFAULT;

    use super::*;

    const SECRET: &str = "a secret of 24 characters";

    fn with_secret(secret: Option<&str>, words: &[&str]) -> Result<Config, UsageError> {
        let words = ["DynaRust"].iter().chain(words);
        Config::new(Arguments::try_parse_from(words).unwrap(), secret.map(OsString::from))
    }

    fn config(words: &[&str]) -> Result<Config, UsageError> {
        with_secret(None, words)
    }

    #[test]
    fn the_folder_follows_the_port() {
        let folder = |words: &[&str]| config(words).unwrap().data_dir;
        assert_eq!(folder(&["127.0.0.1:6660"]), Path::new("storage.db/6660"));
        assert_eq!(folder(&["[::1]:6661"]), Path::new("storage.db/6661"));
        assert_eq!(folder(&["a:0", "--data-dir", "x"]), Path::new("x"));
    }

    #[test]
    fn tombstones_are_kept_for_a_day_unless_told() {
        let age = |words: &[&str]| config(words).unwrap().tombstone_age.as_secs();
        assert_eq!(age(&["127.0.0.1:1"]), TOMBSTONE_AGE_SECONDS_DEFAULT);
        assert_eq!(age(&["127.0.0.1:1", "--tombstone-age=90s"]), 90);
    }

    #[test]
    fn a_node_is_told_of_its_cluster() {
        let node = with_secret(Some(SECRET), &["127.0.0.1:1", "node.example:2"]).unwrap();
        assert_eq!(node.cluster.join.as_deref(), Some("node.example:2"));
        assert_eq!(node.cluster.secret.unwrap().as_bytes(), SECRET.as_bytes());
        assert_eq!((node.cluster.replication, node.leave_on_term), (3, false));
        assert_eq!(node.cluster.evict_after.as_secs(), 600);
        assert_eq!(node.cluster.rejoin_max.as_secs(), 12 * 60 * 60);
        let other =
            config(&["127.0.0.1:1", "--zone=eu-1", "--weight=7", "--leave-on-term"]).unwrap();
        assert_eq!((other.cluster.zone.as_deref(), other.cluster.weight), (Some("eu-1"), 7));
        assert!(other.leave_on_term);
    }

    #[test]
    fn no_secret_no_cluster() {
        for unset in [None, Some("")] {
            assert_eq!(with_secret(unset, &["127.0.0.1:1"]).unwrap().cluster.secret, None);
            let refused = with_secret(unset, &["127.0.0.1:1", "127.0.0.1:2"]).unwrap_err();
            assert!(refused.to_string().contains("set CLUSTER_SECRET"), "{refused}");
            // Empty is unset.
            assert!(with_secret(unset, &["127.0.0.1:1", ""]).is_ok());
        }
        let short = with_secret(Some("fifteen letters"), &["127.0.0.1:1"]).unwrap_err().to_string();
        assert!(short.contains("16 bytes") && !short.contains("fifteen letters"), "{short}");
        let shown = format!("{:?}", with_secret(Some(SECRET), &["127.0.0.1:1"]).unwrap());
        assert!(!shown.contains(SECRET), "{shown}");
    }

    #[test]
    fn records_are_not_kept_longer_than_deletes() {
        let rejoin = |words: &[&str]| {
            config(&[&["127.0.0.1:1"], words].concat()).map(|it| it.cluster.rejoin_max.as_secs())
        };
        assert_eq!(rejoin(&["--tombstone-age=90s"]).unwrap(), 45);
        assert_eq!(rejoin(&["--rejoin-max=23h"]).unwrap(), 23 * 60 * 60);
        assert!(rejoin(&["--rejoin-max=24h"]).is_err());
        assert_eq!(rejoin(&["--rejoin-max=0s"]).unwrap(), 0);
        assert!(rejoin(&["--rejoin-max=91s", "--tombstone-age=90s"]).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let cases: [&[&str]; 23] = [
            &["127.0.0.1"],
            &["127.0.0.1:99999"],
            &[":6660"],
            &["::1:6660"],
            &["http://localhost:6660"],
            &["127.0.0.1:0"],
            &["127.0.0.1:1", "127.0.0.1:2"],
            &["127.0.0.1:1", "--max-value-bytes=17M"],
            &["127.0.0.1:1", "--stream-queue-bytes=63K"],
            &["127.0.0.1:1", "--stream-queue-bytes=65M"],
            &["127.0.0.1:1", "--advertise=here"],
            &["127.0.0.1:1", "--zone=a b"],
            &["127.0.0.1:1", "--evict-after=9s"],
            &["127.0.0.1:1", "--evict-after=8d"],
            &["127.0.0.1:1", "--drop-after=0s"],
            &["127.0.0.1:1", "--drop-after=8d"],
            &["127.0.0.1:1", "--background-bytes=1K"],
            &["127.0.0.1:1", "--rejoin-max=soon"],
            &["127.0.0.1:1", "--cors-origin=app.example"],
            &["127.0.0.1:1", "--tombstone-age=31d"],
            &["127.0.0.1:1", "--tombstone-age=0s"],
            &["127.0.0.1:1", "--tombstone-age=24"],
            &["127.0.0.1:1", "--log-filter=a=b=c"],
        ];
        for words in cases {
            assert!(config(words).is_err(), "{words:?}");
        }
    }
}
