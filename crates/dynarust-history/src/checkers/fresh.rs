//! Whoever asks sees what was acknowledged before, or something newer; and a write comes above it.
//!
//! The promise: "default reads see every acknowledged write, from any node" (DESIGN.md, section 1), "a read
//! at `quorum` sees every write at `quorum`", "the write is on every owner; later reads at `one` see it", "each
//! write of a key has a higher version than all before it" (guarantees.md). Between which two requests it
//! holds is `bonds.rs`'s, with [`Circumstances::fresh`] for those by default.
//!
//! A record of a list is a read: it is as it was at some moment during the request.

use crate::bonds::{first_above, may_be_absent};
use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::{Account, At, ledger};
use crate::operation::Seen;
use crate::violation::Violation;

const LAW: &str = "fresh";

/// Reads that show too old a record, and writes that came below one.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, account) in &ledger(history) {
        let reads = account.reads.iter();
        let stale = reads.filter_map(|(read, seen)| stale(account, circumstances, *read, seen));
        let below = account.firsts().filter_map(|write| below(account, circumstances, write));
        found.extend(stale.chain(below).map(|text| Violation::new(LAW, key, text)));
    }
    found
}

fn stale(
    account: &Account<'_>,
    circumstances: &dyn Circumstances,
    read: At<'_>,
    seen: &Seen,
) -> Option<String> {
    let told = &account.acknowledged;
    let (version, missed) = first_above(circumstances, told, read.operation, seen.version())?;
    if *seen == Seen::absent() {
        let until = read.operation.returned?;
        if may_be_absent(account, *version, until, circumstances.clock_slack()) {
            return None;
        }
    }
    Some(format!("{read} does not see {missed}"))
}

