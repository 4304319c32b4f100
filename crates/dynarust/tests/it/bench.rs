//! `DynaRust bench` against a real node: each load in short, what it says, and when it fails.

use std::process::Output;

use serde_json::Value;

use crate::node::{Launch, Port, run_in};

const RECORDS: &str = "500";

/// Runs a load against this address.
fn bench(address: &str, words: &[&str]) -> Output {
    let mut command = vec!["bench"];
    command.extend(words);
    command.extend(["--address", address]);
    run_in(&std::env::temp_dir(), &command)
}

/// The report of a load that must succeed.
fn report(address: &str, words: &[&str]) -> Value {
    let output = bench(address, &[words, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    assert_eq!(said, "", "{words:?}: with --json nothing but the report");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn count(report: &Value, what: &str) -> u64 {
    report["measured"][what]["count"].as_u64().unwrap_or_else(|| panic!("{what}: {report}"))
}

#[test]
fn the_records_are_written_read_and_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let node = launch.start();
    let address = launch.address().to_string();
    let loaded = report(&address, &["load", "--records", RECORDS]);
    assert_eq!(count(&loaded, "request to answer").to_string(), RECORDS);
    let keys = node.client().get("/bench/keys").unwrap().expect(200);
    assert_eq!(serde_json::from_slice::<Vec<String>>(&keys.body).unwrap().len(), 500);
    for words in [["read", "--connections=4"], ["write", "--durability=relaxed"]] {
        let words = [&words[..], &["--records", RECORDS, "--seconds", "1"]].concat();
        let found = report(&address, &words);
        assert!(count(&found, "request to answer") > 0, "{found}");
        let micros = &found["measured"]["request to answer"]["micros"];
        let at = |name: &str| micros[name].as_u64().unwrap();
        let rising = [at("p50"), at("p90"), at("p99"), at("p99_9"), at("max")];
        assert!(rising.is_sorted() && rising[0] > 0, "{micros}");
    }
    let paced = report(&address, &["write", "--records", RECORDS, "--seconds=1", "--rate=50"]);
    assert!((1..=51).contains(&count(&paced, "request to answer")), "{paced}");
}

#[test]
fn every_write_reaches_its_streams() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let _node = launch.start();
    let address = launch.address().to_string();
    for keys in ["30", "1"] {
        let words = ["live", "--streams=30", "--keys", keys, "--rate=20", "--seconds=1"];
        let found = report(&address, &words);
        assert_eq!(found["facts"]["streams without their last value"], 0.0, "{found}");
        let merged = found["facts"]["values merged into newer ones"].as_f64().unwrap();
        let readers = if keys == "1" { 30 } else { 1 };
        let events = count(&found, "write to event") + merged as u64;
        assert_eq!(events, count(&found, "write to answer") * readers, "{found}");
    }
}

#[test]
fn people_get_lines() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let _node = launch.start();
    let output = bench(&launch.address().to_string(), &["load", "--records", RECORDS]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("load, sync, 32 connections, 500 records"), "{said}");
    for word in ["request to answer: 500", "p50", "p90", "p99", "p99.9", "max"] {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

#[test]
fn what_fails_is_counted_by_its_code() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let _node = launch.start();
    let output = bench(&launch.address().to_string(), &["read", "--seconds=1", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["failures"]["404 key_not_found"].as_u64().unwrap() > 0, "{found}");
    assert_eq!(count(&found, "request to answer"), 0, "a failure has no latency");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("requests failed; `DynaRust bench load`"), "{said}");
}

#[test]
fn a_node_that_does_not_answer() {
    let address = Port::lease().address().to_string();
    for load in ["load", "read", "write", "live"] {
        let output = bench(&address, &[load]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("no node answers at {address}")), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    }
}

#[test]
fn a_soak_in_short() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let node = launch.start();
    let (pid, folder) = (node.pid().to_string(), launch.folder().display().to_string());
    let words = ["soak", "--minutes=0.05", "--records=200", "--streams=20", "--rate=500"];
    let words = [&words[..], &["--pid", &pid, "--folder", &folder]].concat();
    let found = report(&launch.address().to_string(), &words);
    for what in [
        "get",
        "put, sync",
        "delete",
        "merge patch",
        "JSON patch",
        "batch",
        "store",
        "metrics",
        "mistake",
    ] {
        assert!(count(&found, what) > 0, "{what}: {found}");
    }
    for what in ["streams opened", "events", "connections opened"] {
        assert!(found["facts"][what].as_f64().unwrap() > 0.0, "{what}: {found}");
    }
    let requests: u64 =
        found["measured"].as_object().unwrap().keys().map(|what| count(&found, what)).sum();
    let connections = found["facts"]["connections opened"].as_f64().unwrap();
    assert!(connections <= requests as f64, "a connection is opened for a request: {found}");
    for what in ["memory in MB", "file handles", "disk in MB"] {
        let highest = &found["facts"][&format!("{what}, first minutes, highest")];
        assert!(highest.as_f64().unwrap() > 0.0, "{what}: {found}");
    }
    let no_process = ["soak", "--minutes=0.05", "--pid=4194304"];
    let output = bench(&launch.address().to_string(), &no_process);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/proc/4194304") && !output.status.success(), "{said}");
}

#[test]
fn streams_come_back_with_what_they_missed() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let _node = launch.start();
    let found = report(&launch.address().to_string(), &["resume", "--streams=50"]);
    assert_eq!(count(&found, "all at once to ready"), 50, "{found}");
    for what in ["streams by reset", "streams without what they missed"] {
        assert_eq!(found["facts"][what], 0.0, "{what}: {found}");
    }
}
