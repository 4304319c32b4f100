//! What must hold of a cluster. The laws of what clients were told are in `dynarust-history`; here are those
//! that can be seen only from inside, one a file.

pub(crate) mod bounded;
pub(crate) mod convergence;
pub(crate) mod copies;
pub(crate) mod membership;
pub(crate) mod whole;

use crate::world::World;

/// All of them, once the cluster has had its time to converge.
pub(crate) async fn at_the_end(world: &mut World) {
    let mut found = Vec::new();
    found.extend(membership::check(&world.machines));
    found.extend(copies::check(&world.machines, world.rules.cluster.replication).await);
    found.extend(bounded::check(&world.machines));
    world.recorder.finals(convergence::finals(&world.machines).await);
    let known = world.known();
    let history = world.recorder.history();
    let violations = dynarust_history::check(&history, &known);
    found.extend(violations.into_iter().map(|violation| violation.to_string()));
    world.violations.extend(found);
}
