//! Agreement: all nodes know the same members, and each at the start at which it is.

use crate::machine::Machine;

/// What is wrong.
pub(crate) fn check(machines: &[Machine]) -> Vec<String> {
    let views = machines.iter().filter_map(|machine| {
        let node = machine.node()?;
        let members = node.membership().members;
        let members = members.iter().map(|it| (it.id, it.incarnation, it.address.clone()));
        Some((machine.number, members.collect::<Vec<_>>()))
    });
    let views: Vec<_> = views.collect();
    let Some((first, view)) = views.first() else {
        return Vec::new();
    };
    let differ = views.iter().filter(|(_, other)| other != view);
    differ
        .map(|(number, other)| {
            format!("membership: node {first} knows {view:?}, node {number} knows {other:?}")
        })
        .collect()
}
