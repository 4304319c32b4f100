//! `GET /stats`: the node in numbers, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::UnixMillis;
use dynarust_node::streams::StreamFigures;
use http::{Response, StatusCode, Uri};
use serde::Serialize;

use super::limits::limits;
use super::process::Process;
use crate::answer;
use crate::backend::Backend;
use crate::counts::{Counts, OperationFigures};
use crate::door_counts::DoorFigures;
use crate::problem::Problem;
use crate::query::Query;
use crate::response_body::Body;

/// All of it. Members may be added; none goes away.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StatsText {
    node: NodeText,
    connections: ConnectionsText,
    requests: RequestsText,
    streams: StreamsText,
    replication: ReplicationText,
    repair: RepairText,
    catch_up: CatchUpText,
    process: ProcessText,
    limits: BTreeMap<String, u64>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NodeText {
    id: String,
    address: String,
    version: &'static str,
    /// Unix milliseconds.
    started: UnixMillis,
    uptime_seconds: u64,
    /// The newest seq: how many records the data folder has taken in.
    head: u64,
}

/// All but `open` and `held_heads_bytes` count since the node started.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ConnectionsText {
    open: u64,
    accepted: u64,
    /// Answered 503, since there were too many.
    turned_away: u64,
    /// Closed for a request that breaks the rules of HTTP/1.
    malformed: u64,
    /// Cut since the client sent or took nothing for too long.
    slow: u64,
    /// Closed since nothing was asked for too long.
    idle: u64,
    /// Bytes of requests' heads that have begun and are not whole.
    held_heads_bytes: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RequestsText {
    /// Requests that have no answer yet.
    in_progress: u64,
    operations: BTreeMap<&'static str, OperationText>,
    /// How often each problem was told, by code.
    problems: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OperationText {
    /// How many requests were answered, by class of status.
    answered: BTreeMap<&'static str, u64>,
    /// The client went away before there was an answer.
    abandoned: u64,
    latency_seconds: LatencyText,
}

/// From a request's head to its answer's head, since the node started. A quantile is at most an eighth
/// too high.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LatencyText {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

/// All but `open` and `behind` count since the node started.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StreamsText {
    /// Live streams at present.
    open: usize,
    /// Publications that were not handed to the live streams yet.
    behind: u64,
    begun: u64,
    /// Did not begin, since there were too many.
    refused: u64,
    /// Went on behind an id.
    resumed: u64,
    reset: u64,
    lagged: u64,
    events: u64,
    /// Older values of a key that were left out for slow readers.
    merged: u64,
}

/// How far other owners are behind. A node alone has none.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ReplicationText {
    lag_records: u64,
    lag_seconds: f64,
}

/// What was compared with other owners. A node alone has none.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RepairText {
    partitions_compared: u64,
    records_sent: u64,
    records_received: u64,
}

/// What this node takes in to become as new as other owners. A node alone has none.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CatchUpText {
    partitions_waiting: u64,
    records_received: u64,
}

/// What the kernel tells; `null` where it does not.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProcessText {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<u64>,
    threads: Option<u64>,
    open_files: Option<u64>,
}

pub(crate) async fn stats(backend: Arc<Backend>, uri: Uri) -> Result<Response<Body>, Problem> {
    Query::parse(uri.query())?.finish()?;
    let process = Process::read().await;
    let text = StatsText {
        node: NodeText::of(&backend),
        connections: ConnectionsText::of(&backend.door.now()),
        requests: RequestsText::of(&backend.counts),
        streams: StreamsText::of(&backend.node.stats().streams),
        replication: ReplicationText { lag_records: 0, lag_seconds: 0.0 },
        repair: RepairText { partitions_compared: 0, records_sent: 0, records_received: 0 },
        catch_up: CatchUpText { partitions_waiting: 0, records_received: 0 },
        process: ProcessText {
            cpu_seconds: process.cpu_seconds,
            resident_bytes: process.resident_bytes,
            threads: process.threads,
            open_files: process.open_files,
        },
        limits: limits(&backend.config).into_iter().collect(),
    };
    Ok(answer::json_of(StatusCode::OK, &text))
}

impl NodeText {
    fn of(backend: &Backend) -> Self {
        let stats = backend.node.stats();
        Self {
            id: stats.id.to_string(),
            address: stats.address,
            version: env!("CARGO_PKG_VERSION"),
            started: backend.started,
            uptime_seconds: backend.node.now().saturating_sub(backend.started) / 1000,
            head: stats.head,
        }
    }
}

impl ConnectionsText {
    fn of(door: &DoorFigures) -> Self {
        Self {
            open: door.open,
            accepted: door.accepted,
            turned_away: door.turned_away,
            malformed: door.malformed,
            slow: door.slow,
            idle: door.idle,
            held_heads_bytes: door.held_bytes,
        }
    }
}

impl RequestsText {
    fn of(counts: &Counts) -> Self {
        let operations = counts.operations();
        Self {
            in_progress: counts.in_progress(),
            operations: operations
                .map(|it| (it.operation.name(), OperationText::of(&it)))
                .collect(),
            problems: counts.problems().map(|(code, count)| (code.row().1, count)).collect(),
        }
    }
}

impl OperationText {
    fn of(figures: &OperationFigures) -> Self {
        let quantile = |share| seconds(figures.latencies.quantile(share));
        Self {
            answered: figures.statuses.into_iter().collect(),
            abandoned: figures.abandoned,
            latency_seconds: LatencyText {
                p50: quantile(0.5),
                p90: quantile(0.9),
                p99: quantile(0.99),
                max: seconds(figures.latencies.max),
            },
        }
    }
}

impl StreamsText {
    fn of(figures: &StreamFigures) -> Self {
        Self {
            open: figures.open,
            behind: figures.behind,
            begun: figures.begun,
            refused: figures.refused,
            resumed: figures.resumed,
            reset: figures.reset,
            lagged: figures.lagged,
            events: figures.events,
            merged: figures.merged,
        }
    }
}

/// To the microsecond, which is as exact as they are.
fn seconds(duration: Duration) -> f64 {
    Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)).as_secs_f64()
}
