//! The ways between nodes: cut, one way and both, and full of packets that come late, twice, out of order, or
//! not at all.

use std::time::Duration;

use rand::RngExt;

use super::crowd::Crowd;
use super::stage::{HEALED_WITHIN, Scene, play};
use super::verdict::Promises;
use crate::cluster::hosts::{Hosts, can_have_hosts};
use crate::cluster::nodes::{Cluster, Plan};
use crate::cluster::switch::Way;

const SHORT: Duration = Duration::from_secs(5);

fn on_hosts() -> Cluster {
    Plan::default().on(Hosts::new(3)).start(3)
}

/// Two nodes take each other for dead, and a third hears both, or only one of them; or one is alone.
#[test]
fn both_sides_think_the_other_dead() {
    if !can_have_hosts("both sides think the other dead") {
        return;
    }
    play("both sides dead", on_hosts(), &Crowd::default(), Promises::Apart, |scene| {
        while scene.goes_on(SHORT) {
            cut_something(scene);
            scene.rest(1_000..2_500);
            scene.cluster.hosts().heal();
            scene.rest(200..1_500);
        }
        scene.cluster.until_members_within(HEALED_WITHIN, 3);
        scene.until_acknowledged(50);
    });
}

fn cut_something(scene: &mut Scene<'_>) {
    let one = scene.dice.random_range(0..3);
    let other = (one + scene.dice.random_range(1..3)) % 3;
    let hosts = scene.cluster.hosts();
    match scene.dice.random_range(0..4) {
        0 => hosts.split(&[one]),
        1 => hosts.cut(one, other),
        2 => hosts.cut_one_way(one, other),
        // A ring in which each hears one of the others.
        _ => (0..3).for_each(|node| hosts.cut_one_way(node, (node + 1) % 3)),
    }
    scene.count("cuts");
}

#[test]
fn packets_come_late_twice_out_of_order_or_never() {
    if !can_have_hosts("packets that come late, twice, out of order or never") {
        return;
    }
    play("bad weather", on_hosts(), &Crowd::default(), Promises::Apart, |scene| {
        while scene.goes_on(SHORT) {
            let millis = |scene: &mut Scene<'_>, most| {
                Duration::from_millis(scene.dice.random_range(0..most))
            };
            let way = Way {
                delay: millis(scene, 20),
                jitter: millis(scene, 80),
                lost_percent: scene.dice.random_range(0..8),
                doubled_percent: scene.dice.random_range(0..30),
                ..Way::default()
            };
            scene.cluster.hosts().disturb_all(way);
            scene.count("changes of the weather");
            scene.rest(1_000..3_000);
        }
        scene.cluster.hosts().heal();
        scene.cluster.until_members_within(HEALED_WITHIN, 3);
        scene.until_acknowledged(50);
    });
}
