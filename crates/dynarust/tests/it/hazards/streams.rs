//! Live streams whose readers are away while what they missed is tidied up.

use std::time::Duration;

use super::crowd::Crowd;
use super::stage::{HEALED_WITHIN, play};
use super::verdict::Promises;
use crate::cluster::nodes::Plan;

const SHORT: Duration = Duration::from_secs(7);

/// A reader comes back with an id from before deletes were forgotten (etcd): it is told that its history is not
/// there, and gets the state; it never goes on with a gap.
#[test]
fn a_gap_at_a_compaction() {
    let plan = Plan::default().flag("--tombstone-age=1s").flag("--apply-interval=100");
    let crowd = Crowd { readers: 6, away: Duration::from_secs(4), ..Crowd::default() };
    play("a gap at a compaction", plan.start(3), &crowd, Promises::Majority, |scene| {
        while scene.goes_on(SHORT) {
            scene.rest(1_000..3_000);
            let node = scene.any_node();
            scene.cluster.restart(node);
            scene.count("kills");
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
        }
    });
}
