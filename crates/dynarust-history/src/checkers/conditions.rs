//! Of those who hold one version one wins at most, and on a version that is no more nobody does.
//!
//! The promise: "`If-Match` and `If-None-Match` are decided and applied as one step", "at `quorum` and `all`, of
//! the writers that hold the same version one at most is acknowledged, also while the nodes do not agree on who
//! is there", "a `PATCH` is applied to the value that it replaces: of many at a time none is lost"
//! (guarantees.md). Between two writes it holds:
//!
//! - at `quorum` and `all` always; at `available` while the owners agree ([`Circumstances::agreed`]); at `one`
//!   never;
//! - for what was acknowledged before, where that binds the writer (`bonds.rs`).

use std::collections::BTreeMap;

use dynarust_core::{Consistency, Version};

use crate::bonds::{first_above, may_be_absent};
use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::{Account, At, ledger};
use crate::operation::{Action, Guard, Operation, Seen, WriteId};
use crate::value::Content;
use crate::violation::Violation;

const LAW: &str = "conditions";

/// Conditional writes that were acknowledged and must not have been, and patches that were lost.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, account) in &ledger(history) {
        let judge = Judge { account, circumstances };
        let stale = judge.conditional().filter_map(|write| judge.stale(write));
        let wrong = judge.rivals().into_iter().chain(stale).chain(judge.lost_patches());
        found.extend(wrong.map(|text| Violation::new(LAW, key, text)));
    }
    found
}

struct Judge<'a, 'h> {
    account: &'a Account<'h>,
    circumstances: &'a dyn Circumstances,
}

