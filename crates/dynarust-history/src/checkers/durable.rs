//! What was acknowledged is there at the end, or a higher version is, which somebody wrote.
//!
//! The promise: "200 to a write means that every counted replica has it on stable storage" (DESIGN.md,
//! section 1), "an acknowledged write is lost only with the disks of all owners that stood behind it"
//! (guarantees.md, Consistency). It holds of writes that [`Circumstances::kept`] names, and by the time at
//! which the nodes say the same. That what is there instead was written by somebody, and refused to nobody,
//! is [`super::indeterminate`]'s.
//!
//! Nothing is there where the highest was a delete, or a record with a deadline, or where a delete of
//! unknown outcome may have come over it.

use dynarust_core::Version;

use crate::bonds::may_be_absent;
use crate::circumstances::Circumstances;
use crate::history::{Final, History};
use crate::ledger::{Account, At, ledger};
use crate::operation::{Action, Seen};
use crate::violation::Violation;

const LAW: &str = "durable";

/// What was acknowledged, and is not there.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, account) in &ledger(history) {
        let kept = account.acknowledged.iter().rev();
        let mut kept = kept.filter(|(_, write)| circumstances.kept(write.operation));
        let Some(highest) = kept.next() else { continue };
        let lost = account
            .finals
            .iter()
            .find(|last| is_lost(account, highest, last, circumstances.clock_slack()));
        found.extend(lost.map(|last| {
            let text =
                format!("{} is not there: node {} ends with {}", highest.1, last.node, last.seen);
            Violation::new(LAW, key, text)
        }));
    }
    found
}

fn is_lost(
    account: &Account<'_>,
    (highest, write): &(Version, At<'_>),
    last: &Final,
    clock_slack: u64,
) -> bool {
    match &last.seen {
        Seen::Absent { version: None } => !may_be_absent(account, *highest, last.at, clock_slack),
        Seen::Absent { version: Some(version) } if version == highest => {
            matches!(write.operation.action, Action::Put { ttl: None, .. } | Action::Patch { .. })
        }
        Seen::Absent { version: Some(version) } => {
            version < highest || !may_be_absent(account, *version, last.at, clock_slack)
        }
        Seen::Value { version, .. } | Seen::Garbled { version, .. } => version < highest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        Dark, acknowledged, assert_broken, assert_kept, delete, ends, operation, patch, put,
        put_for, v, value,
    };
    use crate::{Durability, Nanos, Operation, Outcome, Stormy};

    fn writes(last: Operation) -> [Operation; 2] {
        [operation(1..5, put(1), acknowledged(1)), last]
    }

    fn absent(nth: u64) -> Seen {
        Seen::Absent { version: Some(v(nth)) }
    }

    #[test]
    fn the_highest_acknowledged_write_is_there() {
        let writes = writes(operation(3..9, put(2), acknowledged(2)));
        assert_kept(check, &Stormy, &ends(&writes, &value(2, 2, &[])));
        let lost = [value(1, 1, &[]), Seen::absent(), absent(1)];
        for lost in lost {
            assert_broken(check, &Stormy, &ends(&writes, &lost), &["put 2", "node 0", "not there"]);
        }
        // Of which nobody is told that it is there, nothing is said.
        assert_kept(check, &Stormy, &crate::story::story(&writes));
    }

    #[test]
    fn one_node_alone_may_have_lost_it() {
        let writes = writes(operation(3..9, put(2), acknowledged(2)));
        let mut history = ends(&writes, &value(2, 2, &[]));
        history.finals[2].seen = value(1, 1, &[]);
        assert_broken(check, &Stormy, &history, &["node 2"]);
    }

    #[test]
    fn what_is_unknown_may_have_come_over_it() {
        let open = |action| writes(operation(6..9, action, Outcome::Indeterminate));
        assert_kept(check, &Stormy, &ends(&open(put(2)), &value(2, 2, &[])));
        assert_kept(check, &Stormy, &ends(&open(put(2)), &value(1, 1, &[])));
        assert_kept(check, &Stormy, &ends(&open(delete()), &Seen::absent()));
        assert_kept(check, &Stormy, &ends(&open(delete()), &absent(2)));
        assert_broken(check, &Stormy, &ends(&open(put(2)), &Seen::absent()), &["put 1"]);
        assert_broken(check, &Stormy, &ends(&open(put(2)), &absent(2)), &["put 1"]);
    }

    #[test]
    fn a_delete_stands_as_a_write_does() {
        let deleted = writes(operation(6..9, delete(), acknowledged(2)));
        assert_kept(check, &Stormy, &ends(&deleted, &Seen::absent()));
        assert_kept(check, &Stormy, &ends(&deleted, &absent(2)));
        assert_broken(check, &Stormy, &ends(&deleted, &value(1, 1, &[])), &["delete"]);
        // What was written is no tombstone.
        for action in [put(3), patch(3)] {
            let written = writes(operation(6..9, action, acknowledged(2)));
            assert_broken(check, &Stormy, &ends(&written, &absent(2)), &["not there"]);
        }
        let earlier =
            [operation(1..5, delete(), acknowledged(1)), operation(6..9, put(2), acknowledged(2))];
        for seen in [Seen::absent(), absent(1)] {
            assert_broken(check, &Stormy, &ends(&earlier, &seen), &["put 2"]);
        }
    }

    #[test]
    fn a_record_with_a_deadline_may_be_over() {
        let second = Stormy.clock_slack();
        let record = [operation(1..5, put_for(5 * second, 1), acknowledged(1))];
        let at = |at: Nanos, seen: &Seen| {
            let mut history = ends(&record, seen);
            history.finals.iter_mut().for_each(|last| last.at = at);
            history
        };
        for seen in [Seen::absent(), absent(1)] {
            assert_kept(check, &Stormy, &at(5 * second, &seen));
        }
        assert_broken(check, &Stormy, &at(3 * second, &Seen::absent()), &["put 1"]);
    }

    #[test]
    fn what_need_not_be_kept_may_be_lost() {
        let relaxed = operation(6..9, put(2), acknowledged(2));
        let relaxed = writes(Operation { durability: Durability::Relaxed, ..relaxed });
        assert_kept(check, &Dark, &ends(&relaxed, &value(1, 1, &[])));
        assert_broken(check, &Dark, &ends(&relaxed, &Seen::absent()), &["put 1"]);
        assert_broken(check, &Stormy, &ends(&relaxed, &value(1, 1, &[])), &["put 2"]);
    }
}
