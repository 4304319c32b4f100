//! Clocks that are apart, step and drift, under writers who go from node to node.

use std::time::Duration;

use rand::RngExt;

use super::crowd::Crowd;
use super::stage::{HEALED_WITHIN, Scene, play};
use super::verdict::Promises;
use crate::cluster::clocks::can_set_clocks;
use crate::cluster::nodes::{Cluster, Plan};

const SHORT: Duration = Duration::from_secs(5);

/// By how many seconds a clock may be off and be trusted: half a second between any two.
const TRUSTED: f64 = 0.2;

const AN_HOUR: f64 = 3600.0;

fn with_own_clocks() -> Cluster {
    Plan::default().clock(0, TRUSTED).clock(1, 0.0).clock(2, -TRUSTED).start(3)
}

/// Who writes later through a node whose clock is behind must not lose against who wrote before through one
/// whose clock is ahead (Garage).
#[test]
fn the_last_write_wins_under_skew() {
    if !can_set_clocks("the last write wins under skew") {
        return;
    }
    play("skew", with_own_clocks(), &Crowd::default(), Promises::All, |scene| {
        while scene.goes_on(SHORT) {
            for node in 0..3 {
                let ahead = scene.dice.random_range(-TRUSTED..TRUSTED);
                scene.cluster.set_clock(node, ahead);
                scene.count("steps of a clock");
            }
            scene.rest(50..1_000);
        }
    });
}

/// One clock is an hour off in either direction, or runs away from the others; that node keeps out until it is
/// set right.
#[test]
fn one_clock_steps_by_an_hour_and_drifts() {
    if !can_set_clocks("one clock steps by an hour") {
        return;
    }
    play("an hour off", with_own_clocks(), &Crowd::default(), Promises::Apart, |scene| {
        while scene.goes_on(SHORT) {
            let node = scene.any_node();
            match scene.dice.random_range(0..3) {
                0 => scene.cluster.set_clock(node, AN_HOUR),
                1 => scene.cluster.set_clock(node, -AN_HOUR),
                _ => drift(scene, node),
            }
            scene.count("clocks an hour off, or drifting");
            scene.rest(800..2_000);
            scene.cluster.set_clock(node, 0.0);
            until_trusted(scene.cluster, node);
            scene.rest(100..500);
        }
        scene.until_acknowledged(50);
    });
}

/// Ten seconds in one.
fn drift(scene: &Scene<'_>, node: usize) {
    let faster = if scene.recorder.second().is_multiple_of(2) { 0.5 } else { -0.5 };
    for step in 0..20 {
        scene.cluster.set_clock(node, faster * f64::from(step));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn until_trusted(cluster: &Cluster, node: usize) {
    cluster.within(HEALED_WITHIN, "a node whose clock is trusted", || {
        let ready = cluster.client(node).get("/readyz").map_err(|it| format!("{it:?}"))?;
        let said = String::from_utf8_lossy(&ready.body).into_owned();
        if ready.status == 200 { Ok(()) } else { Err(said) }
    });
}
