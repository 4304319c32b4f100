//! What was refused is never seen, what is indeterminate may be, and a version is one write, for ever.
//!
//! The promises: "refused is refused", "unknown is said" (guarantees.md, Writes), "two versions that are
//! equal belong to the same write" (DESIGN.md, section 2). They always hold:
//!
//! - What is shown was written by somebody: sent before it was shown, and not refused.
//! - A version never changes what it shows, but for a record whose time is over: that one is absent then.
//! - Nobody's write is another's: two that are acknowledged have two versions, but repeats of one request.
//! - A write is not shown above the version that it was acknowledged with. It may be below: where it met a
//!   newer one it was stamped again, and a read meanwhile may have shown its first stamp. And where it was sent
//!   again, and nodes had lost each other, both may have been carried out.

use std::collections::BTreeMap;

use dynarust_core::Version;

use crate::bonds::are_one;
use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::{Account, At, By, Sighting, ledger};
use crate::operation::{Action, Seen, WriteId};
use crate::value::Content;
use crate::violation::Violation;

const LAW: &str = "indeterminate";

/// What was shown that was refused, or is somebody else's.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, account) in &ledger(history) {
        let whose = Whose::new(account, circumstances);
        let wrong = account.sightings.iter().flat_map(|it| whose.wrong_with(it));
        let wrong = wrong.chain(twice_acknowledged(account)).chain(two_faces(account));
        found.extend(wrong.map(|text| Violation::new(LAW, key, text)));
    }
    found
}

/// The requests by which each write was sent: one, or repeats of it.
struct Whose<'a, 'h> {
    requests: BTreeMap<WriteId, Vec<At<'h>>>,
    account: &'a Account<'h>,
    circumstances: &'a dyn Circumstances,
}

impl<'a, 'h> Whose<'a, 'h> {
    fn new(account: &'a Account<'h>, circumstances: &'a dyn Circumstances) -> Self {
        let mut requests: BTreeMap<WriteId, Vec<At<'h>>> = BTreeMap::new();
        for &write in &account.writes {
            if let Some(id) = write.operation.write_id() {
                requests.entry(id).or_default().push(write);
            }
        }
        Self { requests, account, circumstances }
    }

    fn wrong_with(&self, sighting: &Sighting<'_>) -> Vec<String> {
        let Seen::Value { version, content } = sighting.seen else { return Vec::new() };
        let ids = [content.put].into_iter().chain(content.patches.iter().copied());
        let wrong = ids.filter_map(|id| self.unwritten(id, sighting));
        wrong.chain(self.stamped_below(*version, content, sighting)).collect()
    }

    /// Why nobody can have written it.
    fn unwritten(&self, id: WriteId, sighting: &Sighting<'_>) -> Option<String> {
        let Sighting { by, seen } = sighting;
        let Some(requests) = self.requests.get(&id) else {
            return Some(format!("{by} shows {seen}, and nobody sent {}", id.0));
        };
        let first = requests.first()?;
        if requests.iter().all(|request| request.operation.is_refused()) {
            return Some(format!("{by} shows {seen}, and {first} was refused"));
        }
        let early = by.until().is_some_and(|until| until < first.operation.invoked);
        early.then(|| format!("{by} shows {seen} before {first} was sent"))
    }

    /// The write whose this version is was acknowledged with a lower one.
    fn stamped_below(
        &self,
        version: Version,
        content: &Content,
        sighting: &Sighting<'_>,
    ) -> Option<String> {
        let last = content.patches.last().unwrap_or(&content.put);
        let own = self.account.acknowledged.iter().rev();
        let mut own = own.filter(|(_, write)| write.operation.write_id() == Some(*last));
        let (highest, write) = own.next()?;
        let tries = self.requests.get(last)?.iter().map(|it| it.operation);
        let mut others = tries.filter(|it| it.request_key.is_some() && *it != write.operation);
        if !others.all(|it| it.is_refused() || are_one(self.circumstances, it, write.operation)) {
            return None;
        }
        let Sighting { by, seen } = sighting;
        (*highest < version).then(|| format!("{by} shows {seen}, above the version of {write}"))
    }
}

/// Two writes that were acknowledged with one version.
fn twice_acknowledged(account: &Account<'_>) -> Vec<String> {
    let pairs = account.acknowledged.iter().zip(account.acknowledged.iter().skip(1));
    let twice =
        pairs.filter(|((first, one), (second, other))| first == second && !is_repeat(one, other));
    twice.map(|((_, one), (_, other))| format!("{one} and {other} have one version")).collect()
}

