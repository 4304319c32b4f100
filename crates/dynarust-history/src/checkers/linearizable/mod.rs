//! Each key is one register: there is an order of its operations, each at some moment between its call and
//! its answer, in which every one was told what those before it have left.
//!
//! The promise: "operations on one key are linearizable while the node runs" (guarantees.md, Reads), and of a
//! cluster "reads see every acknowledged write, from any node, and never go back" with the rise of versions.
//! It holds of keys that [`Circumstances::linearizable`] names: whose every write and read asked for
//! `quorum` or `all`, or had a majority of the same owners, alive and connected, around it.
//!
//! - A write of unknown outcome takes effect at any time behind its call, or never; so does an acknowledged
//!   one that too few stood behind: at `one`, or with `DynaRust-Replicas`. Reads like that are left out.
//! - A conditional write of unknown outcome may surface over what was stamped lower within half a second before it,
//!   though its condition does not hold on that: one owner had accepted it over what stood there before, while the
//!   other write was under way (guarantees.md, Consistency).
//! - Versions rise in the order, where they are known.
//! - A write that met a newer one is stamped again, and may have been seen at its first stamp: at each
//!   of its versions it counts as a write of its own.
//! - Repeats under an idempotency key are one operation.
//! - A refusal tells something, too: 404 that nothing was there, 412 that the condition did not hold.
//! - The search is bounded; a key that is beyond it is reported as such.

mod register;
mod steps;

use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::{Account, At, ledger};
use crate::operation::Nanos;
use crate::search::{Verdict, search};
use crate::violation::Violation;

use register::{Held, Register};
use steps::steps_of;

const LAW: &str = "linearizable";

/// How many configurations are tried for one key.
pub const CONFIGURATIONS_MAX: usize = 400_000;

/// What is wrong with each key that is to be a register.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let ledger = ledger(history);
    let named = ledger.iter().filter(|(key, _)| circumstances.linearizable(key));
    let slack = circumstances.clock_slack();
    let judged = named.filter_map(|(key, account)| {
        let text = judge(account, slack, CONFIGURATIONS_MAX)?;
        Some(Violation::new(LAW, key, text))
    });
    judged.collect()
}

