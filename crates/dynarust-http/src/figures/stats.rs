//! `GET /stats`: the node in numbers, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::STATS_TABLES_MAX;
use dynarust_core::{TableName, UnixMillis};
use dynarust_node::NodeStats;
use dynarust_node::streams::StreamFigures;
use dynarust_store::{StoreStats, TableCount};
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
    tables: TablesText,
    connections: ConnectionsText,
    requests: RequestsText,
    streams: StreamsText,
    store: StoreText,
    replication: ReplicationText,
    repair: RepairText,
    catch_up: CatchUpText,
    mesh: MeshText,
    moves: MovesText,
    leaving: LeavingText,
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
    /// How many times the data folder was started.
    incarnation: u64,
}

/// What the tables hold, in the order of their names: as it was some moments ago.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TablesText {
    /// By table; those that hold nothing are left out.
    counts: BTreeMap<String, TableText>,
    /// There are more: give this as `tables_after` for the next of them.
    next: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TableText {
    keys: u64,
    /// Bytes of keys and values.
    bytes: u64,
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

/// All but those of the present count since the node started.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StreamsText {
    /// Live streams at present.
    open: usize,
    /// Publications that were not handed to the live streams yet.
    behind: u64,
    /// Bytes that wait for slow readers at present.
    queue_bytes: usize,
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

/// What the node remembers. Records and bytes in the base are as of some moments ago.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StoreText {
    live_records: u64,
    /// Bytes of their keys and values.
    live_bytes: u64,
    tombstones: u64,
    /// Records whose time is over, and that were not taken away yet.
    expired: u64,
    /// Writes with an idempotency key that are remembered.
    answers: u64,
    /// The newest seq: how many records the folder has taken in.
    head: u64,
    /// The seq up to which everything is in the base.
    applied: u64,
    /// Bytes of memory that hold what is not in the base yet.
    recent_bytes: u64,
    /// Segments of the journal that wait for the base.
    segments_waiting: u64,
    /// Bytes of the base's file.
    base_bytes: u64,
    /// Group commits since the start, and the records in them.
    groups: u64,
    group_records: u64,
    overwritten_writes: u64,
    /// Syncs of the journal since the start.
    syncs: u64,
    /// Transactions that brought records into the base, since the start.
    applies: u64,
    /// How long the last of them took.
    last_apply_seconds: f64,
    cache: CacheText,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CacheText {
    records: u64,
    bytes: u64,
    /// Reads that found their record in the cache, since the start.
    hits: u64,
    misses: u64,
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
    /// Members whose feed this node has not read to its end yet, those that are down among them.
    feeds_behind: u64,
    records_received: u64,
    /// Bytes of copies, catching up and comparing, both ways, before they were compressed.
    background_bytes: u64,
    /// How long those were put off for the sake of clients, all added up.
    background_waited_seconds: f64,
}

/// What went over the connections to other nodes, both ways, since the node started. A node alone has none.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MeshText {
    data_sent_bytes: u64,
    data_received_bytes: u64,
    /// What moves much has connections of its own: copies, catching up, comparisons, lists.
    bulk_sent_bytes: u64,
    bulk_received_bytes: u64,
}

/// Copies that others own now. A node alone has none.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MovesText {
    partitions_surplus: u64,
    partitions_dropping: u64,
    records_dropped: u64,
}

/// What a node that leaves has to do still. Zero for any other.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LeavingText {
    partitions_waiting: u64,
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
    let mut query = Query::parse(uri.query())?;
    let after = query.take("tables_after")?.map(|name| TableName::parse(&name)).transpose()?;
    query.finish()?;
    let tables = TablesText::read(&backend, after).await?;
    let process = Process::read().await;
    let node = backend.node.stats();
    let text = StatsText {
        node: NodeText::of(&backend, &node),
        tables,
        connections: ConnectionsText::of(&backend.door.now()),
        requests: RequestsText::of(&backend.counts),
        streams: StreamsText::of(&node.streams),
        store: StoreText::of(&node.store),
        replication: ReplicationText {
            lag_records: node.cluster.lag_records,
            lag_seconds: node.cluster.lag.as_secs_f64(),
        },
        repair: RepairText {
            partitions_compared: node.cluster.partitions_compared,
            records_sent: node.cluster.records_repaired,
            records_received: node.cluster.repair_records_received,
        },
        catch_up: CatchUpText {
            partitions_waiting: node.cluster.partitions_waiting,
            feeds_behind: node.cluster.feeds_behind,
            records_received: node.cluster.catch_up_records_received,
            background_bytes: node.cluster.background_bytes,
            background_waited_seconds: seconds(node.cluster.background_waited),
        },
        mesh: MeshText {
            data_sent_bytes: node.cluster.data_traffic.sent_bytes,
            data_received_bytes: node.cluster.data_traffic.received_bytes,
            bulk_sent_bytes: node.cluster.bulk_traffic.sent_bytes,
            bulk_received_bytes: node.cluster.bulk_traffic.received_bytes,
        },
        moves: MovesText {
            partitions_surplus: node.cluster.partitions_surplus,
            partitions_dropping: node.cluster.partitions_dropping,
            records_dropped: node.cluster.records_dropped,
        },
        leaving: LeavingText { partitions_waiting: node.cluster.partitions_to_hand_over },
        process: ProcessText {
            cpu_seconds: process.cpu_seconds,
            resident_bytes: process.resident_bytes,
            threads: process.threads,
            open_files: process.open_files,
        },
        limits: limits(&backend).into_iter().collect(),
    };
    Ok(answer::json_of(StatusCode::OK, &text))
}

impl NodeText {
    fn of(backend: &Backend, node: &NodeStats) -> Self {
        Self {
            id: node.id.to_string(),
            address: node.address.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started: backend.started,
            uptime_seconds: backend.node.now().saturating_sub(backend.started) / 1000,
            incarnation: node.store.incarnation,
        }
    }
}

impl TablesText {
    async fn read(backend: &Backend, after: Option<TableName>) -> Result<Self, Problem> {
        let counts = backend.node.table_counts(after, STATS_TABLES_MAX).await?;
        let full = counts.len() == STATS_TABLES_MAX;
        let next = counts.last().filter(|_| full).map(|last| last.table.to_string());
        let text = |count: TableCount| {
            (count.table.to_string(), TableText { keys: count.records, bytes: count.bytes })
        };
        Ok(Self { counts: counts.into_iter().map(text).collect(), next })
    }
}

impl StoreText {
    fn of(stats: &StoreStats) -> Self {
        Self {
            live_records: stats.live_records,
            live_bytes: stats.live_bytes,
            tombstones: stats.tombstones,
            expired: stats.expired,
            answers: stats.answers,
            head: stats.head_seq,
            applied: stats.applied_seq,
            recent_bytes: stats.recent_bytes,
            segments_waiting: stats.segments_waiting,
            base_bytes: stats.base_bytes,
            groups: stats.groups,
            group_records: stats.group_records,
            overwritten_writes: stats.overwritten_writes,
            syncs: stats.syncs,
            applies: stats.applies,
            last_apply_seconds: seconds(stats.last_apply),
            cache: CacheText {
                records: stats.cache_records,
                bytes: stats.cache_bytes,
                hits: stats.cache_hits,
                misses: stats.cache_misses,
            },
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
            queue_bytes: figures.queue_bytes,
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
