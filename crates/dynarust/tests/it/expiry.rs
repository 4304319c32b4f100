//! Expiry, from outside: gone for readers on time, told to streams within a second, no stall of others,
//! and nothing left behind.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::client::{Client, JSON};
use crate::events::{Events, Silence};
use crate::node::{Launch, Node, PATIENCE, run_in, verify, wait_for};
use crate::seed::rounds;

/// Streams are told so long after the deadline at the latest.
const TOLD_WITHIN: u64 = 1000;
/// Others' requests meanwhile.
const P99_MAX: Duration = Duration::from_millis(100);
const BATCH: usize = 5000;

#[test]
fn ten_thousand_records_with_the_same_deadline() {
    check(10_000, 8, |_| 0);
}

/// The full form is `DYNARUST_EXPIRY_SECONDS=60`: a hundred thousand.
#[test]
fn deadlines_that_are_spread() {
    let seconds = rounds("DYNARUST_EXPIRY_SECONDS", 10);
    let records = if seconds >= 60 { 100_000 } else { 10_000 };
    check(records, 8, move |nth| nth as u32 % seconds);
}

/// `records` expire `after_seconds` and `spread` more.
fn check(records: usize, after_seconds: u32, spread: impl Fn(usize) -> u32) {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data")).flag("--tombstone-age=2s");
    let node = launch.start();
    let address = launch.address();
    let mut client = node.client();
    client.put("stays", "k", "1").unwrap().expect(200);
    let written = write(&mut client, records, |nth| after_seconds + spread(nth));
    // Behind the writes: this reader reads only while it waits, and would be cut as a slow one.
    let mut events = Events::open(address, "/t/subscribe?state=false");
    events.until_ready();
    let first = written.values().map(|it| it.not_before).min().unwrap();

    let over = AtomicBool::new(false);
    let (told, pauses, latencies, reads) = std::thread::scope(|scope| {
        let pauses = scope.spawn(|| pauses(&over));
        let others = scope.spawn(|| latencies(address, first, &over));
        let reads = scope.spawn(|| reads(address, &written));
        let ending = SetAtLast(&over);
        let told = told(&mut events, &written);
        drop(ending);
        (told, pauses.join().unwrap(), others.join().unwrap(), reads.join().unwrap())
    });
    assert!(reads > 0, "nobody read while records expired");
    let late = |(key, at): (&String, &u64)| at.saturating_sub(written[key].not_after);
    let latest = told.iter().map(late).max().unwrap();
    let mut sorted = latencies;
    sorted.sort();
    let p99 = sorted[sorted.len() * 99 / 100];
    eprintln!(
        "{records} records: told at most {latest} ms after their deadline; others' p99 {p99:?} of {}; the \
         machine paused for {pauses:?}",
        sorted.len()
    );
    // What the machine itself did not give is not the node's.
    let pause = u64::try_from(pauses.as_millis()).unwrap();
    assert!(latest <= TOLD_WITHIN + pause, "{latest} ms");
    assert!(p99 <= P99_MAX + pauses, "{p99:?}");
    assert_eq!(client.get("/t/keys").unwrap().expect(200).body, "[]");
    nothing_is_left(&launch, node);
}

/// Sets it when dropped, also where a check fails: the others must not wait for ever.
struct SetAtLast<'a>(&'a AtomicBool);

impl Drop for SetAtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// When a record expires, as far as its writer knows.
#[derive(Debug, Clone)]
struct Deadline {
    version: String,
    not_before: u64,
    not_after: u64,
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn write(
    client: &mut Client,
    records: usize,
    ttl: impl Fn(usize) -> u32,
) -> HashMap<String, Deadline> {
    let mut written = HashMap::new();
    let all: Vec<usize> = (0..records).collect();
    for part in all.chunks(BATCH) {
        let items: Vec<String> = part
            .iter()
            .map(|nth| {
                let value = "x".repeat(300);
                format!("{{\"key\":\"{nth:06}\",\"value\":\"{value}\",\"ttl\":\"{}s\"}}", ttl(*nth))
            })
            .collect();
        let before = now();
        let body = format!("[{}]", items.join(","));
        let answer = client.call("POST", "/t/batch", &[JSON], &body).unwrap().expect(200);
        let after = now();
        let answers: Vec<BTreeMap<String, serde_json::Value>> =
            serde_json::from_slice(&answer.body).unwrap();
        for (nth, answer) in part.iter().zip(answers) {
            assert_eq!(answer["status"], 200, "{answer:?}");
            let ttl = u64::from(ttl(*nth)) * 1000;
            let deadline = Deadline {
                version: answer["version"].as_str().unwrap().to_owned(),
                not_before: before + ttl,
                not_after: after + ttl,
            };
            written.insert(format!("{nth:06}"), deadline);
        }
    }
    written
}

/// When each record was told as expired: once, with its own version, and not before its time.
fn told(events: &mut Events, written: &HashMap<String, Deadline>) -> HashMap<String, u64> {
    let mut told = HashMap::new();
    while told.len() < written.len() {
        let event = match events.next_within(PATIENCE) {
            Ok(event) => event,
            Err(Silence::Quiet | Silence::Cut) => panic!("{} were told", told.len()),
        };
        let at = now();
        let change = event.change();
        let deadline = &written[&change.key];
        assert_eq!(change.version, deadline.version, "{event:?}");
        if change.deleted {
            assert!(event.data.contains("\"expired\":true"), "{event:?}");
            assert!(at >= deadline.not_before, "{event:?} came early");
            assert_eq!(told.insert(change.key.clone(), at), None, "{event:?} came twice");
        }
    }
    told
}

/// Reads some of them around their deadlines.
fn reads(address: SocketAddr, written: &HashMap<String, Deadline>) -> u32 {
    let mut client = Client::new(address);
    let mut reads = 0;
    let mut some: Vec<_> = written.iter().collect();
    some.sort_by_key(|(_, deadline)| deadline.not_after);
    for (key, deadline) in some.iter().step_by(some.len() / 20) {
        wait_for("a deadline", || (now() + 20 >= deadline.not_before).then_some(()));
        loop {
            let sent = now();
            let answer = client.read("t", key).unwrap();
            match answer.status {
                200 => assert!(sent <= deadline.not_after, "{key} was read after its deadline"),
                404 => {
                    assert!(now() >= deadline.not_before, "{key} was gone before its deadline");
                    break;
                }
                _ => panic!("{answer:?}"),
            }
            reads += 1;
        }
    }
    reads
}

/// How long other requests take from the first deadline on: a read and a write, in turns.
fn latencies(address: SocketAddr, from: u64, over: &AtomicBool) -> Vec<Duration> {
    let mut client = Client::new(address);
    wait_for("the first deadline", || (now() >= from).then_some(()));
    let mut latencies = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let began = std::time::Instant::now();
        client.read("stays", "k").unwrap().expect(200);
        latencies.push(began.elapsed());
        let began = std::time::Instant::now();
        client.put("stays", "k", "1").unwrap().expect(200);
        latencies.push(began.elapsed());
    }
    latencies
}

