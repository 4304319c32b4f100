//! What the command line and the environment say of the cluster, and what it means.
//!
//! The secret comes from the environment alone: arguments are seen by every user of the machine.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use dynarust_core::limits::{
    BACKGROUND_BYTES_PER_SECOND_DEFAULT, BACKGROUND_BYTES_PER_SECOND_MIN, DROP_AFTER_SECONDS_MAX,
    EVICT_AFTER_SECONDS_MAX, EVICT_AFTER_SECONDS_MIN, REJOIN_SECONDS_DEFAULT, REPLICATION_DEFAULT,
    REPLICATION_MAX, SECRET_BYTES_MIN, WEIGHT_DEFAULT, WEIGHT_MAX, ZONE_BYTES_MAX,
};
use dynarust_core::time_span;
use dynarust_node::{ClusterConfig, Secret};

use crate::byte_count::ByteCount;
use crate::config;
use crate::usage::UsageError;

/// Where the secret stands.
pub(crate) const SECRET: &str = "CLUSTER_SECRET";

#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// The address under which others reach this node, where it is not the one it listens on
    #[arg(long, env = "DYNARUST_ADVERTISE", value_name = "ADDRESS")]
    pub(crate) advertise: Option<String>,

    /// How many nodes hold each record (1 to 7); the same on all nodes
    ///
    /// More: more nodes may be lost at a time. Less: less disk, and fewer nodes that a write waits for.
    #[arg(
        long,
        env = "DYNARUST_REPLICATION",
        value_name = "NODES",
        default_value_t = REPLICATION_DEFAULT,
        value_parser = clap::value_parser!(u8).range(1..=i64::from(REPLICATION_MAX))
    )]
    pub(crate) replication: u8,

    /// What may fail as a whole with this node, such as a rack or a building; copies are spread over zones
    #[arg(long, env = "DYNARUST_ZONE", value_name = "NAME")]
    pub(crate) zone: Option<String>,

    /// How much of the data this node takes, against the others (1 to 10000)
    ///
    /// More: more disk, more memory and more requests here.
    #[arg(
        long,
        env = "DYNARUST_WEIGHT",
        value_name = "WEIGHT",
        default_value_t = WEIGHT_DEFAULT,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(WEIGHT_MAX))
    )]
    pub(crate) weight: u16,

    /// SIGTERM and Ctrl-C mean to leave the cluster: what this node holds is handed over before it ends
    ///
    /// Without it they are a restart: others wait for the node to come back.
    #[arg(
        long,
        env = "DYNARUST_LEAVE_ON_TERM",
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    pub(crate) leave_on_term: bool,

    /// How long a node may be down before the others copy what it held, such as 10m (10s to 7d)
    ///
    /// More: less is copied for a node that comes back. Less: records have all their copies again sooner.
    #[arg(long, env = "DYNARUST_EVICT_AFTER", value_name = "TIME", default_value = "10m")]
    pub(crate) evict_after: String,

    /// How long nobody must have come or gone before a node drops its copies of what others own now, such as
    /// 1m (1s to 7d)
    ///
    /// More: less is copied back where nodes come and go. Less: disks are freed sooner.
    #[arg(long, env = "DYNARUST_DROP_AFTER", value_name = "TIME", default_value = "1m")]
    pub(crate) drop_after: String,

    /// How long an evicted node may have been away and keep its records, such as 12h (0s to 30d)
    ///
    /// Less than --tombstone-age, or deleted records could come back: without it 12h, or half of
    /// --tombstone-age where that is less. Less: more is copied when a node comes back late, and it comes
    /// back empty; 0s: always.
    #[arg(long, env = "DYNARUST_REJOIN_MAX", value_name = "TIME")]
    pub(crate) rejoin_max: Option<String>,

    /// Bytes a second of copies for new nodes, catching up and comparing, while clients are served (at least 64K)
    ///
    /// More: a new node serves sooner. Less: clients notice less of it.
    #[arg(
        long,
        env = "DYNARUST_BACKGROUND_BYTES",
        value_name = "SIZE",
        default_value_t = ByteCount(BACKGROUND_BYTES_PER_SECOND_DEFAULT)
    )]
    pub(crate) background_bytes: ByteCount,
}

