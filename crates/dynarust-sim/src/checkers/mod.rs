//! What must hold of a cluster. The laws of what clients were told are in `dynarust-history`; here are those
//! that can be seen only from inside, one a file.
//!
//! | promise (design section 1) | checkers, of histories in *italics* |
//! | --- | --- |
//! | durable | *durable*, *indeterminate*, *exactly once* |
//! | available | [`available`], [`serves`] |
//! | convergent | [`convergence`], *convergent*, *whole*, [`copies`], [`membership`], [`whole`] |
//! | deleted is deleted | *no resurrection* |
//! | one winner | *conditions*, *convergent*, *linearizable*; that losers are counted is a test on real processes |
//! | fresh | *fresh*, *monotonic*, *linearizable*, *set* (of lists) |
//! | no gap | *stream*, *told* |
//! | bounded | [`bounded`] |
//! | no copy dropped early (section 4) | [`dropped`] |

pub(crate) mod available;
pub(crate) mod bounded;
pub(crate) mod convergence;
pub(crate) mod copies;
pub(crate) mod dropped;
pub(crate) mod membership;
pub(crate) mod serves;
pub(crate) mod whole;

use dynarust_history::checkers::told;

use crate::faults::Climate;
use crate::world::{READERS, SESSIONS, World};

/// Those that look while things happen; thoroughly where something is about to.
pub(crate) async fn on_the_way(world: &mut World, something_happens: bool) {
    let World { machines, keys, drops, rules, .. } = world;
    let mut found = bounded::check(machines, rules);
    // Nobody else drops a copy.
    if world.plan.climate == Climate::Members {
        let replication = rules.cluster.replication;
        found.extend(drops.look(machines, keys, replication, something_happens).await);
    }
    world.violations.extend(found);
}

/// All of them, once the cluster has had its time to converge.
pub(crate) async fn at_the_end(world: &mut World) {
    let mut found = Vec::new();
    found.extend(membership::check(&world.machines));
    found
        .extend(copies::check(&world.machines, &world.keys, world.rules.cluster.replication).await);
    found.extend(bounded::check_rest(&world.machines, world.rules.apply_interval).await);
    world.recorder.finals(convergence::finals(&world.machines, &world.keys).await);
    // Behind them, since it changes what they look at.
    let socket = world.socket_of_client(READERS + SESSIONS);
    found.extend(serves::check(&world.machines, &world.ids, socket).await);
    let known = world.known();
    let history = world.recorder.history();
    world.judged("connections at their end, by `told`", told::judged_count(&history, &known));
    world.judged("copies that were dropped", world.drops.judged as usize);
    found.extend(available::check(&history, &world.aways, &known));
    let violations = dynarust_history::check(&history, &known);
    found.extend(violations.into_iter().map(|violation| violation.to_string()));
    world.violations.extend(found);
}
