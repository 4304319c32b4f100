//! A full disk: writes are refused, all else goes on, and so do writes once there is room again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::{Answer, Client, encoded};
use crate::events::Events;
use crate::mount::{Mount, can_mount};
use crate::node::{Launch, verify, wait_for};

const TMPFS_MEBIBYTES: u32 = 80;
const BALLAST_BYTES: usize = 20 << 20;
const VALUE_BYTES: usize = 100_000;

/// What the node acknowledged, by key.
type Acknowledged = BTreeMap<String, String>;

/// A value that no other write has.
fn value(round: u32, number: u32) -> String {
    format!("[{round},{number},\"{}\"]", "x".repeat(VALUE_BYTES))
}

fn assert_all_there(client: &mut Client, acknowledged: &Acknowledged) {
    for (key, value) in acknowledged {
        let found = client.read("t", key).unwrap().expect(200);
        assert_eq!(found.value().get(..20), value.get(..20), "{key}");
        assert_eq!(found.value(), value, "{key}");
    }
    let keys = client.get("/t/keys").unwrap().expect(200);
    let keys: Vec<String> = serde_json::from_slice(&keys.body).unwrap();
    assert!(keys.iter().eq(acknowledged.keys()), "a refused write is listed: {keys:?}");
}

/// Writes new records, and every third time over an old one, until one is refused.
fn fill(client: &mut Client, round: u32, acknowledged: &mut Acknowledged) {
    for number in 0..2000 {
        let key = match number % 3 {
            2 => format!("{round}-{:04}", number / 2),
            _ => format!("{round}-{number:04}"),
        };
        let value = value(round, number);
        let answer = client.put("t", &key, &value).unwrap();
        if answer.status != 200 {
            return assert_is_storage_full(answer);
        }
        acknowledged.insert(key, value);
    }
    panic!("{TMPFS_MEBIBYTES} MiB took 2000 records of {VALUE_BYTES} bytes")
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else() {
    if !can_mount("full_disk") {
        return;
    }
    let disk = Mount::tmpfs(TMPFS_MEBIBYTES);
    let ballast = disk.path().join("ballast");
    let launch = Launch::new(&disk.path().join("data"));
    let mut acknowledged = Acknowledged::new();
    let node = launch.start();
    let mut client = node.client();
    // First the node itself fills what these leave; then the ballast takes what the node left.
    let reserve = disk.path().join("reserve");
    write_ballast(&reserve);
    for freed in [&ballast, &reserve] {
        write_ballast(&ballast);
        let round = u32::from(freed == &reserve);
        let key = format!("after {round}");
        // What is written meanwhile is more than a reader's queue holds; this one follows one key.
        let path = format!("/t/subscribe/{}", encoded(&key));
        let mut stream = Events::open(launch.address(), &path);
        stream.until_ready();
        // What the node tidies up may make room once more; in the end there is none.
        wait_for("a disk that stays full", || {
            fill(&mut client, round, &mut acknowledged);
            stays_full(&mut client, &mut acknowledged).then_some(())
        });
        assert_all_there(&mut client, &acknowledged);
        assert_eq!(client.get("/livez").unwrap().status, 200);
        std::fs::remove_file(freed).unwrap();
        let began = Instant::now();
        wait_for("a write after space was freed", || {
            let answer = client.put("t", &key, "1").unwrap();
            let written = answer.status == 200;
            if !written {
                assert_is_storage_full(answer);
            }
            written.then_some(())
        });
        assert!(began.elapsed() < Duration::from_secs(10), "only after {:?}", began.elapsed());
        acknowledged.insert(key.clone(), "1".to_owned());
        assert_all_there(&mut client, &acknowledged);
        assert_eq!(stream.next_change().key, key, "the stream has lived through it");
    }
    node.kill9();
    verify(launch.folder());
    let node = launch.start();
    assert_all_there(&mut node.client(), &acknowledged);
    node.terminate();
    verify(launch.folder());
    assert_all_there(&mut launch.start().client(), &acknowledged);
}

/// Whether write after write is refused, and leaves no trace.
fn stays_full(client: &mut Client, acknowledged: &mut Acknowledged) -> bool {
    for number in 0..20 {
        let key = format!("refused {number}");
        let answer = client.put("t", &key, &value(9, number)).unwrap();
        if answer.status == 200 {
            acknowledged.insert(key, value(9, number));
            return false;
        }
        assert_is_storage_full(answer);
    }
    true
}

fn assert_is_storage_full(answer: Answer) {
    let answer = answer.expect(507);
    assert_eq!(answer.code(), "storage_full");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

/// Takes this much of the disk, or all that is left.
fn write_ballast(path: &Path) {
    const CHUNK_BYTES: usize = 64 << 10;
    let mut file = File::create(path).unwrap();
    for _ in 0..BALLAST_BYTES / CHUNK_BYTES {
        if let Err(error) = file.write_all(&[0; CHUNK_BYTES]) {
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
            return;
        }
    }
}

/// A node that dies on a full disk comes back to it: what it holds is read again, and written to as
/// soon as there is room.
#[test]
fn a_node_killed_on_a_full_disk_loses_nothing() {
    if !can_mount("full_disk") {
        return;
    }
    let disk = Mount::tmpfs(TMPFS_MEBIBYTES);
    let ballast = disk.path().join("ballast");
    write_ballast(&ballast);
    let launch = Launch::new(&disk.path().join("data"));
    let mut acknowledged = Acknowledged::new();
    let node = launch.start();
    fill(&mut node.client(), 0, &mut acknowledged);
    node.kill9();
    // The reserve is for this.
    let node = launch.start();
    assert_all_there(&mut node.client(), &acknowledged);
    node.kill9();
    std::fs::remove_file(&ballast).unwrap();
    let node = launch.start();
    assert_all_there(&mut node.client(), &acknowledged);
    node.client().put("t", "after", "1").unwrap().expect(200);
    node.terminate();
    verify(launch.folder());
}
