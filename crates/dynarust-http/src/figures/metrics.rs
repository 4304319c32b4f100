//! `GET /metrics`: the node in Prometheus' text format.
//!
//! Names follow its conventions: base units, `_total` for what only rises. A name that was released
//! keeps its meaning.

use std::sync::Arc;

use dynarust_core::UnixMillis;
use dynarust_node::streams::StreamFigures;
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
    push_streams(&mut exposition, &backend.node.stats().streams);
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
    to.single(
        "dynarust_feed_head",
        Kind::Gauge,
        "The newest seq: how many records the data folder has taken in.",
        stats.head,
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
    for (name, value) in limits(&backend.config) {
        to.sample(&[("name", &name)], value);
    }
}
