//! Processes that are killed, and machines whose power fails: one after the other, and all at once.

use std::time::Duration;

use rand::RngExt;

use super::crowd::Crowd;
use super::stage::play;
use super::verdict::Promises;
use crate::cluster::nodes::{Cluster, Plan};
use crate::mount::can_mount;

const DISK_MEBIBYTES: u32 = 256;

const SHORT: Duration = Duration::from_secs(5);

fn on_disks() -> Cluster {
    Plan::default().on_disks(DISK_MEBIBYTES).start(3)
}

#[test]
fn one_after_the_other_is_killed_or_loses_its_power() {
    if !can_mount("one after the other loses its power") {
        return;
    }
    play("one loses its power", on_disks(), &Crowd::default(), Promises::Majority, |scene| {
        while scene.goes_on(SHORT) {
            scene.rest(100..1_000);
            let node = scene.any_node();
            if scene.dice.random_bool(0.5) {
                scene.cluster.kill9(node);
                scene.count("kills");
            } else {
                scene.cluster.cut_power(&[node]);
                scene.count("power cuts of one");
            }
            scene.rest(0..1_500);
            scene.cluster.start_one(node);
            // Two at once would be another promise: what only those two have is away.
            scene.cluster.until_members(3);
            scene.cluster.until_caught_up();
        }
    });
}

/// All lose their power at once (NATS 2.12): what was acknowledged before it was synced would be gone everywhere.
#[test]
fn acknowledged_before_synced() {
    if !can_mount("acknowledged before synced") {
        return;
    }
    play("acknowledged before synced", on_disks(), &Crowd::default(), Promises::Apart, |scene| {
        while scene.goes_on(SHORT) {
            scene.until_acknowledged(50);
            scene.rest(0..1_000);
            let all: Vec<usize> = scene.cluster.all().collect();
            scene.cluster.cut_power(&all);
            scene.count("power cuts of all");
            for &node in &all {
                scene.cluster.spawn(node);
            }
            scene.cluster.until_members_within(Duration::from_secs(10), 3);
        }
        scene.until_acknowledged(50);
    });
}
