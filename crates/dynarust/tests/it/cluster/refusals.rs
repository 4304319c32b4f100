//! Who is not let in: one clear line for whoever tried, and a node that goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rand::RngExt;

use super::nodes::{Cluster, Plan, SECRET};
use crate::node::{Launch, Node, wait_for};
use crate::seed::dice;

/// A joiner that is refused ends with one line of these words, and the cluster goes on without it.
#[track_caller]
fn assert_refused(cluster: &Cluster, launch: &Launch, words: &[&str]) {
    let before = cluster.said(0).lines().count();
    let mut node = launch.spawn();
    let status = wait_for("the end of a refused joiner", || node.has_ended());
    let said = launch.said();
    assert!(status.code().is_some_and(|code| code != 0), "{status}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    // What it says on its way is a log, with its times; the last word is for the operator.
    let last = said.trim_end().lines().last().unwrap_or_default().to_lowercase();
    for word in words.iter().chain(&["dynarust"]) {
        assert!(last.contains(&word.to_lowercase()), "no {word:?} in: {last}\nof: {said}");
    }
    cluster.client(0).put("t", "k", "1").unwrap().expect(200);
    cluster.until_members(cluster.running().len());
    let after = cluster.said(0);
    let new: Vec<&str> = after.lines().skip(before).collect();
    eprintln!("refused with: {last}\nthe accepting node: {new:?}");
}

/// The accepting node says so too, in one line.
#[track_caller]
fn assert_told(cluster: &Cluster, word: &str) {
    let said = cluster.said(0).to_lowercase();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(word)).collect();
    assert!(!lines.is_empty(), "no {word:?} in: {said}");
}

fn joiner(cluster: &Cluster, folder: &Path, secret: &str) -> Launch {
    let mut launch = Launch::new(folder).environment("CLUSTER_SECRET", secret);
    launch.set_join(Some(cluster.address(0).to_string()));
    launch
}

#[test]
fn another_secret() {
    let home = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(1);
    let launch = joiner(&cluster, &home.path().join("data"), "quite another secret");
    assert_refused(&cluster, &launch, &["secret"]);
    assert_told(&cluster, "secret");
}

#[test]
fn no_secret_at_the_one_end_or_the_other() {
    let home = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(1);
    let mut launch = Launch::new(&home.path().join("data"));
    launch.set_join(Some(cluster.address(0).to_string()));
    assert_refused(&cluster, &launch, &["CLUSTER_SECRET"]);
    // A node without one lets nobody in.
    let alone = Launch::new(&home.path().join("alone"));
    let node = alone.start();
    let mut launch = Launch::new(&home.path().join("other")).environment("CLUSTER_SECRET", SECRET);
    launch.set_join(Some(alone.address().to_string()));
    assert_refused(&cluster, &launch, &["secret"]);
    node.client().put("t", "k", "1").unwrap().expect(200);
}

#[test]
fn a_member_of_another_cluster() {
    let cluster = Cluster::start(2);
    let mut other = Cluster::start(2);
    // Nobody of its own cluster meets the copy, or it would be a clone to them.
    other.kill9(1);
    other.terminate(0);
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data");
    copy(&other.folder(1), &folder);
    assert_refused(&cluster, &joiner(&cluster, &folder, SECRET), &["another cluster"]);
    // At home it is welcome.
    other.start_one(0);
    other.start_one(1);
    other.until_members(2);
}

/// Two nodes of one folder's id: the later one stops, and the first stays.
#[test]
fn a_cloned_folder() {
    let mut cluster = Cluster::start(2);
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data");
    cluster.terminate(1);
    copy(&cluster.folder(1), &folder);
    cluster.start_one(1);
    cluster.until_members(2);
    assert_refused(&cluster, &joiner(&cluster, &folder, SECRET), &["cop"]);
    cluster.until_members(2);
    assert!(cluster.has_ended(1).is_none());
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Whatever comes in, the node goes on, and nobody gets in.
#[test]
fn garbage_on_the_port() {
    const UPGRADE: &str =
        "GET /_mesh HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: dynarust/1\r\n\r\n";
    let mut dice = dice("garbage");
    let cluster = Plan::default().start(1);
    let mut random = || (0..4096).map(|_| dice.random::<u8>()).collect::<Vec<u8>>();
    let mut garbage = vec![
        random(),
        b"GET /_mesh HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        UPGRADE.as_bytes().to_vec(),
        UPGRADE.replace("dynarust/1", "dynarust/999").into_bytes(),
    ];
    for _ in 0..8 {
        garbage.push([UPGRADE.as_bytes(), &random()].concat());
        // A frame that is said to be longer than any.
        garbage.push([UPGRADE.as_bytes(), &[0xff; 64]].concat());
        garbage.push([UPGRADE.as_bytes(), &[0; 64]].concat());
    }
    let mut open: Vec<TcpStream> = Vec::new();
    for bytes in garbage {
        let mut stream = TcpStream::connect(cluster.address(0)).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        // It may be cut before all is written.
        let _written = stream.write_all(&bytes);
        let _read = stream.read(&mut [0; 1024]);
        // Any other gets its answer, and may ask on.
        if bytes.starts_with(UPGRADE.as_bytes()) {
            open.push(stream);
        }
        cluster.client(0).put("t", "k", "1").unwrap().expect(200);
    }
    let said = cluster.said(0);
    assert!(!said.contains("panicked"), "{said}");
    cluster.until_members(1);
    // Half a handshake is not waited for any longer than a handshake takes.
    for mut stream in open {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let ended = std::iter::repeat_with(|| stream.read(&mut [0; 1024])).take(64).any(|read| {
            read.map_or_else(|it| it.kind() != std::io::ErrorKind::WouldBlock, |it| it == 0)
        });
        assert!(ended, "a connection stays open");
    }
    let home = tempfile::tempdir().unwrap();
    let second: Node = joiner(&cluster, &home.path().join("data"), SECRET).start();
    second.client().put("t", "k", "2").unwrap().expect(200);
}
