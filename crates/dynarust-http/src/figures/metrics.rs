//! `GET /metrics`: the node in Prometheus' text format.
//!
//! Names follow its conventions: base units, `_total` for what only rises. A name that was released
//! keeps its meaning.

use std::sync::Arc;

use dynarust_core::UnixMillis;
use dynarust_node::ClusterStats;
use dynarust_node::streams::StreamFigures;
use dynarust_store::StoreStats;
use http::{HeaderValue, Response, StatusCode, Uri};

use super::exposition::{Exposition, Kind};
use super::limits::limits;
use super::process::Process;
use crate::answer;
use crate::backend::Backend;
use crate::counts::Counts;
use crate::door_counts::DoorFigures;
use crate::problem::Problem;
use crate::query::Query;
use crate::response_body::Body;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

pub(crate) async fn metrics(backend: Arc<Backend>, uri: Uri) -> Result<Response<Body>, Problem> {
    Query::parse(uri.query())?.finish()?;
    let process = Process::read().await;
    let mut exposition = Exposition::default();
    push_node(&mut exposition, &backend);
    push_connections(&mut exposition, &backend.door.now());
    push_requests(&mut exposition, &backend.counts);
    let node = backend.node.stats();
    push_streams(&mut exposition, &node.streams);
    push_store(&mut exposition, &node.store);
    push_cluster(&mut exposition, &node.cluster);
    push_process(&mut exposition, &process);
    push_limits(&mut exposition, &backend);
    let text = exposition.into_text();
    Ok(answer::with_body(StatusCode::OK, TEXT, Body::Whole(text.into())))
}

fn push_node(to: &mut Exposition, backend: &Backend) {
    let stats = backend.node.stats();
    to.family("dynarust_build_info", Kind::Gauge, "The program and the node, as labels.")
        .sample(&[("version", env!("CARGO_PKG_VERSION")), ("node", &stats.id.to_string())], 1);
    to.single(
        "dynarust_ready",
        Kind::Gauge,
        "1 while the node answers for its keys, as /readyz tells.",
        u8::from(backend.node.readiness().is_well()),
    );
    to.single(
        "process_start_time_seconds",
        Kind::Gauge,
        "When the node started, in Unix time.",
        seconds(backend.started),
    );
}

/// A moment in Unix time.
fn seconds(millis: UnixMillis) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn push_connections(to: &mut Exposition, door: &DoorFigures) {
    to.single("dynarust_connections_open", Kind::Gauge, "Connections at present.", door.open);
    let help = "Bytes of requests' heads that have begun and are not whole.";
    to.single("dynarust_held_heads_bytes", Kind::Gauge, help, door.held_bytes);
    let counters = [
        ("dynarust_connections_accepted_total", "Connections that were taken.", door.accepted),
        (
            "dynarust_connections_turned_away_total",
            "Connections that were answered 503, since there were too many.",
            door.turned_away,
        ),
        (
            "dynarust_connections_malformed_total",
            "Connections that were closed for a request that breaks the rules of HTTP/1.",
            door.malformed,
        ),
        (
            "dynarust_connections_slow_total",
            "Connections that were cut since the client sent or took nothing for too long.",
            door.slow,
        ),
        (
            "dynarust_connections_idle_total",
            "Connections that were closed since nothing was asked for too long.",
            door.idle,
        ),
    ];
    for (name, help, count) in counters {
        to.single(name, Kind::Counter, help, count);
    }
}

fn push_requests(to: &mut Exposition, counts: &Counts) {
    to.family(
        "dynarust_http_requests_total",
        Kind::Counter,
        "Requests that were answered, by operation and class of status.",
    );
    for figures in counts.operations() {
        for (status, count) in figures.statuses {
            to.sample(&[("operation", figures.operation.name()), ("status", status)], count);
        }
    }
    to.family(
        "dynarust_http_requests_abandoned_total",
        Kind::Counter,
        "Requests whose client went away before there was an answer.",
    );
    for figures in counts.operations() {
        to.sample(&[("operation", figures.operation.name())], figures.abandoned);
    }
    to.family(
        "dynarust_http_request_duration_seconds",
        Kind::Histogram,
        "From a request's head to its answer's head.",
    );
    for figures in counts.operations() {
        to.histogram(&[("operation", figures.operation.name())], &figures.latencies);
    }
    to.single(
        "dynarust_http_requests_in_progress",
        Kind::Gauge,
        "Requests that have no answer yet.",
        counts.in_progress(),
    );
    to.family(
        "dynarust_http_problems_total",
        Kind::Counter,
        "Answers that told of an error, by code.",
    );
    for (code, count) in counts.problems() {
        to.sample(&[("code", code.row().1)], count);
    }
}

