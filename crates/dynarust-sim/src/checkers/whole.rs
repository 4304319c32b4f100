//! Whole: every node that runs is ready, sees all others, serves what it is to own, and has missed nothing.

use dynarust_node::Status;

use crate::machine::Machine;

/// Whether all that run are whole.
pub(crate) fn are_whole(machines: &[Machine]) -> bool {
    let up = machines.iter().filter(|machine| machine.is_up()).count();
    machines.iter().all(|machine| is_whole(machine, up))
}

fn is_whole(machine: &Machine, up: usize) -> bool {
    let Some(node) = machine.node() else {
        return true;
    };
    let stats = node.stats().cluster;
    let members = node.membership().members;
    node.readiness().is_well()
        && members.len() == up
        && members.iter().all(|member| member.status == Status::Active)
        && stats.feeds_behind == 0
        && stats.partitions_waiting == 0
        && stats.partitions_surplus == 0
        && stats.partitions_dropping == 0
}

/// How a machine does, in words.
pub(crate) fn state(machine: &Machine) -> String {
    let number = machine.number;
    let Some(node) = machine.node() else {
        return format!("node {number} is down");
    };
    let stats = node.stats().cluster;
    let members = node.membership().members;
    let members = members.iter().map(|it| format!("{} {:?}", it.id, it.status));
    format!(
        "node {number} ({}): {:?}, members {:?}, behind in {} feeds, {} partitions waiting, {} surplus, {} dropping",
        node.id(),
        node.readiness().reasons,
        members.collect::<Vec<_>>(),
        stats.feeds_behind,
        stats.partitions_waiting,
        stats.partitions_surplus,
        stats.partitions_dropping,
    )
}