impl<'a, 'h> Judge<'a, 'h> {
    /// Those that were acknowledged, each request once.
    fn conditional(&self) -> impl Iterator<Item = At<'h>> + use<'a, 'h> {
        let firsts = self.account.firsts();
        firsts.filter(|write| {
            write.operation.guard() != Guard::None && write.operation.acknowledged().is_some()
        })
    }

    /// Whether the same owners had to decide on both.
    fn meet(&self, one: &Operation, other: &Operation) -> bool {
        let weak = |it: &Operation| it.consistency == Consistency::One;
        if weak(one) || weak(other) {
            return false;
        }
        (one.is_strict() && other.is_strict()) || self.circumstances.agreed(one, other)
    }

    /// Two that were acknowledged over one version.
    fn rivals(&self) -> Vec<String> {
        let mut over: BTreeMap<Version, Vec<At<'_>>> = BTreeMap::new();
        for write in self.conditional() {
            if let Guard::Version(version) = write.operation.guard() {
                over.entry(version).or_default().push(write);
            }
        }
        let rivals = over.values().filter_map(|writers| self.pair(writers));
        rivals.map(|(one, other)| format!("{one} and {other} were both acknowledged")).collect()
    }

    fn pair(&self, writers: &[At<'h>]) -> Option<(At<'h>, At<'h>)> {
        let pairs = writers
            .iter()
            .enumerate()
            .flat_map(|(nth, one)| writers.iter().skip(nth + 1).map(move |other| (*one, *other)));
        pairs.into_iter().find(|(one, other)| self.meet(one.operation, other.operation))
    }

    /// What it asks for was over before it was sent.
    fn stale(&self, write: At<'h>) -> Option<String> {
        let operation = write.operation;
        let told = &self.account.acknowledged;
        let base = match operation.guard() {
            Guard::Version(base) => Some(base),
            Guard::Absent | Guard::Exists => None,
            Guard::None => return None,
        };
        let own = operation.acknowledged()?;
        let (version, earlier) = first_above(self.circumstances, told, operation, base)?;
        let deleted = matches!(earlier.operation.action, Action::Delete { .. });
        let wrong = match operation.guard() {
            Guard::Version(_) => true,
            Guard::Absent => !self.may_be_gone(*version, operation),
            Guard::Exists => deleted && !self.may_be_there(*version, own, operation),
            Guard::None => false,
        };
        wrong.then(|| format!("{write} was acknowledged over {earlier}"))
    }

    fn may_be_gone(&self, floor: Version, by: &Operation) -> bool {
        let until = by.returned.unwrap_or_default();
        may_be_absent(self.account, floor, until, self.circumstances.clock_slack())
    }

    /// Something may have been written over the delete in time.
    fn may_be_there(&self, deleted: Version, own: Version, by: &Operation) -> bool {
        let until = by.returned.unwrap_or_default();
        let mut writes = self.account.writes.iter().filter(|write| write.operation.invoked < until);
        writes.any(|write| {
            let writes = match write.operation.action {
                Action::Put { .. } => true,
                // Where nodes were apart, it may have been judged on what the delete had not reached.
                Action::Patch { .. } => !self.circumstances.agreed(write.operation, by),
                _ => false,
            };
            let version = write.operation.acknowledged();
            let between = version.is_some_and(|version| deleted < version && version < own);
            // A write that is stamped again stood there by its first stamp for a while.
            let before =
                version.is_some_and(|version| own < version) && !write.operation.is_before(by);
            writes && (write.operation.is_open() || between || before)
        })
    }

    /// A value whose last patch did not see another one, which was acknowledged on it before.
    fn lost_patches(&self) -> Vec<String> {
        let patches = self.account.acknowledged.iter().filter_map(|(version, write)| {
            match write.operation.action {
                Action::Patch { id, .. } => Some((id, (*version, *write))),
                _ => None,
            }
        });
        let patches: BTreeMap<WriteId, (Version, At<'_>)> = patches.collect();
        let shown: BTreeMap<Version, &Content> = self
            .account
            .sightings
            .iter()
            .filter_map(|it| {
                let Seen::Value { version, content } = it.seen else { return None };
                Some((*version, content))
            })
            .collect();
        let lost = shown.into_iter().filter_map(|(version, content)| {
            let lost = self.lost_patch(version, content, &patches)?;
            Some(format!("{lost} is missing in {version} = {content}"))
        });
        lost.collect()
    }

    fn lost_patch(
        &self,
        version: Version,
        content: &Content,
        patches: &BTreeMap<WriteId, (Version, At<'h>)>,
    ) -> Option<At<'h>> {
        let (_, last) = patches.get(content.patches.last()?)?;
        let put = self.account.acknowledged.iter().rev();
        let mut put = put.filter(|(_, write)| write.operation.write_id() == Some(content.put));
        let (base, _) = put.next()?;
        let mut lost = patches.iter().filter(|(id, (own, write))| {
            let between = base < own && *own < version;
            between && !content.patches.contains(id) && self.meet(write.operation, last.operation)
        });
        lost.next().map(|(_, (_, write))| *write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        acknowledged, assert_broken, assert_kept, delete, get, operation, patch, put, put_for,
        put_if, story, v, value,
    };
    use crate::{Calm, Outcome, Stormy};

    fn first() -> Operation {
        operation(1..5, put(1), acknowledged(1))
    }

    fn over(base: u64, id: u64) -> Operation {
        operation(10..20, put_if(Guard::Version(v(base)), id), acknowledged(id)).quorum()
    }

    fn after(more: &[Operation]) -> History {
        story(&[[first()].as_slice(), more].concat())
    }

    #[test]
    fn of_those_who_hold_one_version_one_wins() {
        let both = [over(1, 2), over(1, 3)];
        let words = ["put 2", "put 3", "both acknowledged"];
        assert_broken(check, &Stormy, &after(&both), &words);
        assert_kept(check, &Stormy, &after(&[over(1, 2), over(2, 3)]));
        let by_default = both.clone().map(|write| write.at(Consistency::Available));
        assert_broken(check, &Calm, &after(&by_default), &words);
        assert_kept(check, &Stormy, &after(&by_default));
        assert_kept(check, &Calm, &after(&both.clone().map(Operation::one)));
        let one_by_default = [both[0].clone(), by_default[1].clone()];
        assert_kept(check, &Stormy, &after(&one_by_default));
        let repeated = [over(1, 2).under("a"), over(1, 2).under("a")];
        assert_kept(check, &Stormy, &after(&repeated));
        let [one, other] = both;
        let unknown = Operation { outcome: Outcome::Indeterminate, ..other };
        assert_kept(check, &Stormy, &after(&[one, unknown]));
    }

    #[test]
    fn nobody_wins_on_a_version_that_is_no_more() {
        let newer = operation(6..8, put(2), acknowledged(2));
        let history = after(&[newer.clone(), over(1, 3)]);
        assert_broken(check, &Calm, &history, &["put 3 if", "was acknowledged over", "put 2"]);
        assert_kept(check, &Stormy, &history);
        assert_broken(check, &Stormy, &after(&[newer.clone().quorum(), over(1, 3)]), &["put 3 if"]);
        assert_kept(check, &Calm, &after(&[newer, over(2, 3)]));
        let meanwhile = operation(6..11, put(2), acknowledged(2));
        assert_kept(check, &Calm, &after(&[meanwhile, over(1, 3)]));
    }

    #[test]
    fn what_is_there_is_not_created() {
        let create = operation(10..20, put_if(Guard::Absent, 5), acknowledged(5)).quorum();
        let history = after(std::slice::from_ref(&create));
        assert_broken(check, &Calm, &history, &["put 5 if absent", "put 1"]);
        for outcome in [acknowledged(2), Outcome::Indeterminate] {
            let deleted = operation(6..8, delete(), outcome);
            assert_kept(check, &Calm, &after(&[deleted, create.clone()]));
        }
        let expired = operation(1..5, put_for(3, 1), acknowledged(1));
        assert_kept(check, &Calm, &story(&[expired, create.clone()]));
        let second = operation(30..31, put_if(Guard::Absent, 6), acknowledged(6)).quorum();
        assert_broken(check, &Stormy, &story(&[create, second]), &["put 6 if absent", "put 5"]);
    }

    #[test]
    fn what_is_not_there_is_not_changed() {
        let deleted = operation(6..8, delete(), acknowledged(2));
        let change = operation(10..20, put_if(Guard::Exists, 5), acknowledged(5)).quorum();
        let history = after(&[deleted.clone(), change.clone()]);
        assert_broken(check, &Calm, &history, &["put 5 if there", "delete"]);
        for outcome in [acknowledged(3), Outcome::Indeterminate] {
            let again = operation(9..15, put(3), outcome);
            assert_kept(check, &Calm, &after(&[deleted.clone(), again, change.clone()]));
        }
        let stamped_again = operation(9..25, put(6), acknowledged(6));
        assert_kept(check, &Calm, &after(&[deleted.clone(), stamped_again, change.clone()]));
        // Where the nodes were apart, on what the delete had not reached; else there was nothing to patch.
        let patched = operation(5..12, patch(3), acknowledged(3));
        let history = after(&[deleted.clone(), patched, change.clone()]);
        assert_kept(check, &Stormy, &history);
        assert_broken(check, &Calm, &history, &["put 5 if there", "delete"]);
        assert_kept(check, &Calm, &after(&[change]));
    }

    #[test]
    fn no_patch_is_lost() {
        let patches = [2, 3].map(|id| operation(10..20, patch(id), acknowledged(id)));
        let shown = |writes: &[Operation], seen: Seen| {
            after(&[writes, &[get(30..31, Outcome::Read(seen))]].concat())
        };
        assert_kept(check, &Calm, &shown(&patches, value(3, 1, &[2, 3])));
        let lost = shown(&patches, value(3, 1, &[3]));
        assert_broken(check, &Calm, &lost, &["patch 2", "missing"]);
        assert_kept(check, &Stormy, &lost);
        let strict = patches.clone().map(Operation::quorum);
        assert_broken(check, &Stormy, &shown(&strict, value(3, 1, &[3])), &["patch 2"]);
        // It was there when the other was not yet.
        assert_kept(check, &Calm, &shown(&patches, value(2, 1, &[2])));
        // A PUT is under the later one alone.
        let replaced = [patches[0].clone(), operation(21..22, put(3), acknowledged(3))];
        let later = operation(23..24, patch(4), acknowledged(4));
        let writes = [replaced.as_slice(), &[later]].concat();
        assert_kept(check, &Calm, &shown(&writes, value(4, 3, &[4])));
    }
}
