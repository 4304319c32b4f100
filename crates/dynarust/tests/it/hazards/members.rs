//! Members that come, go, are wiped, and turn up where another was.

use std::time::Duration;

use rand::RngExt;

use super::crowd::Crowd;
use super::stage::{HEALED_WITHIN, play};
use super::verdict::Promises;
use crate::cluster::clocks::can_set_clocks;
use crate::cluster::nodes::{Cluster, Plan};

const SHORT: Duration = Duration::from_secs(5);

/// How far clocks are off, in seconds.
const SKEW: f64 = 0.2;

/// The node's folder is gone with all that it knew: a new one begins at its address, and the old one is taken
/// out of the cluster, as an operator does it.
pub(super) fn replace(cluster: &mut Cluster, node: usize) {
    let other = (node + 1) % 3;
    let lost = id_of(cluster, other, node);
    let _gone = std::fs::remove_dir_all(cluster.folder(node));
    cluster.set_join(node, Some(other));
    cluster.start_one(node);
    take_out(cluster, other, &lost);
}

/// A member that does not come back, by its id.
pub(super) fn take_out(cluster: &Cluster, asked: usize, lost: &str) {
    let asked = cluster.address(asked).to_string();
    cluster.within(HEALED_WITHIN, "the removal of what was lost", || {
        cluster.operate(&["remove", lost, &asked]).map(drop)
    });
}

/// The id of a node as another shows it.
pub(super) fn id_of(cluster: &Cluster, asked: usize, node: usize) -> String {
    let told = cluster.membership(asked).unwrap();
    let shown = &told["nodes"][cluster.address(node).to_string()];
    shown["id"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// A node that lost all it knew, and whose clock was ahead of the others', writes the same keys again (Riak's
/// kv679 and its like): what it gives them must be above what they had.
#[test]
fn no_key_goes_back_after_a_wipe() {
    if !can_set_clocks("no key goes back after a wipe") {
        return;
    }
    let cluster = Plan::default().clock(0, SKEW).clock(1, 0.0).clock(2, -SKEW).start(3);
    play("a wipe", cluster, &Crowd::default(), Promises::Apart, |scene| {
        for wiped in (0..3).cycle() {
            if !scene.goes_on(SHORT) {
                break;
            }
            scene.cluster.set_clock(wiped, SKEW);
            scene.until_acknowledged(100);
            scene.rest(0..1_000);
            scene.cluster.kill9(wiped);
            scene.cluster.set_clock(wiped, -SKEW);
            replace(scene.cluster, wiped);
            scene.count("wipes");
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
        }
    });
}

/// Keys are deleted and written again while one node is away, for longer than deletes are remembered: neither
/// does the old record come back with it, nor does the delete go over the new one.
#[test]
fn deleted_then_created_again() {
    let cluster = Plan::default().flag("--tombstone-age=1s").start(3);
    play("deleted then created again", cluster, &Crowd::default(), Promises::Majority, |scene| {
        while scene.goes_on(SHORT) {
            let away = scene.any_node();
            scene.cluster.kill9(away);
            scene.count("absences");
            scene.rest(1_500..3_500);
            scene.cluster.start_one(away);
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
            scene.rest(0..1_500);
        }
    });
}

/// Two nodes come back each at the other's address (openraft, Scylla): who they are is in their folders.
#[test]
fn an_address_used_again() {
    let cluster = Plan::default().start(3);
    play("an address used again", cluster, &Crowd::default(), Promises::Apart, |scene| {
        while scene.goes_on(SHORT) {
            scene.until_acknowledged(50);
            let one = scene.dice.random_range(0..3);
            let other = (one + scene.dice.random_range(1..3)) % 3;
            scene.cluster.kill9(one);
            scene.cluster.kill9(other);
            scene.cluster.swap_folders(one, other);
            scene.cluster.spawn(one);
            scene.cluster.spawn(other);
            scene.count("addresses swapped");
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
        }
        scene.until_acknowledged(50);
    });
}

/// A fourth and a fifth node come, and others go (Dgraph, Garage): no read misses what was acknowledged, and no
/// list.
#[test]
fn reads_over_a_change_of_members() {
    let plan = Plan::default().flag("--drop-after=1s").flag("--leave-on-term");
    play("a change of members", plan.start(3), &Crowd::default(), Promises::Majority, |scene| {
        loop {
            let comes = scene.cluster.add();
            scene.recorder.add_node(scene.cluster.address(comes));
            scene.cluster.start_one(comes);
            scene.doors.open(scene.cluster.address(comes));
            scene.count("joins");
            scene.cluster.until_members(scene.cluster.running().len());
            scene.rest(200..800);
            if scene.cluster.running().len() < 5 {
                continue;
            }
            for _ in 0..2 {
                let goes = scene.any_node();
                scene.cluster.terminate(goes);
                scene.doors.close(scene.cluster.address(goes));
                scene.count("leaves");
                scene.cluster.until_members(scene.cluster.running().len());
                scene.rest(200..800);
            }
            if !scene.goes_on(SHORT) {
                break;
            }
        }
    });
}