/// The longest time for which the machine kept a thread from running that only sleeps.
fn pauses(over: &AtomicBool) -> Duration {
    const SLEEP: Duration = Duration::from_millis(2);
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let began = std::time::Instant::now();
        std::thread::sleep(SLEEP);
        longest = longest.max(began.elapsed().saturating_sub(SLEEP));
    }
    longest
}

/// After the sweep neither rows nor their space are there.
fn nothing_is_left(launch: &Launch, node: Node) {
    let mut client = node.client();
    let figure = |text: &str, name: &str| -> u64 {
        let line = text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
        line.split(' ').nth(1).unwrap().parse::<f64>().unwrap() as u64
    };
    wait_for("the sweep", || {
        let metrics = client.get("/metrics").unwrap().expect(200);
        let text = String::from_utf8(metrics.body.to_vec()).unwrap();
        let figure = |name| figure(&text, name);
        let rows = figure("dynarust_store_expired_records") + figure("dynarust_store_tombstones");
        let alive = figure("dynarust_store_live_records");
        let small = figure("dynarust_store_base_bytes") < 1 << 20;
        (alive == 1 && rows == 0 && small).then_some(())
    });
    node.terminate();
    verify(launch.folder());
    let output = run_in(launch.folder(), &["verify", "."]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("base: 1 records, 0 of them deleted, 0 expired; 1 feed entries"),
        "{said}"
    );
    let file = std::fs::metadata(launch.folder().join("base.sqlite")).unwrap().len();
    assert!(file < 1 << 20, "{file} bytes");
}

#[test]
fn a_stream_that_was_away_hears_of_what_expired_meanwhile_also_over_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let node = launch.start();
    let mut client = node.client();
    let put = |client: &mut Client, key: &str, ttl: &str| {
        let path = format!("/t/key/{key}?ttl={ttl}");
        client.call("PUT", &path, &[JSON], "{\"value\":1}").unwrap().expect(200).version()
    };
    let mut events = Events::open(launch.address(), "/t/subscribe");
    let (_, ready) = events.until_ready();
    let versions = [put(&mut client, "a", "1s"), put(&mut client, "b", "2s")];
    put(&mut client, "c", "1h");
    client.put("t", "c", "2").unwrap().expect(200);
    drop(events);
    // One expires while the node runs and nobody looks, the other while it does not run.
    wait_for("the first deadline", || (client.read("t", "a").unwrap().status == 404).then_some(()));
    node.kill9();
    std::thread::sleep(Duration::from_secs(2));
    let node = launch.start();
    let mut client = node.client();
    for key in ["a", "b"] {
        assert_eq!(client.read("t", key).unwrap().code(), "key_not_found");
    }
    let mut events = Events::resume(launch.address(), "/t/subscribe", &ready.id);
    let mut gone = BTreeMap::new();
    while gone.len() < 2 {
        let event = events.next();
        if event.name.is_empty() && event.change().deleted {
            assert!(event.data.contains("\"expired\":true"), "{event:?}");
            let change = event.change();
            assert_eq!(gone.insert(change.key, change.version), None);
        }
    }
    let expected: BTreeMap<_, _> =
        ["a", "b"].map(str::to_owned).into_iter().zip(versions).collect();
    assert_eq!(gone, expected);
    // The write without a ttl cleared it.
    assert_eq!(client.read("t", "c").unwrap().expect(200).value(), "2");
    node.terminate();
}
