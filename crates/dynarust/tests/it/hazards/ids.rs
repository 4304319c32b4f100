//! Folders that hold an id which the others know from elsewhere: one that was put back from a copy, and copies of
//! one whose node is there (openraft, Scylla).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rand::RngExt;

use super::crowd::Crowd;
use super::members::{id_of, take_out};
use super::rot::until_it_lacks_nothing;
use super::stage::{HEALED_WITHIN, Scene, play};
use super::verdict::Promises;
use crate::cluster::clocks::can_set_clocks;
use crate::cluster::nodes::{Cluster, Plan, SECRET};
use crate::node::{Launch, Node, wait_for};

const SHORT: Duration = Duration::from_secs(5);

/// How far clocks are off, in seconds.
const SKEW: f64 = 0.2;

fn with_own_clocks() -> Cluster {
    Plan::default().clock(0, 0.0).clock(1, 0.0).clock(2, 0.0).start(3)
}

/// Nobody takes what an older self of a node says for the node's own word: of a folder that was put back the others
/// know a later start, and of two nodes with one id they know one. The other is turned away, or comes as another
/// node. A clock goes back with its folder.
#[test]
fn an_id_used_again() {
    if !can_set_clocks("an id used again") {
        return;
    }
    play("an id used again", with_own_clocks(), &Crowd::default(), Promises::Majority, |scene| {
        let steps = [put_back_from_a_copy, cloned, cloned_and_started_again, cloned_and_behind];
        for (round, step) in steps.into_iter().cycle().enumerate() {
            if round >= steps.len() && !scene.goes_on(SHORT) {
                break;
            }
            let node = scene.any_node();
            step(scene, node);
            until_whole(scene);
        }
        scene.until_acknowledged(50);
    });
}

/// A folder is put back as it was one start ago, and counts the same start as the others know: to them it is the
/// node, which lost something without a trace. Nothing is lost everywhere, and what it lacks it gets.
#[test]
fn an_id_used_again_unnoticed() {
    if !can_set_clocks("an id used again unnoticed") {
        return;
    }
    play("unnoticed", with_own_clocks(), &Crowd::default(), Promises::Forgetful, |scene| {
        for round in 0.. {
            if round >= 2 && !scene.goes_on(SHORT) {
                break;
            }
            let node = scene.any_node();
            let copy = copied(scene, node);
            start_again(scene, node);
            put_back(scene.cluster, node, &copy);
            scene.count("folders put back");
            until_whole(scene);
            until_it_lacks_nothing(scene.cluster, node);
        }
        scene.until_acknowledged(50);
    });
}

/// The folder is as it was two starts ago: its node comes back as a new one.
fn put_back_from_a_copy(scene: &mut Scene<'_>, node: usize) {
    let copy = copied(scene, node);
    start_again(scene, node);
    start_again(scene, node);
    let former = id_of(scene.cluster, other_than(node), node);
    put_back(scene.cluster, node, &copy);
    let said = scene.cluster.said(node);
    assert!(said.contains("knows a later start of it") && said.contains("as a new"), "{said}");
    scene.count(if said.contains("with the records") { "put back" } else { "put back, and aside" });
    take_out(scene.cluster, other_than(node), &former);
    until_whole(scene);
    assert_ne!(id_of(scene.cluster, other_than(node), node), former);
}

/// The copy counts the same start as the node that is there: it ends, and says why, and the node stays.
fn cloned(scene: &mut Scene<'_>, node: usize) {
    let copy = copied(scene, node);
    start_again(scene, node);
    let id = id_of(scene.cluster, other_than(node), node);
    // At the node itself, or at another.
    let asked = scene.any_node();
    let launch = launch_of_copy(&copy, scene.cluster, asked);
    let mut clone = launch.spawn();
    let status = wait_for("the end of a clone", || clone.has_ended());
    let said = launch.said();
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(!status.success() && last.contains("is a copy of another node's"), "{status}: {said}");
    scene.count("clones that were refused");
    assert_eq!(scene.cluster.has_ended(node), None);
    assert_eq!(id_of(scene.cluster, other_than(node), node), id);
    std::fs::remove_dir_all(copy).unwrap();
}

