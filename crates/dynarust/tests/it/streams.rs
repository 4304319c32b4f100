//! Live streams: state, `ready`, changes; no gap over cuts, kills and restarts; slow readers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;

use crate::client::{Client, JSON, encoded, put_body, record_path};
use crate::events::{Change, Events, Opening, Silence};
use crate::mirror::{Mirror, Seen, table_of};
use crate::node::{Launch, Node, PATIENCE, wait_for};
use crate::seed::dice;

const CUTS: u32 = 100;

/// A node in a folder of its own.
fn fresh_node() -> (tempfile::TempDir, Launch, Node) {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let node = launch.start();
    (home, launch, node)
}

/// Writes a record and returns its version.
fn put(client: &mut Client, table: &str, key: &str, value: &str) -> String {
    client.put(table, key, value).unwrap().expect(200).version()
}

/// What an event tells, in short: `table/key=value@version`, or `-table/key@version`.
fn told(change: &Change) -> String {
    let (table, key, version) = (&change.table, &change.key, &change.version);
    match &change.value {
        Some(value) => format!("{table}/{key}={value}@{version}"),
        None => format!("-{table}/{key}@{version}"),
    }
}

fn all_told(changes: &[Change]) -> Vec<String> {
    changes.iter().map(told).collect()
}

#[test]
fn state_in_key_order_then_ready_then_changes() {
    let (_home, launch, node) = fresh_node();
    let mut client = node.client();
    let c = put(&mut client, "t", "c", "3");
    let a = put(&mut client, "t", "a", "1");
    put(&mut client, "other", "a", "0");
    put(&mut client, "t", "gone", "0");
    client.delete("t", "gone").unwrap().expect(200);
    let mut stream = Events::open(launch.address(), "/t/subscribe");
    assert_eq!(stream.headers["cache-control"], "no-store");
    assert_eq!(stream.headers["x-accel-buffering"], "no");
    let (state, ready) = stream.until_ready();
    assert_eq!(all_told(&state), [format!("t/a=1@{a}"), format!("t/c=3@{c}")]);
    assert_eq!(ready.data, "{}");
    assert_eq!(stream.retry, Some(2000));
    put(&mut client, "other", "b", "0");
    let b = put(&mut client, "t", "b", "{\"deep\": [null, 1.50]}");
    assert_eq!(told(&stream.next_change()), format!("t/b={{\"deep\": [null, 1.50]}}@{b}"));
    let gone = client.delete("t", "a").unwrap().expect(200).version();
    assert_eq!(told(&stream.next_change()), format!("-t/a@{gone}"));
}

#[test]
fn one_key_a_prefix_and_many_on_one_connection() {
    let (_home, launch, node) = fresh_node();
    let (mut client, address) = (node.client(), launch.address());
    let mut version = BTreeMap::new();
    for (table, key) in [("a", "x/1"), ("a", "x/2"), ("a", "y"), ("b", "k"), ("b", "z"), ("c", "q")]
    {
        version.insert((table, key), put(&mut client, table, key, "0"));
    }
    let tells = |path: &str, records: &[(&str, &str)]| {
        let (state, _) = Events::open(address, path).until_ready();
        let tell = |(table, key)| format!("{table}/{key}=0@{}", version[&(table, key)]);
        let expected: Vec<String> = records.iter().copied().map(tell).collect();
        assert_eq!(all_told(&state), expected, "{path}");
    };
    tells(&format!("/a/subscribe/{}", encoded("x/1")), &[("a", "x/1")]);
    tells("/a/subscribe/absent", &[]);
    tells("/a/subscribe?prefix=x/", &[("a", "x/1"), ("a", "x/2")]);
    let many = "/subscribe?table=c&key=b/k&prefix=a/x&key=b/absent&key=a/x/2";
    tells(many, &[("a", "x/1"), ("a", "x/2"), ("b", "k"), ("c", "q")]);
    tells(&format!("{many}&state=false"), &[]);
    let mut stream = Events::open(address, many);
    stream.until_ready();
    for (table, key) in [("a", "y"), ("b", "z"), ("d", "q")] {
        put(&mut client, table, key, "1");
    }
    for (table, key) in [("c", "new"), ("b", "absent"), ("a", "x/3")] {
        let version = put(&mut client, table, key, "1");
        assert_eq!(told(&stream.next_change()), format!("{table}/{key}=1@{version}"));
    }
}