/// What all of it comes to. Where the node listens is not known yet.
///
/// # Errors
/// [`UsageError`].
pub(crate) fn cluster_config(
    arguments: ClusterArguments,
    join: Option<String>,
    secret: Option<OsString>,
    tombstone_age: Duration,
) -> Result<ClusterConfig, UsageError> {
    let secret = self::secret(secret)?;
    // Empty is unset, as it is easily made in an environment.
    let join = join.filter(|it| !it.is_empty());
    if let Some(join) = &join {
        config::port("JOIN_ADDRESS", join)?;
        if secret.is_none() {
            return Err(UsageError(format!(
                "cannot join {join} without the secret of its cluster: set {SECRET}"
            )));
        }
    }
    if let Some(advertise) = &arguments.advertise {
        config::port("--advertise", advertise)?;
    }
    Ok(ClusterConfig {
        secret,
        join,
        advertise: arguments.advertise,
        replication: arguments.replication,
        zone: arguments.zone.filter(|it| !it.is_empty()).map(zone).transpose()?,
        weight: arguments.weight,
        evict_after: evict_after(&arguments.evict_after)?,
        drop_after: drop_after(&arguments.drop_after)?,
        rejoin_max: rejoin_max(arguments.rejoin_max.as_deref(), tombstone_age)?,
        background_bytes_per_second: background_bytes(arguments.background_bytes)?,
        ..ClusterConfig::default()
    })
}

/// The secret, where it is set. What it says is in no message.
///
/// # Errors
/// [`UsageError`].
pub(crate) fn secret(given: Option<OsString>) -> Result<Option<Secret>, UsageError> {
    let Some(given) = given.filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    let Some(text) = given.to_str() else {
        return Err(UsageError(format!("{SECRET} is no UTF-8")));
    };
    if text.len() < SECRET_BYTES_MIN {
        return Err(UsageError(format!(
            "{SECRET} takes {SECRET_BYTES_MIN} bytes or more: make one with `openssl rand -hex 32`"
        )));
    }
    Ok(Some(Secret::new(text)))
}

fn zone(name: String) -> Result<std::sync::Arc<str>, UsageError> {
    let fits = name.len() <= ZONE_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        return Err(UsageError(format!(
            "--zone takes 1 to {ZONE_BYTES_MAX} visible characters of ASCII, not `{}`",
            name.escape_debug()
        )));
    }
    Ok(name.into())
}

fn evict_after(given: &str) -> Result<Duration, UsageError> {
    let bounds = EVICT_AFTER_SECONDS_MIN..=EVICT_AFTER_SECONDS_MAX;
    span_within(bounds, given).ok_or_else(|| {
        UsageError(format!(
            "--evict-after takes 10s to 7d, such as 10m, not `{}`",
            given.escape_debug()
        ))
    })
}

fn drop_after(given: &str) -> Result<Duration, UsageError> {
    span_within(1..=DROP_AFTER_SECONDS_MAX, given).ok_or_else(|| {
        UsageError(format!(
            "--drop-after takes 1s to 7d, such as 1m, not `{}`",
            given.escape_debug()
        ))
    })
}

fn span_within(bounds: RangeInclusive<u64>, given: &str) -> Option<Duration> {
    time_span::seconds(given).filter(|it| bounds.contains(it)).map(Duration::from_secs)
}

fn background_bytes(given: ByteCount) -> Result<u64, UsageError> {
    if given.0 < BACKGROUND_BYTES_PER_SECOND_MIN {
        let least = ByteCount(BACKGROUND_BYTES_PER_SECOND_MIN);
        return Err(UsageError(format!("--background-bytes takes {least} or more, not {given}")));
    }
    Ok(given.0)
}

fn rejoin_max(given: Option<&str>, tombstone_age: Duration) -> Result<Duration, UsageError> {
    let Some(given) = given else {
        return Ok((tombstone_age / 2).min(Duration::from_secs(REJOIN_SECONDS_DEFAULT)));
    };
    let span = time_span::seconds(given).map(Duration::from_secs);
    span.filter(|it| *it < tombstone_age).ok_or_else(|| {
        UsageError(format!(
            "--rejoin-max takes a time such as 12h that is less than --tombstone-age, not `{}`",
            given.escape_debug()
        ))
    })
}