/// The refused copy is started once more, as a supervisor would: that counts as the next start of the node, which
/// hears of it and comes back as another, with what it has.
fn cloned_and_started_again(scene: &mut Scene<'_>, node: usize) {
    let copy = copied(scene, node);
    start_again(scene, node);
    let id = id_of(scene.cluster, other_than(node), node);
    let launch = launch_of_copy(&copy, scene.cluster, other_than(node)).flag("--leave-on-term");
    assert!(launch.try_start().is_err(), "{}", launch.said());
    let clone = launch.start();
    scene.count("clones that took the id");
    is_one_of_four(scene, &launch, clone);
    assert_ne!(id_of(scene.cluster, other_than(node), node), id);
    std::fs::remove_dir_all(copy).unwrap();
}

/// The copy counts fewer starts than the others know of: it becomes a member of its own, with what it has.
fn cloned_and_behind(scene: &mut Scene<'_>, node: usize) {
    let copy = copied(scene, node);
    start_again(scene, node);
    start_again(scene, node);
    let id = id_of(scene.cluster, other_than(node), node);
    let launch = launch_of_copy(&copy, scene.cluster, other_than(node)).flag("--leave-on-term");
    let clone = launch.start();
    let kept = launch.said().contains("with the records");
    scene.count(if kept { "clones that became others" } else { "clones that came empty" });
    is_one_of_four(scene, &launch, clone);
    assert_eq!(id_of(scene.cluster, other_than(node), node), id);
    std::fs::remove_dir_all(copy).unwrap();
}

/// The clone is a member for a while, which clients ask too, and leaves.
fn is_one_of_four(scene: &mut Scene<'_>, launch: &Launch, clone: Node) {
    scene.recorder.add_node(launch.address());
    scene.doors.open(launch.address());
    scene.cluster.until_members_within(HEALED_WITHIN, 4);
    scene.until_acknowledged(50);
    clone.terminate();
    scene.doors.close(launch.address());
}

/// Ends the node, one way or the other, and copies its folder.
fn copied(scene: &mut Scene<'_>, node: usize) -> PathBuf {
    scene.until_acknowledged(50);
    if scene.dice.random() {
        scene.cluster.terminate(node);
    } else {
        scene.cluster.kill9(node);
    }
    let folder = scene.cluster.folder(node);
    let copy = folder.with_extension("copy");
    assert!(!copy.exists(), "{}", copy.display());
    assert!(Command::new("cp").arg("-a").args([&folder, &copy]).status().unwrap().success());
    copy
}

/// The node is killed, and started on the copy.
fn put_back(cluster: &mut Cluster, node: usize, copy: &Path) {
    cluster.kill9(node);
    cluster.set_clock(node, -SKEW);
    std::fs::remove_dir_all(cluster.folder(node)).unwrap();
    std::fs::rename(copy, cluster.folder(node)).unwrap();
    cluster.start_one(node);
}

/// One more start, of which the others hear, with a clock that is ahead; and what is written since is not in the copy.
fn start_again(scene: &mut Scene<'_>, node: usize) {
    scene.cluster.set_clock(node, SKEW);
    scene.cluster.restart(node);
    until_whole(scene);
    scene.until_acknowledged(50);
}

fn until_whole(scene: &Scene<'_>) {
    scene.cluster.until_members_within(HEALED_WITHIN, 3);
    scene.cluster.until_caught_up();
}

/// A node on the copy, at an address of its own, that joins that one.
fn launch_of_copy(copy: &Path, cluster: &Cluster, asked: usize) -> Launch {
    let mut launch = Launch::new(copy).environment("CLUSTER_SECRET", SECRET);
    launch.set_join(Some(cluster.address(asked).to_string()));
    launch
}

fn other_than(node: usize) -> usize {
    (node + 1) % 3
}
