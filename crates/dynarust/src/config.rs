//! The one validated configuration. The rest of the program sees only this.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dynarust_core::limits::{TOMBSTONE_AGE_SECONDS_CEILING, VALUE_BYTES_CEILING};
use dynarust_core::time_span;
use dynarust_http::CorsOrigins;
use dynarust_store::Durability;
use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, DurabilityArgument, LogFormat};
use crate::byte_count::ByteCount;
use crate::usage::UsageError;

/// The folder beside which nodes without `--data-dir` keep theirs, by port.
pub(crate) const DEFAULT_DATA_DIR: &str = "storage.db";

/// All that a node needs to start.
#[derive(Debug)]
pub(crate) struct Config {
    /// Host and port to listen on.
    pub(crate) listen: String,
    /// Host and port that others are told; without it, where the node listens.
    pub(crate) advertise: Option<String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) cache_bytes: u64,
    pub(crate) value_bytes_max: usize,
    pub(crate) durability: Durability,
    /// The origins whose web pages may read answers.
    pub(crate) cors: CorsOrigins,
    pub(crate) relaxed_flush: Duration,
    pub(crate) apply_interval: Duration,
    pub(crate) tombstone_age: Duration,
    pub(crate) log_format: LogFormat,
    pub(crate) log_filter: EnvFilter,
}

impl TryFrom<Arguments> for Config {
    type Error = UsageError;

    fn try_from(arguments: Arguments) -> Result<Self, UsageError> {
        let listen = arguments.listen_address.unwrap_or_default();
        let port = port("LISTEN_ADDRESS", &listen)?;
        // Empty is unset, as it is easily made in an environment.
        if let Some(join) = arguments.join_address.filter(|it| !it.is_empty()) {
            return Err(UsageError(format!(
                "cannot join {join}: nodes cannot join yet in this release, so start this one \
                 without JOIN_ADDRESS"
            )));
        }
        if let Some(advertise) = &arguments.advertise {
            self::port("--advertise", advertise)?;
        }
        Ok(Self {
            listen,
            advertise: arguments.advertise,
            data_dir: data_dir(arguments.data_dir, port)?,
            cache_bytes: arguments.cache_bytes.0,
            value_bytes_max: value_bytes_max(arguments.max_value_bytes)?,
            durability: match arguments.durability {
                DurabilityArgument::Sync => Durability::Sync,
                DurabilityArgument::Relaxed => Durability::Relaxed,
            },
            cors: cors(&arguments.cors_origin)?,
            relaxed_flush: Duration::from_millis(arguments.relaxed_flush_ms),
            apply_interval: Duration::from_millis(arguments.apply_interval),
            tombstone_age: tombstone_age(&arguments.tombstone_age)?,
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

    fn config(words: &[&str]) -> Result<Config, UsageError> {
        let words = ["DynaRust"].iter().chain(words);
        Config::try_from(Arguments::try_parse_from(words).unwrap())
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
    fn what_makes_no_sense_is_refused() {
        let cases: [&[&str]; 14] = [
            &["127.0.0.1"],
            &["127.0.0.1:99999"],
            &[":6660"],
            &["::1:6660"],
            &["http://localhost:6660"],
            &["127.0.0.1:0"],
            &["127.0.0.1:1", "127.0.0.1:2"],
            &["127.0.0.1:1", "--max-value-bytes=17M"],
            &["127.0.0.1:1", "--advertise=here"],
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
