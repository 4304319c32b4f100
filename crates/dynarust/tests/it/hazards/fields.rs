//! Values whose fields belong together, written by many to one key at once.

use std::time::Duration;

use rand::RngExt;

use super::crowd::Crowd;
use super::stage::{HEALED_WITHIN, Scene, play};
use super::verdict::Promises;
use crate::cluster::clocks::can_set_clocks;
use crate::cluster::hosts::{Hosts, can_have_hosts};
use crate::cluster::nodes::Plan;

const SHORT: Duration = Duration::from_secs(5);

/// By how many seconds a clock may be off and be trusted.
const TRUSTED: f64 = 0.2;

/// One key a second, which all nodes write and patch at any moment, by clocks that are apart; each on its side of a
/// split, until they meet. Every field of a value says whose it is: nobody is shown some of one write and some of
/// another (Scylla), and a patch is whole or not there.
#[test]
fn no_mixed_fields() {
    if !can_set_clocks("no mixed fields") || !can_have_hosts("no mixed fields") {
        return;
    }
    let plan = Plan::default().clock(0, TRUSTED).clock(1, 0.0).clock(2, -TRUSTED);
    let crowd = Crowd {
        strict: 0,
        judged: 2,
        plain: 0,
        mixed: 12,
        members: 0,
        listers: 0,
        readers: 3,
        pause: Duration::from_millis(1),
        keys_per_second: 1,
        ..Crowd::default()
    };
    play("mixed fields", plan.on(Hosts::new(3)).start(3), &crowd, Promises::Apart, |scene| {
        let kinds = [split, killed, cut_one_way];
        for (round, harm) in kinds.into_iter().cycle().enumerate() {
            if round >= kinds.len() && !scene.goes_on(SHORT) {
                break;
            }
            for node in 0..3 {
                let ahead = scene.dice.random_range(-TRUSTED..TRUSTED);
                scene.cluster.set_clock(node, ahead);
            }
            let node = scene.any_node();
            harm(scene, node);
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.rest(200..800);
        }
        scene.until_acknowledged(50);
    });
}

/// Long enough that both sides know, and go on without each other.
fn split(scene: &mut Scene<'_>, node: usize) {
    scene.cluster.hosts().split(&[node]);
    scene.count("splits");
    scene.rest(1_500..3_000);
    scene.cluster.hosts().heal();
}

fn cut_one_way(scene: &mut Scene<'_>, node: usize) {
    scene.cluster.hosts().cut_one_way(node, (node + 1) % 3);
    scene.count("cuts of one way");
    scene.rest(500..2_000);
    scene.cluster.hosts().heal();
}

fn killed(scene: &mut Scene<'_>, node: usize) {
    scene.cluster.kill9(node);
    scene.count("kills");
    scene.rest(0..1_000);
    scene.cluster.start_one(node);
}