fn is_repeat(one: &At<'_>, other: &At<'_>) -> bool {
    let (one, other) = (one.operation, other.operation);
    one.request_key.is_some()
        && one.request_key == other.request_key
        && one.write_id() == other.write_id()
}

/// What a version shows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Face {
    Value(Content),
    Absent,
}

/// Versions that show one thing here and another there, or another than was acknowledged with them.
fn two_faces(account: &Account<'_>) -> Vec<String> {
    let mut faces: BTreeMap<Version, (Face, By<'_>)> = BTreeMap::new();
    let mut found = Vec::new();
    for sighting in &account.sightings {
        let (version, face) = match sighting.seen {
            Seen::Value { version, content } => (*version, Face::Value(content.clone())),
            Seen::Absent { version: Some(version) } => (*version, Face::Absent),
            Seen::Absent { version: None } | Seen::Garbled { .. } => continue,
        };
        if let Some(write) = differs_from_acknowledged(account, version, &face) {
            let Sighting { by, seen } = sighting;
            found.push(format!("{by} shows {seen}, which is the version of {write}"));
        }
        let (first, by) = faces.entry(version).or_insert((face.clone(), sighting.by));
        // Of an expired record both are true, one after the other.
        let expired = *first != face && (*first == Face::Absent || face == Face::Absent);
        if *first != face && !(expired && may_expire(account)) {
            found.push(format!("{version} is {first:?} to {by}, and {face:?} to {}", sighting.by));
        }
    }
    found
}

fn may_expire(account: &Account<'_>) -> bool {
    account.writes.iter().any(|it| matches!(it.operation.action, Action::Put { ttl: Some(_), .. }))
}

fn differs_from_acknowledged<'h>(
    account: &Account<'h>,
    version: Version,
    face: &Face,
) -> Option<At<'h>> {
    let first = account.acknowledged.partition_point(|(it, _)| *it < version);
    let (_, write) = account.acknowledged.get(first).filter(|(it, _)| *it == version)?;
    let same = match (&write.operation.action, face) {
        (Action::Put { id, .. }, Face::Value(content)) => *content == Content::put(*id),
        (Action::Patch { id, .. }, Face::Value(content)) => content.patches.last() == Some(id),
        (Action::Put { ttl, .. }, Face::Absent) => ttl.is_some(),
        (Action::Delete { .. }, face) => *face == Face::Absent,
        (Action::Patch { .. }, Face::Absent) | (Action::Get | Action::Scan, _) => false,
    };
    (!same).then_some(*write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        acknowledged, assert_broken, assert_kept, delete, ends, get, operation, patch, put,
        put_for, refused, saw, story, v, value,
    };
    use crate::{Calm, Operation, Outcome, Stormy};

    fn write(id: u64, outcome: Outcome) -> Operation {
        operation(1..5, put(id), outcome)
    }

    fn absent(nth: u64) -> Outcome {
        Outcome::Read(Seen::Absent { version: Some(v(nth)) })
    }

    #[test]
    fn what_was_refused_is_not_seen_and_what_is_unknown_may_be() {
        for outcome in [acknowledged(1), Outcome::Indeterminate] {
            assert_kept(check, &Stormy, &story(&[write(1, outcome), get(6..7, saw(1, 1))]));
        }
        for status in [412, 503, 0] {
            let history = story(&[write(1, refused(status)), get(6..7, saw(1, 1))]);
            assert_broken(check, &Stormy, &history, &["get", "put 1", "refused"]);
        }
        let mut history = ends(&[write(1, refused(503))], &value(1, 1, &[]));
        history.finals.truncate(1);
        assert_broken(check, &Stormy, &history, &["node 0 at the end", "refused"]);
        let refused_patch = operation(6..7, patch(2), refused(412));
        let seen = get(8..9, Outcome::Read(value(2, 1, &[2])));
        let history = story(&[write(1, acknowledged(1)), refused_patch, seen]);
        assert_broken(check, &Stormy, &history, &["patch 2", "refused"]);
    }

    #[test]
    fn a_repeat_that_was_refused_says_nothing_of_the_first() {
        let first = write(1, Outcome::Indeterminate).under("a");
        let again = operation(6..7, put(1), refused(503)).under("a");
        assert_kept(check, &Stormy, &story(&[first, again, get(8..9, saw(1, 1))]));
    }

    #[test]
    fn what_is_seen_was_written_before() {
        let history = story(&[write(1, acknowledged(1)), get(6..7, saw(2, 2))]);
        assert_broken(check, &Stormy, &history, &["nobody sent 2"]);
        let early = operation(10..11, put(1), acknowledged(1));
        assert_broken(check, &Stormy, &story(&[early.clone(), get(6..7, saw(1, 1))]), &["before"]);
        assert_kept(check, &Stormy, &story(&[early, get(6..10, saw(1, 1))]));
    }

    #[test]
    fn a_version_is_one_write() {
        let both = [write(1, acknowledged(1)), write(2, acknowledged(1))];
        assert_broken(check, &Stormy, &story(&both), &["put 1", "put 2", "one version"]);
        let deleted = operation(1..5, delete(), acknowledged(1));
        assert_broken(check, &Stormy, &story(&[write(1, acknowledged(1)), deleted]), &["delete"]);
        let repeated = write(1, acknowledged(1)).under("a");
        assert_kept(check, &Stormy, &story(&[repeated.clone(), repeated.clone()]));
        let other = write(1, acknowledged(1)).under("b");
        assert_broken(check, &Stormy, &story(&[repeated.clone(), other]), &["one version"]);
        let another = write(2, acknowledged(1)).under("a");
        assert_broken(check, &Stormy, &story(&[repeated, another]), &["one version"]);
        // Sent twice without a key, it is two writes.
        let twice = [write(1, acknowledged(1)), write(1, acknowledged(1))];
        assert_broken(check, &Stormy, &story(&twice), &["one version"]);
    }

    #[test]
    fn a_version_keeps_its_value() {
        let open = [write(1, Outcome::Indeterminate), write(2, Outcome::Indeterminate)];
        let reads = |seconds: Outcome| {
            story(&[open.as_slice(), &[get(6..7, saw(9, 1)), get(8..9, seconds)]].concat())
        };
        assert_kept(check, &Stormy, &reads(saw(9, 1)));
        assert_broken(check, &Stormy, &reads(saw(9, 2)), &["put: WriteId(1)", "put: WriteId(2)"]);
        assert_broken(check, &Stormy, &reads(absent(9)), &["Absent"]);
        let history =
            story(&[write(1, acknowledged(1)), write(2, acknowledged(2)), get(6..7, saw(1, 2))]);
        assert_broken(check, &Stormy, &history, &["the version of", "put 1"]);
        let patches = [
            write(1, acknowledged(1)),
            operation(6..7, patch(2), acknowledged(2)),
            operation(6..7, patch(3), Outcome::Indeterminate),
        ];
        for (seen, whose) in [(value(1, 1, &[3]), "put 1"), (value(2, 1, &[2, 3]), "patch 2")] {
            let history = story(&[&patches[..], &[get(8..9, Outcome::Read(seen))]].concat());
            assert_broken(check, &Stormy, &history, &["the version of", whose]);
        }
        let history = story(&[
            write(1, acknowledged(1)),
            operation(6..7, delete(), acknowledged(2)),
            get(8..9, saw(2, 1)),
        ]);
        let found = check(&history, &Stormy);
        assert!(found.iter().any(|it| it.text.contains("the version of [#1")), "{found:#?}");
    }

    #[test]
    fn a_record_that_expires_is_absent_at_its_own_version() {
        let history = |action| {
            let write = operation(1..5, action, acknowledged(1));
            story(&[write, get(6..7, saw(1, 1)), get(8..9, absent(1))])
        };
        assert_kept(check, &Stormy, &history(put_for(7, 1)));
        assert!(!check(&history(put(1)), &Stormy).is_empty());
    }

    #[test]
    fn a_write_is_seen_at_its_version_or_at_an_earlier_stamp() {
        let at = |nth| story(&[write(1, acknowledged(3)), get(2..4, saw(nth, 1))]);
        for nth in [1, 3] {
            assert_kept(check, &Stormy, &at(nth));
        }
        assert_broken(check, &Stormy, &at(4), &["above the version of"]);
        let patched = [
            write(1, acknowledged(1)),
            operation(6..7, patch(2), acknowledged(2)),
            get(8..9, Outcome::Read(value(3, 1, &[2]))),
        ];
        assert_broken(check, &Stormy, &story(&patched), &["above the version of", "patch 2"]);
    }

    #[test]
    fn a_request_that_was_sent_again_to_who_did_not_know_of_it_may_have_two_versions() {
        let first = write(1, Outcome::Indeterminate).under("a");
        let again = operation(6..7, put(1), acknowledged(2)).under("a");
        let history = story(&[first, again, get(8..9, saw(3, 1))]);
        assert_kept(check, &Stormy, &history);
        assert_broken(check, &Calm, &history, &["above the version of"]);
    }
}