fn push_streams(to: &mut Exposition, streams: &StreamFigures) {
    to.single("dynarust_streams_open", Kind::Gauge, "Live streams at present.", streams.open);
    to.single(
        "dynarust_streams_behind",
        Kind::Gauge,
        "Publications that were not handed to the live streams yet.",
        streams.behind,
    );
    to.single(
        "dynarust_streams_queue_bytes",
        Kind::Gauge,
        "Bytes that wait for slow readers at present.",
        streams.queue_bytes,
    );
    let counters = [
        ("dynarust_streams_begun_total", "Live streams that began.", streams.begun),
        (
            "dynarust_streams_refused_total",
            "Live streams that did not begin, since there were too many.",
            streams.refused,
        ),
        (
            "dynarust_streams_resumed_total",
            "Live streams that went on behind an id.",
            streams.resumed,
        ),
        ("dynarust_streams_reset_total", "Times that a reader was told `reset`.", streams.reset),
        (
            "dynarust_streams_lagged_total",
            "Readers that were cut, since they were too slow.",
            streams.lagged,
        ),
        ("dynarust_stream_events_total", "Events that were handed to readers.", streams.events),
        (
            "dynarust_stream_merged_total",
            "Older values of a key that were left out for slow readers.",
            streams.merged,
        ),
    ];
    for (name, help, count) in counters {
        to.single(name, Kind::Counter, help, count);
    }
}

fn push_store(to: &mut Exposition, store: &StoreStats) {
    let gauges = [
        (
            "dynarust_store_live_records",
            "Records in the base that hold a value.",
            store.live_records,
        ),
        ("dynarust_store_live_bytes", "Bytes of their keys and values.", store.live_bytes),
        ("dynarust_store_tombstones", "Tombstones in the base.", store.tombstones),
        (
            "dynarust_store_expired_records",
            "Expired records that are still in the base.",
            store.expired,
        ),
        (
            "dynarust_store_answers",
            "Writes with an idempotency key that are remembered.",
            store.answers,
        ),
        ("dynarust_store_head_seq", "How many records the folder has taken in.", store.head_seq),
        (
            "dynarust_store_applied_seq",
            "The seq up to which everything is in the base.",
            store.applied_seq,
        ),
        (
            "dynarust_store_recent_bytes",
            "Bytes of memory that hold what is not in the base yet.",
            store.recent_bytes,
        ),
        (
            "dynarust_store_segments_waiting",
            "Segments of the journal that wait for the base.",
            store.segments_waiting,
        ),
        ("dynarust_store_base_bytes", "Bytes of the base's file.", store.base_bytes),
        ("dynarust_store_cache_records", "Records in the record cache.", store.cache_records),
        ("dynarust_store_cache_bytes", "Bytes in the record cache.", store.cache_bytes),
    ];
    for (name, help, value) in gauges {
        to.single(name, Kind::Gauge, help, value);
    }
    let counters = [
        ("dynarust_store_groups_total", "Group commits.", store.groups),
        ("dynarust_store_group_records_total", "Records in group commits.", store.group_records),
        (
            "dynarust_store_overwritten_writes_total",
            "Writes that a concurrent one on another node has overwritten.",
            store.overwritten_writes,
        ),
        ("dynarust_store_syncs_total", "Syncs of the journal.", store.syncs),
        (
            "dynarust_store_applies_total",
            "Transactions that brought records into the base.",
            store.applies,
        ),
        (
            "dynarust_store_cache_hits_total",
            "Reads that found their record in the cache.",
            store.cache_hits,
        ),
        ("dynarust_store_cache_misses_total", "Reads that did not.", store.cache_misses),
    ];
    for (name, help, value) in counters {
        to.single(name, Kind::Counter, help, value);
    }
    to.single(
        "dynarust_store_last_apply_seconds",
        Kind::Gauge,
        "How long the last transaction took that brought records into the base.",
        store.last_apply.as_secs_f64(),
    );
    to.single(
        "dynarust_incarnation",
        Kind::Gauge,
        "How many times the data folder was started.",
        store.incarnation,
    );
}