#[test]
fn a_selection_that_is_none_is_refused() {
    let (_home, _launch, node) = fresh_node();
    let mut client = node.client();
    for path in
        ["/subscribe", "/subscribe?keys=t/k", "/t/subscribe?prefx=a", "/t/subscribe?state=no"]
    {
        let answer = client.get(path).unwrap().expect(400);
        assert_eq!(answer.code(), "invalid_parameter", "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
}

/// The white space of a value may hold line ends, which in a stream would be the end of a field.
#[test]
fn values_of_several_lines_arrive_whole() {
    let (_home, launch, node) = fresh_node();
    let mut client = node.client();
    put(&mut client, "t", "before", "{\n\n  \"a\":\r\n 1\r}");
    let mut stream = Events::open(launch.address(), "/t/subscribe");
    let compact = |change: Change| change.value.unwrap().split_whitespace().collect::<String>();
    assert_eq!(compact(stream.next_change()), "{\"a\":1}");
    stream.next_named("ready");
    put(&mut client, "t", "live", "{\n\n  \"a\":\r\n 1\r}");
    assert_eq!(compact(stream.next_change()), "{\"a\":1}");
}

#[test]
fn a_resumed_stream_sends_what_was_missed_then_ready() {
    let (_home, launch, node) = fresh_node();
    let (mut client, address) = (node.client(), launch.address());
    for key in ["changed", "deleted", "kept"] {
        put(&mut client, "t", key, "0");
    }
    let mut stream = Events::open(address, "/t/subscribe");
    let id = stream.until_ready().1.id;
    drop(stream);
    put(&mut client, "t", "changed", "1");
    let deleted = client.delete("t", "deleted").unwrap().expect(200).version();
    put(&mut client, "u", "elsewhere", "1");
    let created = put(&mut client, "t", "created", "1");
    let changed = put(&mut client, "t", "changed", "2");
    let mut missed = vec![
        format!("-t/deleted@{deleted}"),
        format!("t/changed=2@{changed}"),
        format!("t/created=1@{created}"),
    ];
    missed.sort();
    let check = |mut stream: Events| {
        let (changes, _) = stream.until_ready();
        // A value that was overwritten since may come, or be merged into the newest.
        let mut last: BTreeMap<&str, String> = BTreeMap::new();
        for change in &changes {
            last.insert(&change.key, told(change));
        }
        let mut last: Vec<String> = last.into_values().collect();
        last.sort();
        assert_eq!(last, missed);
    };
    check(Events::resume(address, "/t/subscribe", &id));
    check(Events::open(address, &format!("/t/subscribe?last_event_id={}", encoded(&id))));
    let losing = "/t/subscribe?last_event_id=nonsense";
    check(Events::resume(address, losing, &id));
    check(Events::resume(address, "/t/subscribe?state=false", &id));
    node.terminate();
    let _node = launch.start();
    check(Events::resume(address, "/t/subscribe", &id));
}

#[test]
fn an_unknown_id_is_a_reset_and_the_whole_state() {
    let (_home, launch, node) = fresh_node();
    let (_other_home, other_launch, other) = fresh_node();
    put(&mut other.client(), "t", "k", "0");
    let foreign = Events::open(other_launch.address(), "/t/subscribe").until_ready().1.id;
    let version = put(&mut node.client(), "t", "k", "1");
    for id in [foreign.as_str(), "nonsense", "0", "%00", "A".repeat(5000).as_str()] {
        let mut stream = Events::resume(launch.address(), "/t/subscribe", id);
        stream.next_named("reset");
        let (state, _) = stream.until_ready();
        assert_eq!(all_told(&state), [format!("t/k=1@{version}")], "{id}");
    }
}

#[test]
fn an_idle_stream_has_a_heartbeat() {
    let (_home, launch, _node) = fresh_node();
    let mut stream = Events::open(launch.address(), "/t/subscribe");
    stream.until_ready();
    let comments = stream.comments;
    wait_for("a comment line", || {
        assert_eq!(stream.next_within(Duration::from_millis(500)), Err(Silence::Quiet));
        (stream.comments > comments).then_some(())
    });
}

#[test]
fn a_closing_node_says_so_and_is_resumed_after_its_restart() {
    let (_home, launch, node) = fresh_node();
    let mut stream = Events::open(launch.address(), "/t/subscribe");
    stream.until_ready();
    put(&mut node.client(), "t", "a", "1");
    let last = stream.next();
    stream.retry = None;
    node.signal(Signal::TERM);
    let closing = stream.next_named("closing");
    assert_eq!(closing.id, last.id, "`closing` repeats the last id");
    assert!(closing.data.starts_with('{'), "{closing:?}");
    assert!(stream.retry.is_some(), "`closing` has its own `retry`");
    assert_eq!(stream.next_within(PATIENCE), Err(Silence::Cut));
    assert!(node.ended().success());
    let node = launch.start();
    let version = put(&mut node.client(), "t", "b", "2");
    let mut stream = Events::resume(launch.address(), "/t/subscribe", &closing.id);
    assert_eq!(told(&stream.next_change()), format!("t/b=2@{version}"));
}

/// Sets its flag when it goes, by a panic too.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes and deletes records of a table until told to stop; a node that is away is waited for.
fn storm(address: SocketAddr, keys: usize, mut dice: StdRng, stop: &AtomicBool) {
    let mut client = Client::new(address);
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        let key = format!("{keys}-{}", dice.random_range(0..keys));
        written += 1;
        let outcome = if dice.random_ratio(4, 5) {
            client.put("t", &key, &format!("{{\"written\":{written}}}"))
        } else {
            client.delete("t", &key)
        };
        match outcome {
            Ok(answer) => assert!(matches!(answer.status, 200 | 404), "{answer:?}"),
            Err(_) => client = Client::new(address),
        }
    }
}

/// Runs `part` while one writer storms a key and two others their table; afterwards the final state
/// must be reached by each of these followers.
fn under_a_storm(
    address: SocketAddr,
    dice: &mut StdRng,
    followers: [&mut Mirror; 2],
    disaster: impl FnOnce(&mut StdRng),
    follow: impl Fn(&mut Mirror, StdRng) + Sync,
) {
    let stop = AtomicBool::new(false);
    let mut fork = || StdRng::seed_from_u64(dice.random());
    let writers = [(1, fork()), (40, fork()), (40, fork())];
    let forks = [fork(), fork()];
    let [key, table] = followers;
    std::thread::scope(|scope| {
        // A failure in here must not leave the writers at work for ever.
        let stopped = Stop(&stop);
        for (keys, dice) in writers {
            let stop = &stop;
            scope.spawn(move || storm(address, keys, dice, stop));
        }
        let [key_dice, table_dice] = forks;
        let key_follower = scope.spawn(|| follow(key, key_dice));
        let table_follower = scope.spawn(|| follow(table, table_dice));
        disaster(dice);
        let ended = [key_follower.join(), table_follower.join()];
        drop(stopped);
        for follower in ended {
            follower.unwrap();
        }
    });
    let all = table_of(&mut Client::new(address), "t");
    key.follow_to(&only(&all, "1-0"));
    table.follow_to(&all);
    for mirror in [key, table] {
        assert_eq!(mirror.resets, 0, "the history was there, so no reset was called for");
        assert!(mirror.events > 100, "hardly a storm: {}", mirror.events);
    }
}

/// The record of one key, if it is there.
fn only(table: &BTreeMap<String, Seen>, key: &str) -> BTreeMap<String, Seen> {
    table.get(key).map(|seen| (key.to_owned(), seen.clone())).into_iter().collect()
}

#[test]
fn a_stream_cut_a_hundred_times_misses_nothing() {
    let mut dice = dice("streams");
    let (_home, launch, _node) = fresh_node();
    let address = launch.address();
    let mut key = Mirror::new(address, "/t/subscribe/1-0");
    let mut table = Mirror::new(address, "/t/subscribe");
    under_a_storm(
        address,
        &mut dice,
        [&mut key, &mut table],
        |_| {},
        |mirror, mut dice| {
            for _ in 0..CUTS {
                mirror.follow_for(dice.random_range(0..40));
            }
        },
    );
}

#[test]
fn a_stream_misses_nothing_over_kills_of_its_node() {
    let mut dice = dice("streams");
    let (_home, launch, node) = fresh_node();
    let address = launch.address();
    let mut key = Mirror::new(address, "/t/subscribe/1-0");
    let mut table = Mirror::new(address, "/t/subscribe");
    let over = AtomicBool::new(false);
    let mut node = Some(node);
    under_a_storm(
        address,
        &mut dice,
        [&mut key, &mut table],
        |dice| {
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(dice.random_range(100..600)));
                node.take().unwrap().kill9();
                node = Some(launch.start());
            }
            over.store(true, Ordering::Relaxed);
        },
        |mirror, mut dice| {
            while !over.load(Ordering::Relaxed) {
                mirror.follow_for(dice.random_range(0..400));
            }
        },
    );
}

