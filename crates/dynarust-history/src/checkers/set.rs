//! A list has every record that is there all the time, once, and none that is not.
//!
//! The promise: "a record that is there all the time is listed exactly once", "a list that breaks off is cut"
//! (guarantees.md, Reads): so lists that came to their end are judged. That nothing is listed twice, in another
//! order than that of its keys, without the prefix, or without ever having been written, always holds. That
//! all is there holds of what binds the list (`bonds.rs`), unless something may have ended it.
//!
//! How new each listed record is, is [`super::fresh`]'s.

use std::collections::BTreeSet;

use crate::bonds::{binds, may_be_absent};
use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::{Account, At, Ledger, ledger};
use crate::operation::{Action, Listed, Outcome, Seen};
use crate::violation::Violation;

const LAW: &str = "set";

/// Lists that lack something, or have too much.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let ledger = ledger(history);
    let mut found = Vec::new();
    for (place, operation) in history.operations.iter().enumerate() {
        if let Outcome::Listed(listed) = &operation.outcome {
            let scan = Scan { at: At { place, operation }, listed };
            found.extend(scan.out_of_order());
            found.extend(scan.foreign(&ledger));
            found.extend(scan.missing(&ledger, circumstances));
        }
    }
    found
}

struct Scan<'h> {
    at: At<'h>,
    listed: &'h [Listed],
}

