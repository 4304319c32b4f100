//! What must hold of a cluster. The laws of what clients were told are in `dynarust-history`; here are those
//! that can be seen only from inside, one a file.

pub(crate) mod available;
pub(crate) mod bounded;
pub(crate) mod convergence;
pub(crate) mod copies;
pub(crate) mod membership;
pub(crate) mod serves;
pub(crate) mod whole;

use dynarust_history::checkers::told;

use crate::world::{READERS, SESSIONS, World};

/// All of them, once the cluster has had its time to converge.
pub(crate) async fn at_the_end(world: &mut World) {
    let mut found = Vec::new();
    found.extend(membership::check(&world.machines));
    found
        .extend(copies::check(&world.machines, &world.keys, world.rules.cluster.replication).await);
    found.extend(bounded::check(&world.machines));
    world.recorder.finals(convergence::finals(&world.machines, &world.keys).await);
    // Behind them, since it changes what they look at.
    let socket = world.socket_of_client(READERS + SESSIONS);
    found.extend(serves::check(&world.machines, &world.ids, socket).await);
    let known = world.known();
    let history = world.recorder.history();
    world.recorder.count_streams("judged by told", told::judged_count(&history, &known));
    found.extend(available::check(&history, &world.aways));
    let violations = dynarust_history::check(&history, &known);
    found.extend(violations.into_iter().map(|violation| violation.to_string()));
    world.violations.extend(found);
}
