//! kill -9 of one node of three after the other, under load.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::agreement::lasting;
use super::doors::Doors;
use super::nodes::Cluster;
use super::oracle::{Oracle, Promise};
use super::workload::{TABLE, Workload};
use crate::seed::dice;

const KEYS: usize = 64;

/// The long form is `DYNARUST_CLUSTER_SECONDS=300`.
#[test]
fn kills_in_turns_lose_nothing() {
    let mut dice = dice("kills");
    let mut cluster = Cluster::start(3);
    let doors = Doors::new(cluster.addresses());
    let oracle = Oracle::new(KEYS, Promise::Fresh);
    let lasting = lasting(Duration::from_secs(8));
    let moments: Vec<(Duration, Duration)> = std::iter::repeat_with(|| {
        let moment =
            |dice: &mut rand::rngs::StdRng| Duration::from_millis(dice.random_range(50..1500));
        (moment(&mut dice), moment(&mut dice))
    })
    .take(1000)
    .collect();
    let (kills, _) = Workload::default().run(&doors, &oracle, &mut dice, || {
        let began = Instant::now();
        let mut kills = 0;
        for (node, (alive, dead)) in (0..3).cycle().zip(moments) {
            if began.elapsed() > lasting {
                break;
            }
            std::thread::sleep(alive);
            cluster.kill9(node);
            std::thread::sleep(dead);
            cluster.start_one(node);
            kills += 1;
            // Two at once would be another promise: what only those two have is away.
            cluster.until_members(3);
            cluster.until_caught_up();
        }
        kills
    });
    let last = cluster.until_equal(TABLE);
    eprintln!("{kills} kills");
    oracle.assert_kept(&last);
}
