//! Disks that are slow, fail, and fill up. Those that rot and lose files are in `rot`.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::time::Duration;

use rand::RngExt;

use super::crowd::Crowd;
use super::stage::{HEALED_WITHIN, Scene, play};
use super::verdict::Promises;
use crate::cluster::nodes::{Cluster, Plan};
use crate::mount::can_mount;

const SHORT: Duration = Duration::from_secs(5);

/// `strace` becomes the node, and does this to each of its syncs.
fn with_syncs(injected: &str) -> [String; 8] {
    [
        "strace".to_owned(),
        "-D".to_owned(),
        "-f".to_owned(),
        "--seccomp-bpf".to_owned(),
        "--quiet=all".to_owned(),
        "-o/dev/null".to_owned(),
        "-etrace=fdatasync".to_owned(),
        format!("-einject=fdatasync:{injected}"),
    ]
}

fn wrap(cluster: &mut Cluster, node: usize, injected: Option<&str>) {
    let program = injected.map(with_syncs);
    let words: Vec<&str> = program.iter().flatten().map(String::as_str).collect();
    cluster.wrap(node, &words);
}

/// One node after the other waits long for its disk; the others go on, and nothing that it acknowledges is
/// less durable for that.
#[test]
fn syncs_that_take_long() {
    let cluster = Plan::default().start(3);
    play("slow syncs", cluster, &Crowd::default(), Promises::Majority, |scene| {
        for slow in (0..3).cycle() {
            if !scene.goes_on(SHORT) {
                break;
            }
            wrap(scene.cluster, slow, Some("delay_exit=250000"));
            scene.cluster.restart(slow);
            scene.count("nodes with slow syncs");
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
            scene.rest(1_000..2_000);
            wrap(scene.cluster, slow, None);
            scene.cluster.restart(slow);
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
        }
    });
}

/// A sync that fails: the node stops at once, with the reason, and what it had not synced it never
/// acknowledged.
#[test]
fn syncs_that_fail() {
    let cluster = Plan::default().start(3);
    play("failing syncs", cluster, &Crowd::default(), Promises::Majority, |scene| {
        for failing in (0..3).cycle() {
            if !scene.goes_on(SHORT) {
                break;
            }
            let nth = scene.dice.random_range(20..120);
            wrap(scene.cluster, failing, Some(&format!("error=EIO:when={nth}+")));
            scene.cluster.restart(failing);
            let status = scene.cluster.until_ended(failing);
            let said = scene.cluster.said(failing);
            assert!(!status.success() && said.contains("sync"), "{status}: {said}");
            scene.count("failed syncs");
            wrap(scene.cluster, failing, None);
            scene.cluster.start_one(failing);
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
        }
    });
}

/// Big enough for what the node keeps in reserve, and small enough to be filled.
const DISK_MEBIBYTES: u32 = 96;

/// The disk of one node is full, then that of another, then all: whoever can't write says so and loses nothing,
/// and all go on once there is room.
#[test]
fn disks_that_are_full() {
    if !can_mount("disks that are full") {
        return;
    }
    let cluster = Plan::default().on_disks(DISK_MEBIBYTES).start(3);
    play("full disks", cluster, &Crowd::default(), Promises::Majority, |scene| {
        for one in (0..3).cycle() {
            if !scene.goes_on(SHORT) {
                break;
            }
            fill(scene, one);
            // The others have a majority, and go on.
            scene.until_acknowledged(100);
            for other in [(one + 1) % 3, (one + 2) % 3] {
                fill(scene, other);
            }
            until_refused(scene.cluster, one);
            scene.rest(200..500);
            for node in 0..3 {
                std::fs::remove_file(scene.cluster.disk(node).join("ballast")).unwrap();
            }
            scene.until_acknowledged(100);
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
        }
    });
}

/// What the nodes had in reserve is used up, too.
fn until_refused(cluster: &Cluster, node: usize) {
    let (mut client, value) = (cluster.client(node), format!("\"{}\"", "x".repeat(200_000)));
    let answer = (0..2_000)
        .map(|nth| client.put("filler", &(nth % 20).to_string(), &value).unwrap())
        .find(|answer| answer.status != 200);
    let answer = answer.expect("every disk is full, and all is acknowledged");
    assert!(matches!(answer.status, 503 | 507), "{answer:?}");
}

/// Takes what is left of a node's disk.
fn fill(scene: &mut Scene<'_>, node: usize) {
    static CHUNK: [u8; 64 << 10] = [0; 64 << 10];
    let mut file = File::create(scene.cluster.disk(node).join("ballast")).unwrap();
    let full = std::iter::repeat_with(|| file.write_all(&CHUNK)).find_map(Result::err).unwrap();
    assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    scene.count("disks filled");
}