/// A reader that has stopped reading costs the node a bounded queue. Once it reads again it either gets
/// the newest of each key, or was cut with `lagged` and resumes.
#[test]
fn a_slow_reader_is_bounded_and_ends_up_with_the_newest() {
    const READERS: usize = 20;
    const KEYS: usize = 400;
    const ROUNDS: usize = 6;
    let filler = "x".repeat(32 << 10);
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data")).flag("--cache-bytes=8M");
    let node = launch.start();
    let address = launch.address();
    let slow = Opening { receive_buffer_bytes: Some(4096), ..Opening::default() };
    let open = |path: &str| Events::open_with(address, path, slow).unwrap();
    let write = |client: &mut Client, round: usize| {
        for key in 0..KEYS {
            let path = format!("{}?durability=relaxed", record_path("t", &key.to_string()));
            let value = put_body(&format!("[{round},\"{filler}\"]"));
            client.call("PUT", &path, &[JSON], &value).unwrap().expect(200);
        }
    };
    let mut client = node.client();
    write(&mut client, 0);
    let before = node.resident_bytes();
    let open = |number: usize| {
        let whole = number.is_multiple_of(2);
        let path = if whole { "/t/subscribe?state=false" } else { "/t/subscribe/7" };
        let (mut stream, mut mirror) = (open(path), Mirror::new(address, path));
        while !mirror.been_ready() {
            mirror.take(&stream.next());
        }
        (whole, mirror, stream)
    };
    let mut readers: Vec<(bool, Mirror, Events)> = (0..READERS).map(open).collect();
    let mut most = 0;
    for round in 1..=ROUNDS {
        write(&mut client, round);
        most = most.max(node.resident_bytes());
    }
    // 78 MB were told to each of 10 readers: kept for them all, that were 780 MB.
    let grown = most.saturating_sub(before);
    assert!(grown < 40 << 20, "{} MiB more for {READERS} slow readers", grown >> 20);
    let all = table_of(&mut client, "t");
    let one = only(&all, "7");
    for (whole, mirror, stream) in &mut readers {
        mirror.follow_on(stream, if *whole { &all } else { &one });
        assert_eq!(mirror.resets, 0);
    }
}
