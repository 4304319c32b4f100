//! Who has seen a record is not shown an older one.
//!
//! The promise: default reads "never go back" (DESIGN.md, section 1; guarantees.md, Consistency). From a
//! read to a later one it holds where the one binds the other (`bonds.rs`): by default in spans that
//! [`Circumstances::fresh`] names, and between `quorum` and `quorum` always, since a read that finds owners
//! that differ writes the newest back before it answers. Of one session that asks one node at `one` it holds as
//! long as that node keeps its copy ([`Circumstances::steady`]).
//!
//! A record that was not there does not come back by itself: after a read that shows nothing, what was shown or
//! acknowledged before that read is not shown again.

use std::collections::BTreeMap;

use dynarust_core::{Consistency, Version};

use crate::bonds::{binds, first_above, may_be_absent};
use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::{Account, At, ledger};
use crate::operation::{Operation, Seen};
use crate::violation::Violation;

const LAW: &str = "monotonic";

/// Reads that go back behind others.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, account) in &ledger(history) {
        let of_all = Watched::new(account, circumstances).backwards();
        let of_one = at_one_node(account, circumstances);
        found.extend(of_all.into_iter().chain(of_one).map(|text| Violation::new(LAW, key, text)));
    }
    found
}

/// What many saw, each bound by those before.
struct Watched<'a, 'h> {
    account: &'a Account<'h>,
    circumstances: &'a dyn Circumstances,
    /// What reads have shown, the lowest version first.
    shown: Vec<(Version, At<'h>)>,
    /// That, and what was acknowledged.
    told: Vec<(Version, At<'h>)>,
}

impl<'a, 'h> Watched<'a, 'h> {
    fn new(account: &'a Account<'h>, circumstances: &'a dyn Circumstances) -> Self {
        let shown = account.reads.iter();
        let shown = shown.filter_map(|(read, seen)| Some((seen.version()?, *read)));
        let mut shown: Vec<(Version, At<'h>)> = shown.collect();
        shown.sort_by_key(|(version, read)| (*version, read.place));
        let mut told = [shown.as_slice(), &account.acknowledged].concat();
        told.sort_by_key(|(version, at)| (*version, at.place));
        Self { account, circumstances, shown, told }
    }

    fn backwards(&self) -> Vec<String> {
        let reads = self.account.reads.iter();
        let fell = reads.clone().filter_map(|(read, seen)| self.fell(*read, seen));
        let absent = reads.filter(|(_, seen)| matches!(seen, Seen::Absent { .. }));
        fell.chain(absent.filter_map(|(read, seen)| self.returned(*read, seen))).collect()
    }

    /// It shows an older record than another did before, or none.
    fn fell(&self, read: At<'h>, seen: &Seen) -> Option<String> {
        let earlier = first_above(self.circumstances, &self.shown, read.operation, seen.version());
        let (version, earlier) = earlier?;
        let explained = *seen == Seen::absent() && {
            let until = read.operation.returned?;
            may_be_absent(self.account, *version, until, self.circumstances.clock_slack())
        };
        (!explained).then(|| format!("{read} goes back behind {earlier}"))
    }

    /// It shows nothing, and a later one what was told of before it.
    fn returned(&self, absent: At<'h>, seen: &Seen) -> Option<String> {
        let floor = seen.version().or_else(|| {
            let told = first_above(self.circumstances, &self.told, absent.operation, None);
            told.map(|(version, _)| *version)
        })?;
        let mut back = self.account.reads.iter().filter(|(later, seen)| {
            matches!(seen, Seen::Value { version, .. } if *version <= floor)
                && binds(self.circumstances, absent.operation, later.operation)
        });
        back.next().map(|(later, _)| format!("{later} shows what was gone in {absent}"))
    }
}

/// What one session was last shown by one node at `one`.
struct Last<'h> {
    read: At<'h>,
    version: Option<Version>,
    absent: bool,
}

fn at_one_node(account: &Account<'_>, circumstances: &dyn Circumstances) -> Vec<String> {
    let mut lasts: BTreeMap<(u32, u32), Last<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    let own = account.reads.iter().filter(|(read, _)| is_own(read.operation));
    for (read, seen) in own {
        let by = (read.operation.session, read.operation.node);
        let absent = matches!(seen, Seen::Absent { .. });
        let now = Last { read: *read, version: seen.version(), absent };
        let Some(last) = lasts.get_mut(&by) else {
            lasts.insert(by, now);
            continue;
        };
        let bound = last.read.operation.is_before(read.operation)
            && circumstances.steady(last.read.operation, read.operation);
        if bound && goes_back(account, last, &now, circumstances) {
            found.push(format!("{read} goes back behind {}", last.read));
        }
        let version = if bound { now.version.max(last.version) } else { now.version };
        *last = Last { version, ..now };
    }
    found
}

fn is_own(read: &Operation) -> bool {
    read.consistency == Consistency::One
}

fn goes_back(
    account: &Account<'_>,
    last: &Last<'_>,
    now: &Last<'_>,
    circumstances: &dyn Circumstances,
) -> bool {
    let (Some(before), until) = (last.version, now.read.operation.returned) else { return false };
    match now.version {
        Some(version) => version < before || (version == before && last.absent && !now.absent),
        None => {
            let until = until.unwrap_or_default();
            !may_be_absent(account, before, until, circumstances.clock_slack())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        acknowledged, assert_broken, assert_kept, delete, get, operation, put, saw, saw_nothing,
        story, v,
    };
    use crate::{Calm, Operation, Outcome, Stormy};

    /// Two writes of unknown outcome, of which a read has shown the second.
    fn seen_by(first: &Operation, second: Operation) -> History {
        let writes = [put(1), put(2)].map(|put| operation(1..5, put, Outcome::Indeterminate));
        story(&[writes.as_slice(), &[first.clone(), second]].concat())
    }

    #[test]
    fn what_a_read_has_shown_others_see() {
        let first = get(11..15, saw(2, 2));
        assert_kept(check, &Calm, &seen_by(&first, get(16..17, saw(2, 2)).by(1, 1)));
        assert_kept(check, &Calm, &seen_by(&first, get(15..17, saw(1, 1)).by(1, 1)));
        for older in [saw(1, 1), saw_nothing()] {
            let back = seen_by(&first, get(16..17, older).by(1, 1));
            assert_broken(check, &Calm, &back, &["#3", "goes back behind", "#2"]);
            assert_kept(check, &Stormy, &back);
        }
        // What a read at `all` has shown need not be at every owner.
        let all = first.clone().at(Consistency::All);
        assert_kept(check, &Calm, &seen_by(&all, get(16..17, saw(1, 1)).one().by(1, 1)));
        let strict = seen_by(&first.quorum(), get(16..17, saw(1, 1)).quorum());
        assert_broken(check, &Stormy, &strict, &["goes back behind"]);
    }

    #[test]
    fn one_session_at_one_node_does_not_go_back() {
        let first = get(11..15, saw(2, 2)).one();
        let second = |older| get(16..17, older).one();
        for older in [saw(1, 1), saw_nothing()] {
            let back = seen_by(&first, second(older.clone()));
            assert_broken(check, &Calm, &back, &["goes back behind"]);
            assert_kept(check, &Stormy, &back);
            assert_kept(check, &Calm, &seen_by(&first, second(older.clone()).by(0, 1)));
            assert_kept(check, &Calm, &seen_by(&first, second(older).by(1, 0)));
        }
        assert_kept(check, &Calm, &seen_by(&first, second(saw(2, 2))));
        assert_kept(check, &Calm, &seen_by(&first, second(saw(3, 3))));
    }

    #[test]
    fn what_was_gone_does_not_come_back() {
        let deleted = operation(6..9, delete(), Outcome::Indeterminate);
        let history = |reads: [Operation; 3]| {
            let first = operation(1..5, put(1), acknowledged(1));
            story(&[[first, deleted.clone()].as_slice(), &reads].concat())
        };
        let absent = |nth| Outcome::Read(Seen::Absent { version: Some(v(nth)) });
        for gone in [saw_nothing(), absent(2), absent(1)] {
            let reads = [saw(1, 1), gone, saw(1, 1)];
            let mut times = [10..11, 12..13, 14..15].into_iter();
            let reads = reads.map(|outcome| get(times.next().unwrap(), outcome));
            let found = check(&history(reads.clone()), &Calm);
            assert!(found.iter().any(|it| it.text.contains("#4")), "{found:#?}");
            assert_kept(check, &Stormy, &history(reads.clone()));
            let found = check(&history(reads.map(Operation::one)), &Calm);
            assert!(found.iter().any(|it| it.text.contains("#4")), "{found:#?}");
        }
        // Nobody has read it before, but it was acknowledged.
        let unread =
            history([get(10..11, saw_nothing()), get(12..13, saw(1, 1)), get(14..15, saw(3, 3))]);
        assert_broken(check, &Calm, &unread, &["#3", "gone in [#2"]);
        let gone = history([10, 12, 14].map(|at| get(at..at + 1, absent(2)).one()));
        assert_kept(check, &Calm, &gone);
        let again = [get(10..11, saw(1, 1)), get(12..13, saw_nothing()), get(14..15, saw(3, 3))];
        assert_kept(check, &Calm, &history(again.clone()));
        assert_kept(check, &Calm, &history(again.map(Operation::one)));
    }
}