fn push_cluster(to: &mut Exposition, cluster: &ClusterStats) {
    to.single(
        "dynarust_replication_lag_records",
        Kind::Gauge,
        "Records that the live follower which is furthest behind has not acknowledged.",
        cluster.lag_records,
    );
    to.single(
        "dynarust_replication_lag_seconds",
        Kind::Gauge,
        "How long ago it acknowledged anything, where it is behind.",
        cluster.lag.as_secs_f64(),
    );
    to.single(
        "dynarust_catch_up_partitions_waiting",
        Kind::Gauge,
        "Partitions that this node is to own, and does not serve yet.",
        cluster.partitions_waiting,
    );
    to.single(
        "dynarust_catch_up_feeds_behind",
        Kind::Gauge,
        "Members whose feed this node has not read to its end yet.",
        cluster.feeds_behind,
    );
    to.single(
        "dynarust_moves_partitions_surplus",
        Kind::Gauge,
        "Partitions that this node serves, and is to own no more.",
        cluster.partitions_surplus,
    );
    to.single(
        "dynarust_moves_partitions_dropping",
        Kind::Gauge,
        "Partitions that this node has dropped, and of which there may be records left.",
        cluster.partitions_dropping,
    );
    to.single(
        "dynarust_leaving_partitions_waiting",
        Kind::Gauge,
        "Partitions that others do not hold yet of a node that leaves.",
        cluster.partitions_to_hand_over,
    );
    let counters = [
        (
            "dynarust_moves_records_dropped_total",
            "Records that went with copies which were dropped.",
            cluster.records_dropped,
        ),
        (
            "dynarust_catch_up_records_received_total",
            "Records that were taken in to become as new as other owners.",
            cluster.catch_up_records_received,
        ),
        (
            "dynarust_background_bytes_total",
            "Bytes of copies, catching up and comparing, both ways, before they were compressed.",
            cluster.background_bytes,
        ),
        (
            "dynarust_repair_partitions_compared_total",
            "Partitions that differed from another owner's, and were compared.",
            cluster.partitions_compared,
        ),
        (
            "dynarust_repair_records_sent_total",
            "Records that were given to owners which a reader found to lag, or taken anew where the own were damaged.",
            cluster.records_repaired,
        ),
        (
            "dynarust_repair_records_received_total",
            "Records that a comparison showed to be missing here.",
            cluster.repair_records_received,
        ),
    ];
    for (name, help, count) in counters {
        to.single(name, Kind::Counter, help, count);
    }
    to.single(
        "dynarust_background_waited_seconds_total",
        Kind::Counter,
        "How long those were put off for the sake of clients.",
        cluster.background_waited.as_secs_f64(),
    );
    let channels = [("data", cluster.data_traffic), ("bulk", cluster.bulk_traffic)];
    to.family("dynarust_mesh_sent_bytes_total", Kind::Counter, "Bytes to other nodes, by channel.");
    for (channel, traffic) in channels {
        to.sample(&[("channel", channel)], traffic.sent_bytes);
    }
    let help = "Bytes from other nodes, by channel.";
    to.family("dynarust_mesh_received_bytes_total", Kind::Counter, help);
    for (channel, traffic) in channels {
        to.sample(&[("channel", channel)], traffic.received_bytes);
    }
}

/// Under the names that every client library of Prometheus has for them.
fn push_process(to: &mut Exposition, process: &Process) {
    if let Some(seconds) = process.cpu_seconds {
        let help = "User and system time.";
        to.single("process_cpu_seconds_total", Kind::Counter, help, seconds);
    }
    let gauges = [
        ("process_resident_memory_bytes", "Memory that is really there.", process.resident_bytes),
        ("process_virtual_memory_bytes", "Address space.", process.virtual_bytes),
        ("process_threads", "Threads.", process.threads),
        ("process_open_fds", "Open file handles.", process.open_files),
        ("process_max_fds", "File handles that may be open.", process.open_files_max),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            to.single(name, Kind::Gauge, help, value);
        }
    }
}

fn push_limits(to: &mut Exposition, backend: &Backend) {
    to.family("dynarust_limit", Kind::Gauge, "What may grow no further, by name.");
    for (name, value) in limits(backend) {
        to.sample(&[("name", &name)], value);
    }
}
