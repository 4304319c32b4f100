//! A key's account as steps of a register: what took effect for sure, what may have, and what was told.

use std::collections::{BTreeMap, BTreeSet};

use dynarust_core::{Consistency, Version};

use super::register::{Asked, What};
use crate::ledger::{Account, At};
use crate::operation::{Action, Guard, Nanos, Operation, Outcome, Seen, WriteId};
use crate::search::Step;

pub(super) type Steps<'h> = (Vec<Step<Asked>>, Vec<At<'h>>);

/// The account as steps of a register, and which operation each of them is.
pub(super) fn steps_of<'h>(account: &Account<'h>, clock_slack: Nanos) -> Steps<'h> {
    let seen = versions_seen(account);
    let blind = account.writes.iter().all(|write| {
        let delete = matches!(write.operation.action, Action::Delete { .. });
        !delete && write.operation.guard() == Guard::None
    });
    let (mut steps, mut whose) = Steps::default();
    let mut push = |step: Step<Asked>, at: At<'h>| {
        steps.push(step);
        whose.push(at);
    };
    for (at, write) in requests(account) {
        let seen = write.write_id().and_then(|id| seen.get(&id));
        write_steps(&write, seen, blind).into_iter().for_each(|step| push(step, at));
        expiry(&write, clock_slack).into_iter().for_each(|step| push(step, at));
    }
    for &(read, seen) in &account.reads {
        read_step(read.operation, seen).into_iter().for_each(|step| push(step, read));
    }
    (steps, whose)
}

/// The writes, each with all its repeats: it began with the first try, and was over with the first that
/// was acknowledged.
fn requests<'h>(account: &Account<'h>) -> Vec<(At<'h>, Operation)> {
    let request = |first: At<'h>| {
        let key = first.operation.request_key.as_ref();
        let again = |at: &&At<'h>| key.is_some() && at.operation.request_key.as_ref() == key;
        let tries = || account.writes.iter().filter(again).map(|at| at.operation);
        let acknowledged = tries().filter(|it| it.acknowledged().is_some());
        let answer = acknowledged.min_by_key(|it| it.returned).or(tries().find(|it| it.is_open()));
        let mut whole = answer.unwrap_or(first.operation).clone();
        whole.invoked = first.operation.invoked;
        (first, whole)
    };
    account.firsts().map(request).collect()
}

/// Under which versions each write was shown.
fn versions_seen(account: &Account<'_>) -> BTreeMap<WriteId, BTreeSet<Version>> {
    let mut seen: BTreeMap<WriteId, BTreeSet<Version>> = BTreeMap::new();
    for sighting in &account.sightings {
        if let Seen::Value { version, content } = sighting.seen {
            let last = content.patches.last().copied().unwrap_or(content.put);
            seen.entry(last).or_default().insert(*version);
        }
    }
    seen
}

/// Too few stood behind its answer for others to be held to it.
fn is_weak(operation: &Operation) -> bool {
    operation.consistency == Consistency::One || operation.replicas.is_some()
}

fn write_steps(
    write: &Operation,
    seen: Option<&BTreeSet<Version>>,
    blind: bool,
) -> Vec<Step<Asked>> {
    let what = match write.action {
        Action::Put { id, .. } => What::Put(id),
        Action::Patch { id, .. } => What::Patch(id),
        Action::Delete { .. } => What::Delete,
        Action::Get | Action::Scan => return Vec::new(),
    };
    let guard = write.guard();
    let step = |version: Option<Version>, ended: Option<Nanos>, certain: bool| Step {
        action: Asked {
            what: what.clone(),
            guard,
            version,
            began: write.invoked,
            answered: (!write.is_open()).then_some(write.returned).flatten(),
        },
        began: write.invoked,
        ended,
        certain,
    };
    let seen = || seen.into_iter().flatten().copied();
    match &write.outcome {
        Outcome::Acknowledged { version } if !is_weak(write) => {
            let earlier = seen().filter(|seen| seen != version);
            let earlier = earlier.map(|seen| step(Some(seen), write.returned, false));
            // Of a delete no read tells the version at which it saw nothing.
            let unseen = matches!(what, What::Delete).then(|| step(None, write.returned, false));
            let last = step(Some(*version), write.returned, true);
            [last].into_iter().chain(unseen).chain(earlier).collect()
        }
        Outcome::Acknowledged { version } => {
            let versions: BTreeSet<Version> = seen().chain([*version]).collect();
            versions.into_iter().map(|version| step(Some(version), None, false)).collect()
        }
        Outcome::Indeterminate if seen().next().is_some() => {
            seen().map(|version| step(Some(version), None, false)).collect()
        }
        // A value that nobody saw makes a difference only to who asks whether there is one.
        Outcome::Indeterminate if blind => Vec::new(),
        Outcome::Indeterminate => vec![step(None, None, false)],
        Outcome::Refused { .. } => refusal(write).into_iter().collect(),
        Outcome::Read(_) | Outcome::Listed(_) => Vec::new(),
    }
}

/// What a refusal tells of what was there.
fn refusal(write: &Operation) -> Option<Step<Asked>> {
    let Outcome::Refused { status, .. } = write.outcome else { return None };
    let what = match status {
        404 => What::Read(None),
        412 => What::Miss,
        _ => return None,
    };
    let action = Asked {
        what,
        guard: write.guard(),
        version: None,
        began: write.invoked,
        answered: write.returned,
    };
    let told = !is_weak(write) && write.returned.is_some();
    told.then_some(Step { action, began: write.invoked, ended: write.returned, certain: true })
}

fn read_step(read: &Operation, seen: &Seen) -> Option<Step<Asked>> {
    let content = match seen {
        Seen::Value { content, .. } => Some(content.clone()),
        Seen::Absent { .. } => None,
        // The whole checker's business.
        Seen::Garbled { .. } => return None,
    };
    let action = Asked {
        what: What::Read(content),
        guard: Guard::None,
        version: seen.version(),
        began: read.invoked,
        answered: read.returned,
    };
    let told = !is_weak(read) && read.returned.is_some();
    told.then_some(Step { action, began: read.invoked, ended: read.returned, certain: true })
}

/// A record may be over from its deadline on; that it has to be is another law.
fn expiry(write: &Operation, clock_slack: Nanos) -> Option<Step<Asked>> {
    let Action::Put { id, ttl: Some(ttl), .. } = write.action else { return None };
    let action = Asked {
        what: What::Expire(id),
        guard: Guard::None,
        version: None,
        began: write.invoked,
        answered: None,
    };
    let began = write.invoked.saturating_add(ttl).saturating_sub(clock_slack);
    Some(Step { action, began, ended: None, certain: false })
}
