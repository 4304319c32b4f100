//! A request under an idempotency key counts once, however often it is sent; and a patch counts once anyway.
//!
//! The promise: "a write with an `Idempotency-Key` that is repeated within 10 minutes takes effect once, and
//! each repeat gets the first answer", "retries at another node" (guarantees.md). It holds:
//!
//! - between two repeats of which the first binds the second (`bonds.rs`): `quorum` and `quorum` always,
//!   by default in spans that [`Circumstances::fresh`] names;
//! - between two that are under way at the same time, while the owners agree ([`Circumstances::agreed`]);
//! - of a PATCH that is sent once, always: it is in no value twice.
//!
//! The recorder keeps repeats within the ten minutes, and under a name of their own for each request.

use std::collections::BTreeMap;

use crate::bonds::are_one;
use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::{Account, At, Sighting, ledger};
use crate::operation::{Seen, WriteId};
use crate::violation::Violation;

const LAW: &str = "exactly_once";

/// Requests that counted twice.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, account) in &ledger(history) {
        let requests = requests(account);
        let told = requests.values().filter_map(|tries| two_answers(tries, circumstances));
        let patched = account.sightings.iter();
        let patched = patched.filter_map(|it| patched_twice(it, &requests, circumstances));
        found.extend(told.chain(patched).map(|text| Violation::new(LAW, key, text)));
    }
    found
}

/// By what a request is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'h> {
    Key(&'h str),
    Write(WriteId),
}

/// All tries of each request.
fn requests<'h>(account: &Account<'h>) -> BTreeMap<Name<'h>, Vec<At<'h>>> {
    let mut requests: BTreeMap<Name<'h>, Vec<At<'h>>> = BTreeMap::new();
    for write in &account.writes {
        let key = write.operation.request_key.as_deref().map(Name::Key);
        if let Some(name) = key.or(write.operation.write_id().map(Name::Write)) {
            requests.entry(name).or_default().push(*write);
        }
    }
    requests
}

fn two_answers(tries: &[At<'_>], circumstances: &dyn Circumstances) -> Option<String> {
    let answered = || tries.iter().filter(|it| it.operation.acknowledged().is_some());
    let mut pairs = answered().flat_map(|one| answered().map(move |other| (one, other)));
    let (one, other) = pairs.find(|(one, other)| {
        one.place < other.place
            && one.operation.acknowledged() != other.operation.acknowledged()
            && are_one(circumstances, one.operation, other.operation)
    })?;
    Some(format!("{one} and {other} are one request"))
}

fn patched_twice(
    sighting: &Sighting<'_>,
    requests: &BTreeMap<Name<'_>, Vec<At<'_>>>,
    circumstances: &dyn Circumstances,
) -> Option<String> {
    let Sighting { by, seen } = sighting;
    let Seen::Value { content, .. } = seen else { return None };
    let ids = &content.patches;
    let (_, twice) =
        ids.iter().enumerate().find(|(nth, id)| ids.iter().take(*nth).any(|it| it == *id))?;
    let mut named = requests
        .values()
        .filter(|tries| tries.iter().any(|it| it.operation.write_id() == Some(*twice)));
    let tries = named.next()?;
    let known = tries.iter().enumerate().all(|(nth, one)| {
        let mut others = tries.iter().skip(nth + 1);
        others.all(|other| are_one(circumstances, one.operation, other.operation))
    });
    let first = tries.first()?;
    known.then(|| format!("{by} shows {seen}, and {first} counts once"))
}

#[cfg(test)]
mod tests {
    use dynarust_core::Consistency;

    use super::*;
    use crate::story::{
        acknowledged, assert_broken, assert_kept, delete, get, operation, patch, put, story, value,
    };
    use crate::{Calm, Operation, Outcome, Stormy};

    fn tries(versions: [u64; 2]) -> [Operation; 2] {
        let [first, second] = versions.map(acknowledged);
        [
            operation(1..5, put(1), first).under("a").quorum(),
            operation(6..9, put(1), second).under("a").quorum().by(0, 1),
        ]
    }

    #[test]
    fn repeats_get_the_first_answer() {
        assert_kept(check, &Stormy, &story(&tries([1, 1])));
        assert_broken(check, &Stormy, &story(&tries([1, 2])), &["#0", "#1", "one request"]);
        assert_broken(check, &Stormy, &story(&tries([2, 1])), &["one request"]);
        let others = tries([1, 2]);
        let [one, other] = others.clone();
        assert_kept(check, &Stormy, &story(&[one.clone(), other.clone().under("b")]));
        assert_kept(
            check,
            &Calm,
            &story(&[one, Operation { outcome: Outcome::Indeterminate, ..other }]),
        );
        let deletes = tries([1, 2]).map(|it| Operation { action: delete(), ..it });
        assert_broken(check, &Stormy, &story(&deletes), &["delete"]);
    }

    #[test]
    fn who_asks_others_may_not_know() {
        let by_default = tries([1, 2]).map(|it| it.at(Consistency::Available));
        assert_broken(check, &Calm, &story(&by_default), &["one request"]);
        assert_kept(check, &Stormy, &story(&by_default));
        assert_kept(check, &Calm, &story(&tries([1, 2]).map(Operation::one)));
        let [one, other] = tries([1, 2]);
        let at_once = [one, Operation { invoked: 3, ..other }];
        assert_broken(check, &Calm, &story(&at_once), &["one request"]);
        assert_kept(check, &Stormy, &story(&at_once));
        assert_kept(check, &Calm, &story(&at_once.map(Operation::weak)));
    }

    #[test]
    fn a_patch_counts_once() {
        let with = |patches: &[Operation], seen: &[u64]| {
            let read = get(20..21, Outcome::Read(value(9, 1, seen)));
            let first = operation(1..2, put(1), acknowledged(1));
            story(&[[first].as_slice(), patches, &[read]].concat())
        };
        let patches = [2, 3].map(|id| operation(3..4, patch(id), Outcome::Indeterminate));
        assert_kept(check, &Stormy, &with(&patches, &[2, 3]));
        let twice = with(&patches, &[2, 3, 2]);
        assert_broken(check, &Stormy, &twice, &["get", "patch 2", "counts once"]);
        let repeat = |times| operation(times, patch(2), acknowledged(2)).under("a");
        let repeats = with(&[repeat(3..4), repeat(6..7)], &[2, 2]);
        assert_broken(check, &Calm, &repeats, &["counts once"]);
        assert_kept(check, &Stormy, &repeats);
    }
}
