//! Which answers bind which: what has to be seen by whom, and what explains that nothing is there.

use dynarust_core::{Consistency, Version};

use crate::circumstances::Circumstances;
use crate::ledger::{Account, At};
use crate::operation::{Action, Nanos, Operation};

/// Whether `later` has to see what `earlier` was told, which was over before.
///
/// By the table of consistencies (guarantees.md): two majorities of all owners have one in common; whoever
/// asks one owner sees what all have, and whoever asks all sees what one has; and by default that holds as
/// long as the circumstances let it. An answer that too few stood behind (`DynaRust-Replicas`) binds nobody,
/// and nothing binds it.
pub(crate) fn binds(
    circumstances: &dyn Circumstances,
    earlier: &Operation,
    later: &Operation,
) -> bool {
    if !earlier.is_before(later) || later.replicas.is_some() || !circumstances.kept(earlier) {
        return false;
    }
    match (earlier.consistency, later.consistency) {
        (_, Consistency::All) => true,
        // A read at `all` tells of no owner but the newest.
        (Consistency::All, Consistency::One) => earlier.is_write(),
        (Consistency::One, _) | (_, Consistency::One) => false,
        _ if earlier.replicas.is_some() => false,
        _ if earlier.is_strict() && later.is_strict() => true,
        _ => circumstances.fresh(earlier, later),
    }
}

/// Whether of two tries of one request the second has to know of the first.
pub(crate) fn are_one(
    circumstances: &dyn Circumstances,
    one: &Operation,
    other: &Operation,
) -> bool {
    let alone = |it: &Operation| it.consistency == Consistency::One || it.replicas.is_some();
    // What nobody was told of may still be under way.
    let over = !one.is_open() && !other.is_open();
    if over && (one.is_before(other) || other.is_before(one)) {
        return binds(circumstances, one, other) || binds(circumstances, other, one);
    }
    !alone(one) && !alone(other) && circumstances.agreed(one, other)
}

/// Whether nothing may be there, by this time, although this version was: something that ends a record is
/// above it, or may be.
pub(crate) fn may_be_absent(
    account: &Account<'_>,
    floor: Version,
    until: Nanos,
    clock_slack: Nanos,
) -> bool {
    let above = |write: &At<'_>| {
        let it = write.operation;
        it.is_open() || it.acknowledged().is_some_and(|version| version >= floor)
    };
    account.writes.iter().any(|write| {
        let ends = match write.operation.action {
            Action::Delete { .. } => Some(write.operation.invoked),
            Action::Put { ttl, .. } => ttl.map(|ttl| deadline(write.operation, ttl, clock_slack).0),
            Action::Patch { .. } | Action::Get | Action::Scan => None,
        };
        ends.is_some_and(|ends| ends <= until) && above(write)
    })
}

/// Between which moments a record's time is over, on any node's clock; nothing for the second where it
/// is not known when it was written.
pub(crate) fn deadline(
    write: &Operation,
    ttl: Nanos,
    clock_slack: Nanos,
) -> (Nanos, Option<Nanos>) {
    let first = write.invoked.saturating_add(ttl).saturating_sub(clock_slack);
    let last = write.returned.filter(|_| write.acknowledged().is_some());
    (first, last.map(|returned| returned.saturating_add(ttl).saturating_add(clock_slack)))
}

/// Of some that were told something before, the highest version first: the first that binds `later` and is
/// above what it was told. Nothing where there is none.
pub(crate) fn first_above<'a, 'h>(
    circumstances: &dyn Circumstances,
    told: &'a [(Version, At<'h>)],
    later: &Operation,
    version: Option<Version>,
) -> Option<&'a (Version, At<'h>)> {
    let above = told.iter().rev().take_while(|(told, _)| Some(*told) > version);
    let mut bound = above.filter(|(_, earlier)| binds(circumstances, earlier.operation, later));
    bound.next()
}
