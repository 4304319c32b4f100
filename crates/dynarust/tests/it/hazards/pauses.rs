//! Nodes that stand still for longer than anybody waits for them, go on, and do not know that they did.

use std::time::Duration;

use super::crowd::Crowd;
use super::stage::{HEALED_WITHIN, lasting, play};
use super::verdict::Promises;
use crate::cluster::nodes::{Cluster, Plan};

/// The shortest after which the others give a node up.
const EVICTED_AFTER: Duration = Duration::from_secs(10);

/// One stands still until the others have given it up (Aerospike): when it goes on, whatever it says or takes
/// in of its own would be of yesterday.
#[test]
fn a_pause_past_every_timeout() {
    let cluster = Plan::default().flag("--evict-after=10s").start(3);
    play("a pause past every timeout", cluster, &Crowd::default(), Promises::Apart, |scene| {
        let rounds = lasting(EVICTED_AFTER).as_secs() / 30 + 1;
        for paused in (0..3).cycle().take(usize::try_from(rounds).unwrap()) {
            scene.until_acknowledged(50);
            scene.cluster.stop(paused);
            scene.count("pauses past the eviction");
            std::thread::sleep(EVICTED_AFTER);
            scene.until_acknowledged(20);
            until_given_up(scene.cluster, paused);
            scene.cluster.cont(paused);
            // It hears of it, and comes back as another member.
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
        }
        scene.until_acknowledged(50);
    });
}

fn until_given_up(cluster: &Cluster, paused: usize) {
    let other = (paused + 1) % 3;
    cluster.within(HEALED_WITHIN, "the eviction", || {
        let told = cluster.membership(other)?;
        let shown = &told["nodes"][cluster.address(paused).to_string()];
        if shown.is_null() { Ok(()) } else { Err(shown.to_string()) }
    });
}
