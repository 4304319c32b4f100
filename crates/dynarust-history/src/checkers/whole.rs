//! No value is a mixture: what is shown is, byte for byte, what one PUT has written, with whole patches on it.
//!
//! The promise: "a write is whole or absent", "byte for byte" (guarantees.md), and one winner per key
//! (DESIGN.md, section 1). It always holds. ([`crate::value`] says how a mixture is seen.)

use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::ledger;
use crate::operation::Seen;
use crate::violation::Violation;

const LAW: &str = "whole";

/// What was shown that nobody can have written.
#[must_use]
pub fn check(history: &History, _: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, account) in &ledger(history) {
        for sighting in &account.sightings {
            if let Seen::Garbled { .. } = sighting.seen {
                let text =
                    format!("{} shows what no write has made: {}", sighting.by, sighting.seen);
                found.push(Violation::new(LAW, key, text));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        KEY, acknowledged, assert_broken, assert_kept, ends, get, operation, put, saw, story, v,
        value,
    };
    use crate::{Action, Connection, Event, Follows, Listed, Outcome, Stormy, Stream, Told};

    #[test]
    fn a_mixture_is_found_wherever_it_is_shown() {
        let write = operation(1..2, put(1), acknowledged(1));
        let garbled = Seen::of(v(1), r#"{"first":1,"text":"","patches":[],"last":2}"#);
        let listed = vec![Listed { key: KEY.to_owned(), seen: Some(garbled.clone()) }];
        let scan = operation(3..4, Action::Scan, Outcome::Listed(listed)).on("t/");
        let told = Told::Change { key: KEY.to_owned(), seen: garbled.clone(), expired: false };
        let events = vec![Event { at: 5, id: "a".to_owned(), what: told }];
        let connections =
            vec![Connection { node: 2, opened: 3, resumed: None, events, until: None }];
        let stream =
            Stream { reader: 7, follows: Follows::prefix("t/"), connections, to_the_end: false };
        let mut last = ends(&[], &garbled);
        last.finals.truncate(1);
        let of_stream = History { streams: vec![stream], ..History::default() };
        let cases = [
            (story(&[write.clone(), get(3..4, Outcome::Read(garbled))]), "get"),
            (story(&[write.clone(), scan]), "scan"),
            (of_stream, "reader 7's stream of node 2"),
            (last, "node 0 at the end"),
        ];
        for (history, word) in cases {
            assert_broken(check, &Stormy, &history, &[word, r#"\"last\":2"#]);
        }
        assert_kept(check, &Stormy, &ends(&[write, get(3..4, saw(1, 1))], &value(1, 1, &[])));
    }
}