fn below(
    account: &Account<'_>,
    circumstances: &dyn Circumstances,
    write: At<'_>,
) -> Option<String> {
    let version = write.operation.acknowledged()?;
    let told = &account.acknowledged;
    let (_, earlier) = first_above(circumstances, told, write.operation, Some(version))?;
    Some(format!("{write} came below {earlier}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        Dark, KEY, acknowledged, assert_broken, assert_kept, delete, get, operation, put, put_for,
        saw, saw_nothing, story, v, value,
    };
    use crate::{Action, Calm, Durability, Listed, Operation, Outcome, Stormy};
    use dynarust_core::Consistency::{self, All, Available, One, Quorum};

    fn writes() -> [Operation; 2] {
        [operation(1..5, put(1), acknowledged(1)), operation(6..10, put(2), acknowledged(2))]
    }

    fn with(more: Operation) -> History {
        story(&[writes().as_slice(), &[more]].concat())
    }

    #[test]
    fn a_read_sees_what_was_acknowledged_before_it_was_sent() {
        assert_kept(check, &Calm, &with(get(11..12, saw(2, 2))));
        assert_kept(check, &Calm, &with(get(11..12, saw(3, 3))));
        assert_kept(check, &Calm, &with(get(10..12, saw(1, 1))));
        for stale in [saw(1, 1), saw_nothing(), Outcome::Read(Seen::Absent { version: Some(v(1)) })]
        {
            let history = with(get(11..12, stale));
            assert_broken(check, &Calm, &history, &["#2", "get", "does not see", "put 2"]);
            assert_kept(check, &Stormy, &history);
        }
        let seen = Some(value(1, 1, &[]));
        let listed = Outcome::Listed(vec![Listed { key: KEY.to_owned(), seen }]);
        let scan = operation(11..12, Action::Scan, listed).on("t/");
        assert_broken(check, &Calm, &with(scan), &["scan", "does not see", "put 2"]);
    }

    #[test]
    fn who_binds_whom() {
        let broken = |write: Consistency, read: Consistency, under: &dyn Circumstances| {
            let write = operation(1..5, put(1), acknowledged(1)).at(write);
            let read = get(11..12, saw_nothing()).at(read);
            !check(&story(&[write, read]), under).is_empty()
        };
        let always = [(Quorum, Quorum), (Quorum, All), (All, Quorum), (All, All), (All, One)];
        let always = [always.as_slice(), &[(One, All), (Available, All)]].concat();
        let calm = [(Available, Available), (Available, Quorum), (Quorum, Available)];
        for write in [One, Available, Quorum, All] {
            for read in [One, Available, Quorum, All] {
                let pair = (write, read);
                assert_eq!(broken(write, read, &Stormy), always.contains(&pair), "{pair:?}");
                let holds = always.contains(&pair) || calm.contains(&pair);
                let holds = holds || pair == (All, Available);
                assert_eq!(broken(write, read, &Calm), holds, "{pair:?}");
            }
        }
    }

    #[test]
    fn weak_answers_bind_nobody() {
        let weak = [operation(1..5, put(1), acknowledged(1)).weak(), get(6..7, saw_nothing())];
        assert_kept(check, &Calm, &story(&weak));
        assert_kept(check, &Calm, &with(get(11..12, saw(1, 1)).weak()));
        // But who asks all sees it.
        let [write, read] = weak;
        assert_broken(check, &Calm, &story(&[write, read.at(All)]), &["put 1"]);
    }

    #[test]
    fn what_may_be_lost_binds_nobody() {
        let [first, second] = writes();
        let relaxed = Operation { durability: Durability::Relaxed, ..second };
        let read = get(11..12, saw(1, 1));
        assert_kept(check, &Dark, &story(&[first.clone(), relaxed.clone(), read.clone()]));
        assert_broken(check, &Calm, &story(&[first.clone(), relaxed, read]), &["put 2"]);
        assert_broken(check, &Dark, &story(&[first, get(6..7, saw_nothing())]), &["put 1"]);
    }

    #[test]
    fn nothing_is_seen_where_something_may_have_ended_it() {
        let nothing = get(21..22, saw_nothing());
        let ending = |times, action, outcome| {
            let ending = operation(times, action, outcome);
            story(&[writes().as_slice(), &[ending, nothing.clone()]].concat())
        };
        assert_kept(check, &Calm, &ending(11..12, delete(), acknowledged(3)));
        assert_kept(check, &Calm, &ending(21..30, delete(), acknowledged(3)));
        assert_kept(check, &Calm, &ending(11..12, delete(), Outcome::Indeterminate));
        assert_kept(check, &Calm, &ending(11..12, put_for(5, 9), Outcome::Indeterminate));
        assert_broken(check, &Calm, &ending(23..30, delete(), acknowledged(3)), &["put 2"]);
        assert_broken(check, &Calm, &ending(1..5, delete(), acknowledged(1)), &["put 2"]);
    }

    #[test]
    fn a_delete_is_seen_as_a_write_is() {
        let deleted = operation(11..12, delete(), acknowledged(3));
        let read = |outcome| {
            story(&[writes().as_slice(), &[deleted.clone(), get(13..14, outcome)]].concat())
        };
        assert_kept(check, &Calm, &read(saw_nothing()));
        assert_broken(check, &Calm, &read(saw(2, 2)), &["does not see", "delete"]);
    }

    #[test]
    fn a_write_comes_above_those_before_it() {
        let late = |times| with(operation(times, put(3), acknowledged(0)));
        assert_broken(check, &Calm, &late(11..12), &["put 3", "came below", "put 2"]);
        assert_kept(check, &Stormy, &late(11..12));
        assert_kept(check, &Calm, &late(3..12));
    }

    #[test]
    fn a_repeat_is_told_of_its_first_version() {
        let first = operation(1..5, put(1), acknowledged(1)).under("a");
        let other = operation(6..7, put(2), acknowledged(2));
        let repeat = operation(8..9, put(1), acknowledged(1)).under("a");
        assert_kept(check, &Calm, &story(&[first, other, repeat]));
    }
}
