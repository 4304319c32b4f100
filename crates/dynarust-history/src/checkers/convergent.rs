//! At the end all nodes say the same of a record, and it is the newest that was ever shown.
//!
//! The promises: "all copies of a record become equal, whatever order, loss, delay, duplication or partition
//! there was", "concurrent writes: the higher version wins everywhere" (DESIGN.md, section 1). They hold at the
//! end of a history, once its recorder has let the nodes meet: final records are taken for that. What was shown
//! stays as long as no disk lost it ([`Circumstances::kept`] of the read that it was shown to).
//!
//! Of what was acknowledged [`super::durable`] says the same.

use dynarust_core::Version;

use crate::bonds::may_be_absent;
use crate::circumstances::Circumstances;
use crate::history::{Final, History};
use crate::ledger::{Account, ledger};
use crate::operation::Seen;
use crate::violation::Violation;

const LAW: &str = "convergent";

/// Copies that differ, or are older than what was there.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, account) in &ledger(history) {
        let wrong = apart(account).into_iter().chain(older(account, circumstances));
        found.extend(wrong.map(|text| Violation::new(LAW, key, text)));
    }
    found
}

/// Two nodes say different things.
fn apart(account: &Account<'_>) -> Option<String> {
    let first = account.finals.first()?;
    let other = account.finals.iter().find(|last| !is_same(&first.seen, &last.seen))?;
    let (node, seen) = (other.node, &other.seen);
    Some(format!("node {} ends with {}, and node {node} with {seen}", first.node, first.seen))
}

/// Who says that nothing is there need not know the tombstone.
fn is_same(one: &Seen, other: &Seen) -> bool {
    match (one, other) {
        (Seen::Absent { version: one }, Seen::Absent { version: other }) => {
            one.is_none() || other.is_none() || one == other
        }
        _ => one == other,
    }
}

/// Something newer was shown than is there.
fn older(account: &Account<'_>, circumstances: &dyn Circumstances) -> Option<String> {
    let shown = account.reads.iter().filter(|(read, _)| circumstances.kept(read.operation));
    let newest = shown.filter_map(|(read, seen)| Some((seen.version()?, *read)));
    let (version, read) = newest.max_by_key(|(version, read)| (*version, read.place))?;
    let slack = circumstances.clock_slack();
    let last = account.finals.iter().find(|last| is_older(account, last, version, slack))?;
    Some(format!("node {} ends with {}, and {read} was shown {version}", last.node, last.seen))
}

fn is_older(account: &Account<'_>, last: &Final, version: Version, clock_slack: u64) -> bool {
    match last.seen.version() {
        Some(ended) => ended < version,
        None => !may_be_absent(account, version, last.at, clock_slack),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        Dark, acknowledged, assert_broken, assert_kept, delete, ends, get, operation, put, saw, v,
        value,
    };
    use crate::{Durability, Operation, Outcome, Stormy};

    fn writes() -> [Operation; 3] {
        [
            operation(1..5, put(1), acknowledged(1)),
            operation(1..5, put(2), Outcome::Indeterminate),
            get(6..7, saw(2, 2)),
        ]
    }

    #[test]
    fn copies_are_equal() {
        let mut history = ends(&writes(), &value(2, 2, &[]));
        assert_kept(check, &Stormy, &history);
        history.finals[2].seen = value(3, 2, &[]);
        assert_broken(check, &Stormy, &history, &["node 0 ends with", "and node 2 with"]);
        history.finals[2].seen = Seen::absent();
        let found = check(&history, &Stormy);
        assert!(found[0].text.contains("and node 2 with absent"), "{found:?}");
    }

    #[test]
    fn nothing_is_nothing_whoever_knows_the_tombstone() {
        let writes = [operation(1..5, delete(), acknowledged(1))];
        let mut history = ends(&writes, &Seen::absent());
        history.finals[1].seen = Seen::Absent { version: Some(v(1)) };
        assert_kept(check, &Stormy, &history);
        history.finals[0].seen = Seen::Absent { version: Some(v(2)) };
        assert_broken(check, &Stormy, &history, &["node 0", "node 1"]);
    }

    #[test]
    fn what_was_shown_stays() {
        for older in [value(1, 1, &[]), Seen::absent()] {
            let history = ends(&writes(), &older);
            assert_broken(check, &Stormy, &history, &["node 0 ends with", "#2", "was shown"]);
        }
        let [first, second, read] = writes();
        let relaxed = Operation { durability: Durability::Relaxed, ..read.clone() };
        let lost = ends(&[first.clone(), second.clone(), relaxed], &value(1, 1, &[]));
        assert_kept(check, &Dark, &lost);
        let deleted = operation(8..9, delete(), Outcome::Indeterminate);
        assert_kept(check, &Stormy, &ends(&[first, second, read, deleted], &Seen::absent()));
    }
}
