//! Section 5: `/stats` and `/metrics`.

use std::collections::{BTreeMap, BTreeSet};

use dynarust_core::limits::STATS_TABLES_MAX;
use serde_json::{Value, json};

use crate::client::JSON;
use crate::door::{Door, VALUE_BYTES_MAX};

async fn stats(door: &Door) -> Value {
    let answer = door.ask("GET", "/stats").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    answer.json()
}

/// The samples of `/metrics`, by name and labels as they stand there. The text must be well-formed.
async fn metrics(door: &Door) -> BTreeMap<String, f64> {
    let answer = door.ask("GET", "/metrics").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(content_type));
    parse(answer.text())
}

/// Reads Prometheus' text format, strictly: each family once, with help and type before its samples.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let mut samples = BTreeMap::new();
    let mut families = BTreeSet::new();
    let (mut family, mut kind) = ("", "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(!help.is_empty() && families.insert(name), "{line}");
            let of_type = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
            (family, kind) = of_type.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert_eq!(kind == "counter", family.ends_with("_total"), "{line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let suffix = name.split('{').next().unwrap().strip_prefix(family).unwrap();
        match kind {
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
            _ => assert_eq!(suffix, "", "{line}"),
        }
        let value: f64 = value.parse().unwrap();
        assert!(value >= 0.0 && samples.insert(name.to_owned(), value).is_none(), "{line}");
    }
    samples
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_status() {
    let door = Door::open().await;
    let mut client = door.client().await;
    client.put("/t/key/k", "1").await;
    client.put("/t/key/k", "2").await;
    client.ask("GET", "/t/key/k", &[], "").await;
    client.ask("HEAD", "/t/key/k", &[], "").await;
    client.ask("GET", "/t/key/none", &[], "").await;
    client.ask("PUT", "/t/key/k", &[JSON], "{}").await;
    client.ask("POST", "/t/keys", &[JSON], "[]").await;
    client.ask("OPTIONS", "/t/keys", &[], "").await;
    client.ask("BREW", "/t/keys", &[], "").await;
    client.ask("GET", "/nothing/here", &[], "").await;
    let stats = stats(&door).await;
    let answered = |operation: &str, status: &str| {
        stats["requests"]["operations"][operation]["answered"][status].as_u64().unwrap()
    };
    let expected = [
        ("put_record", "2xx", 2),
        ("put_record", "4xx", 1),
        ("get_record", "2xx", 2),
        ("get_record", "4xx", 1),
        ("get_records", "2xx", 1),
        ("options", "2xx", 1),
        ("none", "4xx", 2),
        ("list_keys", "2xx", 0),
    ];
    let metrics = metrics(&door).await;
    for (operation, status, count) in expected {
        assert_eq!(answered(operation, status), count, "{operation} {status}");
        let name = format!(
            "dynarust_http_requests_total{{operation=\"{operation}\",status=\"{status}\"}}"
        );
        assert_eq!(metrics[&name], count as f64, "{name}");
    }
    for code in ["key_not_found", "invalid_body", "method_not_allowed", "not_found"] {
        assert_eq!(stats["requests"]["problems"][code], 1, "{code}");
        assert_eq!(metrics[&format!("dynarust_http_problems_total{{code=\"{code}\"}}")], 1.0);
    }
    assert_eq!(stats["requests"]["in_progress"], 1, "it is this one");
    let latency = &stats["requests"]["operations"]["put_record"]["latency_seconds"];
    let [p50, p99, max] = ["p50", "p99", "max"].map(|name| latency[name].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{latency}");
    let durations = "dynarust_http_request_duration_seconds";
    assert_eq!(metrics[&format!("{durations}_count{{operation=\"put_record\"}}")], 3.0);
    let all = format!("{durations}_bucket{{operation=\"put_record\",le=\"+Inf\"}}");
    assert_eq!(metrics[&all], 3.0);
}

#[tokio::test]
async fn streams_are_counted() {
    let door = Door::open().await;
    door.put("/t/key/k", "1").await;
    let mut reader = door.client().await;
    let unknown = [("Last-Event-ID", "unknown")];
    reader.send("GET /t/subscribe HTTP/1.1\r\nHost: a\r\nLast-Event-ID: unknown\r\n\r\n").await;
    assert_eq!(reader.head().await.status, 200);
    let mut text = String::new();
    while !text.contains("event: ready") {
        text.push_str(std::str::from_utf8(&reader.chunk().await.unwrap()).unwrap());
    }
    door.client().await.ask("HEAD", "/t/subscribe", &unknown, "").await;
    let streams = &stats(&door).await["streams"];
    let of = |name: &str| streams[name].as_u64().unwrap();
    assert_eq!((of("open"), of("begun"), of("reset"), of("events")), (1, 1, 1, 3), "{streams}");
    assert_eq!((of("resumed"), of("lagged"), of("merged"), of("refused")), (0, 0, 0, 0));
    assert_eq!(of("queue_bytes"), 0);
    let metrics = metrics(&door).await;
    assert_eq!(metrics["dynarust_streams_open"], 1.0);
    assert_eq!(metrics["dynarust_streams_queue_bytes"], 0.0);
    assert_eq!(metrics["dynarust_stream_events_total"], 3.0);
}

#[tokio::test]
async fn every_limit_is_shown_as_it_was_set() {
    let door = Door::open().await;
    let stats = stats(&door).await;
    let metrics = metrics(&door).await;
    let limits = stats["limits"].as_object().unwrap();
    assert_eq!(limits["value_bytes_max"], VALUE_BYTES_MAX);
    assert_eq!(limits["connections_max"], 1000);
    for (name, _) in dynarust_core::limits::ALL {
        assert!(limits.contains_key(&name.to_ascii_lowercase()), "{name}");
    }
    let shown = metrics.keys().filter(|name| name.starts_with("dynarust_limit{")).count();
    assert_eq!(shown, limits.len());
    for (name, value) in limits {
        let shown = metrics[&format!("dynarust_limit{{name=\"{name}\"}}")];
        assert_eq!(shown, value.as_f64().unwrap(), "{name}");
    }
}

#[tokio::test]
async fn tables_are_told_in_parts() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for at in 0..=STATS_TABLES_MAX {
        client.put(&format!("/t{at:04}/key/k"), "[1]").await;
    }
    client.put("/t0000/key/long", "1").await;
    let first = stats(&door).await["tables"].clone();
    let counts = first["counts"].as_object().unwrap();
    assert_eq!(counts.len(), STATS_TABLES_MAX);
    assert_eq!(counts["t0000"], json!({ "keys": 2, "bytes": 9 }));
    assert_eq!(first["next"], "t0999");
    let rest = client.ask("GET", "/stats?tables_after=t0999", &[], "").await.json();
    assert_eq!(
        rest["tables"],
        json!({ "counts": { "t1000": { "keys": 1, "bytes": 4 } }, "next": null })
    );
    client.ask("GET", "/stats?tables_after=_t", &[], "").await.assert_problem(400, "invalid_table");
}

#[tokio::test]
async fn the_store_is_told() {
    let door = Door::open().await;
    door.put("/t/key/k", "1").await;
    let stats = stats(&door).await;
    let metrics = metrics(&door).await;
    let expected = door.node.stats().store;
    let pairs = [
        ("head", "dynarust_store_head_seq", expected.head_seq),
        ("live_records", "dynarust_store_live_records", expected.live_records),
        ("base_bytes", "dynarust_store_base_bytes", expected.base_bytes),
        ("syncs", "dynarust_store_syncs_total", expected.syncs),
    ];
    for (member, family, value) in pairs {
        assert_eq!((&stats["store"][member], metrics[family]), (&value.into(), value as f64));
    }
    assert_eq!(stats["node"]["incarnation"], expected.incarnation);
}

#[tokio::test]
async fn the_node_and_its_process_are_told() {
    let door = Door::open().await;
    let stats = stats(&door).await;
    assert_eq!(stats["node"]["id"], door.node.id().to_string());
    assert_eq!(stats["node"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(stats["node"]["started"].as_u64().unwrap() > 1_700_000_000_000);
    assert!(stats["process"]["resident_bytes"].as_u64().unwrap() > 0);
    for alone in ["replication", "repair", "catch_up", "mesh", "leaving"] {
        let figures = stats[alone].as_object().unwrap();
        assert!(!figures.is_empty() && figures.values().all(|it| it.as_f64() == Some(0.0)));
    }
    let metrics = metrics(&door).await;
    assert_eq!(metrics["dynarust_ready"], 1.0);
    for name in ["process_start_time_seconds", "process_resident_memory_bytes", "process_open_fds"]
    {
        assert!(metrics[name] > 0.0, "{name}");
    }
    door.store.fail("the disk is on fire");
    assert_eq!(self::metrics(&door).await["dynarust_ready"], 0.0);
    for target in ["/stats?x=1", "/metrics?x=1"] {
        door.ask("GET", target).await.assert_problem(400, "invalid_parameter");
    }
}