fn judge(account: &Account<'_>, clock_slack: Nanos, configurations_max: usize) -> Option<String> {
    let (steps, whose) = steps_of(account, clock_slack);
    Some(match search(&Register, Held::default(), &steps, configurations_max) {
        Verdict::Linearizable => return None,
        Verdict::Not { placed, stuck } => {
            let stuck = whose.get(stuck).map(At::to_string).unwrap_or_default();
            format!("no order explains what was told: {placed} fit, and {stuck} does not")
        }
        Verdict::Unknown { tried } => {
            format!("no verdict: {tried} configurations were tried, which is the bound")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        KEY, acknowledged, assert_broken, assert_kept, delete, get, operation, patch, put, put_for,
        put_if, refused, saw, saw_nothing, story, v, value,
    };
    use crate::{Action, Calm, Guard, Operation, Outcome, Seen, Stormy};

    #[test]
    fn a_read_sees_what_was_acknowledged_or_what_is_under_way() {
        let writes =
            [operation(1..5, put(1), acknowledged(1)), operation(10..20, put(2), acknowledged(2))];
        let reads = |first: Outcome, second: Outcome| {
            let reads = [get(12..14, first), get(15..17, second)];
            story(&[writes.as_slice(), &reads].concat())
        };
        for (first, second) in [((1, 1), (1, 1)), ((1, 1), (2, 2)), ((2, 2), (2, 2))] {
            let history = reads(saw(first.0, first.1), saw(second.0, second.1));
            assert_kept(check, &Calm, &history);
        }
        let back = reads(saw(2, 2), saw(1, 1));
        assert_broken(check, &Calm, &back, &["t/k", "#3", "get"]);
        assert_kept(check, &Stormy, &back);
        let lost = reads(saw_nothing(), saw(2, 2));
        assert_broken(check, &Calm, &lost, &["#2", "absent"]);
    }

    #[test]
    fn an_indeterminate_write_comes_late_or_never_and_once() {
        let write = operation(10..12, put(2), Outcome::Indeterminate);
        let after = |reads: &[Outcome]| {
            let first = operation(1..5, put(1), acknowledged(1));
            let reads = reads.iter().cloned().zip(0..);
            let reads = reads.map(|(outcome, nth)| get(20 + 10 * nth..25 + 10 * nth, outcome));
            story(&[first, write.clone()].into_iter().chain(reads).collect::<Vec<_>>())
        };
        assert_kept(check, &Calm, &after(&[saw(1, 1), saw(1, 1)]));
        assert_kept(check, &Calm, &after(&[saw(1, 1), saw(2, 2)]));
        assert_broken(check, &Calm, &after(&[saw(1, 1), saw(2, 2), saw(1, 1)]), &["#4"]);
        let early = [get(7..8, saw(2, 2)), write.clone()];
        assert_broken(check, &Calm, &story(&early), &["#0"]);
        let gone = operation(30..31, Action::Delete { guard: Guard::None }, Outcome::Indeterminate);
        let history = [
            operation(1..5, put(1), acknowledged(1)),
            gone,
            get(40..41, saw(1, 1)),
            get(50..51, saw_nothing()),
        ];
        assert_kept(check, &Calm, &story(&history));
    }

    #[test]
    fn conditions_are_judged_on_what_stands_there() {
        let first = operation(1..5, put(1), acknowledged(1));
        let over = |id, nth, base| {
            operation(10..20, put_if(Guard::Version(v(base)), id), acknowledged(nth)).quorum()
        };
        assert_kept(check, &Calm, &story(&[first.clone(), over(2, 2, 1), over(3, 3, 2)]));
        let both = [first.clone(), over(2, 2, 1), over(3, 3, 1)];
        assert_broken(check, &Calm, &story(&both), &["put 3 if"]);
        let missed = |guard| operation(10..20, put_if(guard, 4), refused(412)).quorum();
        assert_kept(check, &Calm, &story(&[first.clone(), missed(Guard::Absent)]));
        for guard in [Guard::Exists, Guard::Version(v(1))] {
            assert_broken(check, &Calm, &story(&[first.clone(), missed(guard)]), &["#1"]);
        }
        // An indeterminate write, which nobody saw, may have been in the way.
        let unseen = operation(6..9, put(9), Outcome::Indeterminate);
        let history = story(&[first.clone(), unseen, missed(Guard::Version(v(1)))]);
        assert_kept(check, &Calm, &history);
        let created = operation(10..11, put_if(Guard::Absent, 5), acknowledged(5)).quorum();
        assert_broken(check, &Calm, &story(&[first.clone(), created.clone()]), &["#1"]);
        let deleted = operation(6..7, delete(), acknowledged(4));
        assert_kept(check, &Calm, &story(&[first, deleted, created]));
    }

    #[test]
    fn what_one_owner_accepted_surfaces_over_what_was_stamped_just_before() {
        let first = operation(1..5, put(1), acknowledged(1));
        let over_first =
            |id, outcome| operation(10..20, put_if(Guard::Version(v(1)), id), outcome).quorum();
        let surfaces = |outcome: Outcome, at: u64| {
            let known = [over_first(2, Outcome::Indeterminate), get(22..24, saw(2, 2)).quorum()];
            let late = [over_first(3, outcome), get(30..32, saw(at, 3)).quorum()];
            story(&[&[first.clone()][..], &known, &late].concat())
        };
        let [soon, late] = [500 << 16, 502 << 16];
        assert_kept(check, &Calm, &surfaces(Outcome::Indeterminate, soon));
        assert_broken(check, &Calm, &surfaces(Outcome::Indeterminate, late), &["#4"]);
        // Who was told that it stands has nothing above it that it was not judged on.
        assert_broken(check, &Calm, &surfaces(acknowledged(soon), soon), &["t/k"]);
        // Nor does what was asked for when the other stood already, or comes over two.
        let second = over_first(2, acknowledged(2));
        let asked_late =
            operation(21..25, put_if(Guard::Version(v(1)), 3), Outcome::Indeterminate).quorum();
        let read = get(30..32, saw(4, 3)).quorum();
        let all = [first.clone(), second.clone(), asked_late, read.clone()];
        assert_broken(check, &Calm, &story(&all), &["#3"]);
        let third = operation(10..20, put_if(Guard::Version(v(2)), 4), acknowledged(3)).quorum();
        let all = [first, second, third, over_first(3, Outcome::Indeterminate), read];
        assert_broken(check, &Calm, &story(&all), &["#4"]);
    }

    #[test]
    fn a_delete_may_have_been_seen_at_an_earlier_stamp() {
        let first = operation(1..5, put(1), acknowledged(1));
        let deleted = operation(10..40, delete(), acknowledged(5));
        let between = operation(16..18, put(2), acknowledged(3));
        let reads =
            [get(12..14, saw_nothing()), get(20..22, saw(3, 2)), get(50..52, saw_nothing())];
        let told = [&[first, deleted, between][..], &reads].concat();
        let back = get(60..62, saw(3, 2));
        assert_broken(check, &Calm, &story(&[&told[..], &[back]].concat()), &["#6"]);
        assert_kept(check, &Calm, &story(&told));
    }

    #[test]
    fn two_deletes_at_a_time_may_both_have_found_something() {
        let first = operation(1..5, put(1), acknowledged(1));
        let deletes = [2, 3].map(|nth| operation(10..20, delete(), acknowledged(nth)));
        assert_kept(check, &Calm, &story(&[&[first][..], &deletes].concat()));
    }

    #[test]
    fn a_refusal_tells_that_nothing_was_there() {
        let first = operation(1..5, put(1), acknowledged(1));
        for action in [delete(), patch(2)] {
            let missing = operation(10..20, action, refused(404));
            assert_broken(check, &Calm, &story(&[first.clone(), missing.clone()]), &["404"]);
            assert_kept(check, &Calm, &story(&[missing]));
        }
    }

    #[test]
    fn patches_add_to_what_is_there() {
        let patched = |reads: Seen| {
            story(&[
                operation(1..5, put(1), acknowledged(1)),
                operation(10..20, patch(2), acknowledged(2)),
                operation(10..20, patch(3), acknowledged(3)),
                get(30..40, Outcome::Read(reads)),
            ])
        };
        assert_kept(check, &Calm, &patched(value(3, 1, &[2, 3])));
        assert_broken(check, &Calm, &patched(value(3, 1, &[3])), &["#3"]);
        assert_broken(check, &Calm, &patched(value(3, 1, &[3, 2])), &["#3"]);
        assert_broken(check, &Calm, &patched(value(3, 1, &[2, 3, 3])), &["#3"]);
    }

    #[test]
    fn versions_rise_with_the_order() {
        let writes = |second| {
            [operation(1..5, put(1), acknowledged(2)), operation(second, put(2), acknowledged(1))]
        };
        assert_kept(check, &Calm, &story(&writes(3..7)));
        assert_broken(check, &Calm, &story(&writes(6..7)), &["#1"]);
    }

    #[test]
    fn they_rise_over_a_write_whose_version_nobody_knows() {
        let overlapping = [
            operation(1..9, put(1), acknowledged(2)),
            operation(9..12, put(2), acknowledged(3)),
            operation(9..12, put_if(Guard::Exists, 3), Outcome::Indeterminate),
        ];
        let with = |seen| story(&[overlapping.as_slice(), &[get(20..21, seen)]].concat());
        assert_kept(check, &Calm, &with(saw(3, 2)));
        assert_kept(check, &Calm, &with(saw(4, 3)));
        assert_broken(check, &Calm, &with(saw(2, 1)), &["#3"]);
        let over = operation(20..21, put_if(Guard::Version(v(1)), 4), acknowledged(5)).quorum();
        let history = story(&[overlapping.as_slice(), &[over]].concat());
        assert_broken(check, &Calm, &history, &["#3"]);
    }

    #[test]
    fn a_write_that_is_stamped_again_may_be_seen_at_its_first_stamp() {
        let history = [
            operation(1..30, put(1), acknowledged(3)),
            operation(5..20, put(2), acknowledged(2)),
            get(2..4, saw(1, 1)),
            get(21..22, saw(2, 2)),
            get(31..32, saw(3, 1)),
        ];
        assert_kept(check, &Calm, &story(&history));
        let after = [history.as_slice(), &[get(40..41, saw(1, 1))]].concat();
        assert_broken(check, &Calm, &story(&after), &["#5"]);
    }

    #[test]
    fn weak_answers_bind_nobody() {
        let strong = operation(1..5, put(1), acknowledged(2));
        let weak = [operation(10..20, put(2), acknowledged(3)).one(), get(30..31, saw(2, 1))];
        assert_kept(check, &Calm, &story(&[[strong.clone()].as_slice(), &weak].concat()));
        let stale = get(30..31, saw_nothing());
        for stale in [stale.clone().one(), stale.weak()] {
            assert_kept(check, &Calm, &story(&[strong.clone(), stale]));
        }
    }

    #[test]
    fn a_record_may_be_over_at_its_deadline() {
        let slack = Calm.clock_slack();
        let history = |at: Nanos| {
            let record = operation(1..5, put_for(10 * slack, 1), acknowledged(1));
            story(&[record, get(at..at + 1, saw_nothing())])
        };
        assert_kept(check, &Calm, &history(10 * slack));
        assert_broken(check, &Calm, &history(8 * slack), &["#1"]);
    }

    #[test]
    fn repeats_are_one_operation() {
        let history = |tries: [Outcome; 2], seen: Outcome| {
            let [first, second] = tries;
            story(&[
                operation(1..5, put(1), first).under("a"),
                operation(6..7, put(2), acknowledged(2)),
                operation(8..9, put(1), second).under("a"),
                get(11..12, seen),
            ])
        };
        let told = [acknowledged(1), acknowledged(1)];
        assert_kept(check, &Calm, &history(told.clone(), saw(2, 2)));
        assert_broken(check, &Calm, &history(told, saw(1, 1)), &["#3"]);
        let late = [Outcome::Indeterminate, acknowledged(3)];
        assert_kept(check, &Calm, &history(late.clone(), saw(3, 1)));
        assert_broken(check, &Calm, &history(late, saw(2, 2)), &["#3"]);
        let never = [Outcome::Indeterminate, refused(503)];
        assert_kept(check, &Calm, &history(never.clone(), saw(3, 1)));
        assert_kept(check, &Calm, &history(never, saw(2, 2)));
    }

    #[test]
    fn the_bound_is_no_pass() {
        // So many writes at a time, none of which anybody saw, have too many orders for the last read.
        let writes = (1..=20).map(|id| operation(1..100, put(id), acknowledged(id)));
        let patches = (21..=40).map(|id| operation(1..100, patch(id), Outcome::Indeterminate));
        let missing = [operation(1..100, delete(), refused(404)), get(200..201, saw_nothing())];
        let all: Vec<Operation> = writes.chain(patches).chain(missing).collect();
        let history = story(&all);
        let told = judge(&ledger(&history)[KEY], 0, 1_000).unwrap();
        assert!(
            told.contains("no verdict: 1000 configurations") && told.contains("bound"),
            "{told}"
        );
    }
}