impl<'h> Scan<'h> {
    fn prefix(&self) -> &'h str {
        &self.at.operation.key
    }

    /// Twice, or in no order: a list rises, or falls.
    fn out_of_order(&self) -> Option<Violation> {
        let pairs = || self.listed.iter().zip(self.listed.iter().skip(1));
        let falls = pairs().next().is_some_and(|(first, second)| first.key > second.key);
        let mut wrong =
            pairs().filter(
                |(first, second)| {
                    if falls { first.key <= second.key } else { first.key >= second.key }
                },
            );
        let (first, second) = wrong.next()?;
        let text = format!("{} lists it behind {:?}", self.at, first.key);
        Some(Violation::new(LAW, &second.key, text))
    }

    /// Nobody can have written it, or it is another's.
    fn foreign(&self, ledger: &Ledger<'_>) -> Vec<Violation> {
        let returned = self.at.operation.returned;
        let foreign = self.listed.iter().filter(|it| {
            let account = ledger.get(it.key.as_str());
            let written = account.is_some_and(|account| {
                account.writes.iter().any(|write| {
                    let put = matches!(write.operation.action, Action::Put { .. });
                    put && !write.operation.is_refused()
                        && Some(write.operation.invoked) <= returned
                })
            });
            let absent = matches!(it.seen, Some(Seen::Absent { .. }));
            !written || absent || !it.key.starts_with(self.prefix())
        });
        let violation = |it: &Listed| {
            Violation::new(LAW, &it.key, format!("{} lists it, and nobody put it there", self.at))
        };
        foreign.map(violation).collect()
    }

    /// It is not listed, and was there all the time.
    fn missing(&self, ledger: &Ledger<'h>, circumstances: &dyn Circumstances) -> Vec<Violation> {
        let names: BTreeSet<&str> = self.listed.iter().map(|it| it.key.as_str()).collect();
        let expected = ledger.range(self.prefix()..);
        let expected = expected.take_while(|(key, _)| key.starts_with(self.prefix()));
        let missing = expected.filter(|(key, _)| !names.contains(*key));
        let missing = missing.filter_map(|(key, account)| {
            let write = self.must_see(account, circumstances)?;
            Some(Violation::new(LAW, key, format!("{} does not list {write}", self.at)))
        });
        missing.collect()
    }

    /// What was there before, and can't have ended.
    fn must_see(&self, account: &Account<'h>, circumstances: &dyn Circumstances) -> Option<At<'h>> {
        let scan = self.at.operation;
        let told = account.acknowledged.iter().rev();
        let mut bound = told.filter(|(_, write)| binds(circumstances, write.operation, scan));
        let (version, write) = bound.next()?;
        let slack = circumstances.clock_slack();
        let ended = may_be_absent(account, *version, scan.returned?, slack);
        (!ended).then_some(*write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        acknowledged, assert_broken, assert_kept, delete, operation, patch, put, put_for, refused,
        story,
    };
    use crate::{Calm, Operation, Stormy};

    fn add(key: &str, id: u64, outcome: Outcome) -> Operation {
        operation(1..5, put(id), outcome).on(key)
    }

    fn scan(keys: &[&str]) -> Operation {
        let listed = keys.iter().map(|key| Listed { key: (*key).to_owned(), seen: None });
        operation(10..20, Action::Scan, Outcome::Listed(listed.collect())).on("t/")
    }

    fn adds() -> [Operation; 3] {
        [
            add("t/a", 1, acknowledged(1)),
            add("t/b", 2, acknowledged(2)),
            add("u/c", 3, acknowledged(3)),
        ]
    }

    fn after(more: &[Operation]) -> History {
        story(&[adds().as_slice(), more].concat())
    }

    #[test]
    fn what_was_added_is_listed() {
        assert_kept(check, &Calm, &after(&[scan(&["t/a", "t/b"])]));
        assert_kept(check, &Calm, &after(&[scan(&["t/b", "t/a"])]));
        let lacking = scan(&["t/b"]);
        let words = ["t/a", "scan", "does not list", "put 1"];
        assert_broken(check, &Calm, &after(std::slice::from_ref(&lacking)), &words);
        assert_kept(check, &Stormy, &after(std::slice::from_ref(&lacking)));
        assert_kept(check, &Calm, &after(&[lacking.clone().one()]));
        assert_kept(check, &Calm, &after(&[Operation { invoked: 5, ..lacking.clone() }]));
        let strict: Vec<Operation> = adds().map(Operation::quorum).into();
        let history = story(&[strict.as_slice(), &[lacking.quorum()]].concat());
        assert_broken(check, &Stormy, &history, &["does not list"]);
    }

    #[test]
    fn what_may_have_ended_need_not_be_listed() {
        for outcome in [acknowledged(9), Outcome::Indeterminate] {
            let deleted = operation(15..25, delete(), outcome).on("t/a");
            assert_kept(check, &Calm, &after(&[deleted, scan(&["t/b"])]));
        }
        let late = operation(21..25, delete(), acknowledged(9)).on("t/a");
        assert_broken(check, &Calm, &after(&[late, scan(&["t/b"])]), &["put 1"]);
        let short = operation(1..5, put_for(9, 8), acknowledged(8)).on("t/c");
        assert_kept(check, &Calm, &after(&[short, scan(&["t/a", "t/b"])]));
    }

    #[test]
    fn nothing_is_listed_twice() {
        for keys in [["t/a", "t/a", "t/b"].as_slice(), &["t/a", "t/b", "t/a"]] {
            assert_broken(check, &Stormy, &after(&[scan(keys)]), &["t/a", "behind \"t/"]);
        }
        for keys in [["t/b", "t/b", "t/a"].as_slice(), &["t/b", "t/a", "t/a"]] {
            assert_broken(check, &Stormy, &after(&[scan(keys)]), &["behind \"t/"]);
        }
    }

    #[test]
    fn nothing_is_listed_that_nobody_added() {
        let words = ["t/x", "nobody put it there"];
        let listed = scan(&["t/a", "t/b", "t/x"]);
        assert_broken(check, &Stormy, &after(std::slice::from_ref(&listed)), &words);
        let refused = add("t/x", 4, refused(503));
        assert_broken(check, &Stormy, &after(&[refused, listed.clone()]), &words);
        let late = operation(21..25, put(4), acknowledged(4)).on("t/x");
        assert_broken(check, &Stormy, &after(&[late, listed.clone()]), &words);
        let patched = operation(1..5, patch(4), Outcome::Indeterminate).on("t/x");
        assert_broken(check, &Stormy, &after(&[patched, listed.clone()]), &words);
        let open = add("t/x", 4, Outcome::Indeterminate);
        assert_kept(check, &Stormy, &after(&[open, listed]));
        assert_broken(check, &Stormy, &after(&[scan(&["t/a", "t/b", "u/c"])]), &["u/c"]);
        let gone = Listed { key: "t/b".to_owned(), seen: Some(Seen::absent()) };
        let Outcome::Listed(mut listed) = scan(&["t/a"]).outcome else { panic!() };
        listed.push(gone);
        let tombstone = Operation { outcome: Outcome::Listed(listed), ..scan(&[]) };
        assert_broken(check, &Stormy, &after(&[tombstone]), &["t/b", "nobody put it there"]);
    }
}
