//! What is deleted, or over, stays so.
//!
//! The promise: "no node, however long away, brings a deleted or expired record back once it has met a node
//! that holds the delete" (DESIGN.md, section 1), "gone for every reader at its deadline" (guarantees.md,
//! Expiry). It holds:
//!
//! - at the end of every acknowledged delete that was not lost ([`Circumstances::kept`]): nothing older is there;
//! - of reads that the delete binds (`bonds.rs`): they show nothing older;
//! - of every record with a deadline, for every reader at any consistency, once that has passed on all
//!   clocks ([`Circumstances::clock_slack`]); and in streams no more than a second later.

use crate::bonds::{binds, deadline};
use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::{Account, At, By, Sighting, ledger};
use crate::operation::{Action, Nanos, Seen};
use crate::value::Content;
use crate::violation::Violation;

const LAW: &str = "no_resurrection";

/// Records that are there again.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, account) in &ledger(history) {
        let deleted = account
            .acknowledged
            .iter()
            .filter(|(_, write)| matches!(write.operation.action, Action::Delete { .. }));
        let deleted = deleted.filter_map(|(_, delete)| returned(account, circumstances, *delete));
        let expired = account.writes.iter();
        let slack = circumstances.clock_slack();
        let expired = expired.filter_map(|write| outlived(account, slack, *write));
        found.extend(deleted.chain(expired).map(|text| Violation::new(LAW, key, text)));
    }
    found
}

/// Something older than a delete is shown to who must know of it.
fn returned(
    account: &Account<'_>,
    circumstances: &dyn Circumstances,
    delete: At<'_>,
) -> Option<String> {
    let version = delete.operation.acknowledged()?;
    let mut older = account.sightings.iter().filter(|sighting| {
        let shows = matches!(sighting.seen, Seen::Value { version: shown, .. } if *shown < version);
        shows && knows(circumstances, delete, sighting)
    });
    let Sighting { by, seen } = older.next()?;
    Some(format!("{by} shows {seen}, which {delete} had deleted"))
}

fn knows(circumstances: &dyn Circumstances, delete: At<'_>, sighting: &Sighting<'_>) -> bool {
    match sighting.by {
        By::Final { .. } => circumstances.kept(delete.operation),
        By::Operation(read) => binds(circumstances, delete.operation, read.operation),
        // Streams may be behind, and each rises for itself: another law.
        By::Stream { .. } => false,
    }
}

/// A record is shown that was over on all clocks when it was asked for.
fn outlived(account: &Account<'_>, clock_slack: Nanos, write: At<'_>) -> Option<String> {
    let Action::Put { id, ttl: Some(ttl), .. } = write.operation.action else { return None };
    let (_, over) = deadline(write.operation, ttl, clock_slack);
    let over = over?;
    let own = Content::put(id);
    let mut later = account.sightings.iter().filter(|sighting| {
        let shows = matches!(sighting.seen, Seen::Value { content, .. } if *content == own);
        shows && asked_at(sighting.by).is_some_and(|asked| asked > over)
    });
    let Sighting { by, seen } = later.next()?;
    Some(format!("{by} shows {seen}, and {write} was over at {over}"))
}

/// When whoever was shown something had asked for it.
fn asked_at(by: By<'_>) -> Option<Nanos> {
    match by {
        By::Operation(read) => Some(read.operation.invoked),
        By::Final { at, .. } => Some(at),
        // It may have waited for its reader.
        By::Stream { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        acknowledged, assert_broken, assert_kept, delete, ends, get, operation, patch, put,
        put_for, saw, saw_nothing, story, value,
    };
    use crate::{Calm, Operation, Outcome, Stormy};

    fn deleted() -> [Operation; 2] {
        [operation(1..5, put(1), acknowledged(1)), operation(6..9, delete(), acknowledged(2))]
    }

    #[test]
    fn what_was_deleted_is_not_there_at_the_end() {
        assert_kept(check, &Stormy, &ends(&deleted(), &Seen::absent()));
        assert_kept(check, &Stormy, &ends(&deleted(), &value(3, 3, &[])));
        let mut history = ends(&deleted(), &Seen::absent());
        history.finals[1].seen = value(1, 1, &[]);
        let words = ["node 1 at the end", "put 1", "#1", "had deleted"];
        assert_broken(check, &Stormy, &history, &words);
    }

    #[test]
    fn who_is_told_of_a_delete_sees_nothing_older() {
        let with = |read: Operation| story(&[deleted().as_slice(), &[read]].concat());
        let back = with(get(10..11, saw(1, 1)));
        assert_broken(check, &Calm, &back, &["get", "had deleted"]);
        assert_kept(check, &Stormy, &back);
        assert_kept(check, &Calm, &with(get(8..11, saw(1, 1))));
        assert_kept(check, &Calm, &with(get(10..11, saw_nothing())));
        let [put, delete] = deleted();
        let strict = [put, delete.quorum(), get(10..11, saw(1, 1)).quorum()];
        assert_broken(check, &Stormy, &story(&strict), &["had deleted"]);
    }

    #[test]
    fn nothing_outlives_its_deadline() {
        let second = Stormy.clock_slack();
        let record = operation(1..5, put_for(5 * second, 1), acknowledged(1));
        let with = |more: &[Operation]| story(&[[record.clone()].as_slice(), more].concat());
        let seen = get(6 * second + 6..6 * second + 9, saw(1, 1)).one();
        assert_broken(check, &Stormy, &with(&[seen]), &["get", "put 1 for", "was over"]);
        let early = get(6 * second + 5..6 * second + 9, saw(1, 1));
        assert_kept(check, &Stormy, &with(&[early]));
        // A patch sets it anew.
        let patched = get(9 * second..9 * second + 1, Outcome::Read(value(2, 1, &[2])));
        let patch = operation(7..8, patch(2), acknowledged(2));
        assert_kept(check, &Stormy, &with(&[patch, patched]));
        let mut last = ends(std::slice::from_ref(&record), &value(1, 1, &[]));
        last.finals.iter_mut().for_each(|last| last.at = 9 * second);
        assert_broken(check, &Stormy, &last, &["at the end", "was over"]);
        // Nobody knows when a write of unknown outcome takes effect.
        let open = operation(1..5, put_for(5 * second, 1), Outcome::Indeterminate);
        let history = story(&[open, get(9 * second..9 * second + 1, saw(1, 1))]);
        assert_kept(check, &Stormy, &history);
    }
}
