//! A stream goes from the state to the final value of each key, and never back; or it says `reset`.
//!
//! The promise: "a stream reaches the final value of every key it follows, across reconnects, node failures and
//! moves; or it says `reset` and sends the state" (DESIGN.md, section 1), "per key, versions never fall, and the
//! last event is the final value" (guarantees.md, Live streams). It always holds:
//!
//! - Until a `reset` no key's version falls, over reconnects too. The same event may come twice; a record that
//!   is gone does not come back at its version.
//! - A connection that goes on behind an id misses nothing; one without an id tells the state. What a `reset`'s
//!   state does not repeat by its `ready` is gone. So what the reader holds in the end, if it followed
//!   ([`Stream::to_the_end`]), is what the nodes hold.
//! - `ready` comes once a connection, and once more behind each `reset`.
//! - `reset` comes where [`Circumstances::may_reset`] lets it.
//!
//! What an event shows is a sighting for the other laws: written by somebody, whole, one write a version.

use std::collections::{BTreeMap, BTreeSet};

use dynarust_core::Version;

use crate::circumstances::Circumstances;
use crate::history::{Final, History};
use crate::operation::Seen;
use crate::stream::{Connection, Event, Stream, Told};
use crate::violation::Violation;

const LAW: &str = "stream";

/// Streams that fell back, missed something, or began anew without need.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let mut found = Vec::new();
    for stream in &history.streams {
        let mut mirror = Mirror::default();
        for (nth, connection) in stream.connections.iter().enumerate() {
            let may_reset = circumstances.may_reset(stream, nth);
            mirror.follow(stream, connection, may_reset);
        }
        if stream.to_the_end {
            mirror.compare(stream, &history.finals);
        }
        found.append(&mut mirror.found);
    }
    found
}

/// What a reader holds.
#[derive(Debug, Default)]
pub(super) struct Mirror<'h> {
    records: BTreeMap<&'h str, Held>,
    /// The keys that were told since the state began, until `ready`.
    retold: Option<BTreeSet<&'h str>>,
    /// How often the connection is still to say `ready`.
    readies_due: u32,
    found: Vec<Violation>,
}

/// What it was told of a key last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    version: Option<Version>,
    /// Nothing where it is gone.
    seen: Option<Seen>,
}

impl Held {
    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    pub(super) fn is_gone(&self) -> bool {
        self.seen.is_none()
    }
}

impl<'h> Mirror<'h> {
    /// What it holds of that key.
    pub(super) fn held(&self, key: &str) -> Option<&Held> {
        self.records.get(key)
    }

    /// The connection that it followed last has said so.
    pub(super) fn is_ready(&self) -> bool {
        self.readies_due == 0
    }

    fn complain(&mut self, stream: &Stream, key: &str, what: &str) {
        let text = format!("reader {}'s stream of {} {what}", stream.reader, stream.follows);
        self.found.push(Violation::new(LAW, key, text));
    }

    pub(super) fn follow(
        &mut self,
        stream: &'h Stream,
        connection: &'h Connection,
        may_reset: bool,
    ) {
        if connection.resumed.is_none() {
            self.begin_anew();
        }
        self.readies_due = 1;
        for event in &connection.events {
            match &event.what {
                Told::Change { key, seen, .. } => self.take(stream, event, key, seen),
                Told::Ready if self.readies_due == 0 => self.complain(stream, "", "is ready twice"),
                Told::Ready => {
                    self.readies_due -= 1;
                    self.complete();
                }
                Told::Reset => {
                    if !may_reset {
                        let what =
                            format!("says reset at {}, at node {}", event.at, connection.node);
                        self.complain(stream, "", &what);
                    }
                    self.readies_due = 1;
                    self.begin_anew();
                }
                Told::Lagged | Told::Closing => {}
            }
        }
        let ends = stream.connections.last().is_some_and(|last| std::ptr::eq(last, connection));
        if stream.to_the_end && ends && self.readies_due > 0 {
            self.complain(stream, "", "never was ready");
        }
    }

    /// The whole state follows. What was told before is no floor for it.
    fn begin_anew(&mut self) {
        self.retold = Some(BTreeSet::new());
        self.records.values_mut().for_each(|held| held.version = None);
    }

    /// The state is complete: what it did not repeat is gone.
    fn complete(&mut self) {
        let Some(retold) = self.retold.take() else { return };
        for (key, held) in &mut self.records {
            if !retold.contains(key) {
                held.seen = None;
            }
        }
    }

    fn take(&mut self, stream: &Stream, event: &Event, key: &'h str, seen: &Seen) {
        if !stream.follows.holds(key) {
            self.complain(stream, key, "tells of what it does not follow");
        }
        let version = seen.version();
        let there = !matches!(seen, Seen::Absent { .. });
        if let Some(held) = self.records.get(key) {
            let fell = version < held.version;
            let back = version == held.version && version.is_some() && held.seen.is_none() && there;
            if fell || back {
                let before = held.version.map(|it| it.to_string()).unwrap_or_default();
                let gone = if back { "gone at " } else { "" };
                let what = format!("falls to {seen} at {}, from {gone}{before}", event.at);
                self.complain(stream, key, &what);
            }
        }
        if let Some(retold) = &mut self.retold {
            retold.insert(key);
        }
        self.records.insert(key, Held { version, seen: there.then(|| seen.clone()) });
    }

    /// What it holds against what the nodes say.
    fn compare(&mut self, stream: &Stream, finals: &'h [Final]) {
        let mut lasts: BTreeMap<&str, &Seen> = BTreeMap::new();
        let followed = finals.iter().filter(|last| stream.follows.holds(&last.key));
        followed.for_each(|last| _ = lasts.entry(&last.key).or_insert(&last.seen));
        for (key, seen) in lasts {
            let held = self.records.get(key).and_then(|held| held.seen.as_ref());
            let there = !matches!(seen, Seen::Absent { .. });
            if held != there.then_some(seen) {
                let held = held.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                self.complain(stream, key, &format!("ends with {held}, and there is {seen}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Follows;
    use crate::story::{KEY, assert_broken, assert_kept, ends, v, value};
    use crate::{Calm, Stormy};

    fn shows(seen: Seen) -> Told {
        Told::Change { key: KEY.to_owned(), seen, expired: false }
    }

    fn at(nth: u64) -> Told {
        shows(value(nth, nth, &[]))
    }

    fn gone(nth: u64) -> Told {
        shows(Seen::Absent { version: Some(v(nth)) })
    }

    fn connection(resumed: bool, told: &[Told]) -> Connection {
        let events = told.iter().cloned().zip(0..);
        let events = events.map(|(what, at)| Event { at, id: format!("i{at}"), what }).collect();
        Connection {
            node: 1,
            opened: 0,
            resumed: resumed.then(|| "i9".to_owned()),
            events,
            until: None,
        }
    }

    fn followed(connections: &[Connection], last: &Seen) -> History {
        let stream = Stream {
            reader: 7,
            follows: Follows::prefix("t/"),
            connections: connections.to_vec(),
            to_the_end: true,
        };
        History { streams: vec![stream], ..ends(&[], last) }
    }

    fn once(told: &[Told], last: &Seen) -> History {
        followed(&[connection(false, told)], last)
    }

    #[test]
    fn versions_rise() {
        let last = value(3, 3, &[]);
        assert_kept(check, &Calm, &once(&[at(1), Told::Ready, at(2), at(2), at(3)], &last));
        let fallen = once(&[at(2), Told::Ready, at(1), at(3)], &last);
        assert_broken(
            check,
            &Stormy,
            &fallen,
            &["t/k", "reader 7", "falls to", "from", &v(2).to_string()],
        );
    }

    #[test]
    fn what_is_gone_does_not_come_back() {
        let last = value(3, 3, &[]);
        assert_kept(check, &Calm, &once(&[at(1), Told::Ready, gone(2), at(3)], &last));
        // An expiry has the version of its write.
        assert_kept(check, &Calm, &once(&[at(1), Told::Ready, gone(1), gone(1), at(3)], &last));
        let back = once(&[at(1), Told::Ready, gone(1), at(1), at(3)], &last);
        assert_broken(check, &Stormy, &back, &["falls to", "from gone at"]);
    }

    #[test]
    fn the_last_event_is_the_final_value() {
        let told = [at(1), Told::Ready, at(2)];
        assert_kept(check, &Calm, &once(&told, &value(2, 2, &[])));
        for last in [value(3, 3, &[]), value(2, 1, &[]), Seen::absent()] {
            assert_broken(check, &Stormy, &once(&told, &last), &["ends with", "and there is"]);
        }
        assert_broken(check, &Stormy, &once(&[Told::Ready], &value(1, 1, &[])), &["nothing"]);
        assert_kept(check, &Calm, &once(&[at(1), Told::Ready, gone(2)], &Seen::absent()));
        let mut unfinished = once(&told, &value(3, 3, &[]));
        unfinished.streams[0].to_the_end = false;
        assert_kept(check, &Calm, &unfinished);
        let mut elsewhere = once(&told, &value(2, 2, &[]));
        elsewhere.finals[0].key = "u/x".to_owned();
        assert_kept(check, &Calm, &elsewhere);
    }

    #[test]
    fn a_resumed_stream_goes_on() {
        let first = connection(false, &[at(1), Told::Ready, at(2)]);
        let last = value(3, 3, &[]);
        let then = |told: &[Told]| followed(&[first.clone(), connection(true, told)], &last);
        assert_kept(check, &Calm, &then(&[at(3), Told::Ready]));
        assert_kept(check, &Calm, &then(&[at(2), Told::Ready, at(3)]));
        assert_broken(check, &Stormy, &then(&[at(1), at(3), Told::Ready]), &["falls to"]);
        assert_broken(check, &Stormy, &then(&[Told::Ready]), &["ends with"]);
    }

    #[test]
    fn after_a_reset_all_is_told_anew() {
        let first = connection(false, &[at(2), Told::Ready]);
        let then =
            |told: &[Told], last: &Seen| followed(&[first.clone(), connection(true, told)], last);
        let older = then(&[Told::Reset, at(1), at(2), Told::Ready], &value(2, 2, &[]));
        assert_kept(check, &Stormy, &older);
        assert_broken(check, &Calm, &older, &["says reset", "at node 1"]);
        let gone = [Told::Reset, Told::Ready];
        assert_kept(check, &Stormy, &then(&gone, &Seen::absent()));
        assert_broken(check, &Stormy, &then(&gone, &value(2, 2, &[])), &["ends with nothing"]);
        let fallen = then(&[Told::Reset, at(2), at(1), at(2), Told::Ready], &value(2, 2, &[]));
        assert_broken(check, &Stormy, &fallen, &["falls to"]);
        // Who asks without an id begins anew by itself.
        let anew = connection(false, &[at(1), Told::Ready, at(2)]);
        assert_kept(check, &Calm, &followed(&[first.clone(), anew], &value(2, 2, &[])));
    }

    #[test]
    fn it_is_ready_once() {
        let last = value(1, 1, &[]);
        assert_broken(check, &Stormy, &once(&[at(1), Told::Ready, Told::Ready], &last), &["twice"]);
        assert_broken(check, &Stormy, &once(&[at(1)], &last), &["never was ready"]);
        let again = [at(1), Told::Ready, Told::Reset, at(1), Told::Ready, Told::Closing];
        assert_kept(check, &Stormy, &once(&again, &last));
        assert_broken(check, &Stormy, &once(&again[..4], &last), &["never was ready"]);
        // It was cut before, and went on.
        let cut = [connection(false, &[at(1)]), connection(true, &[Told::Ready])];
        assert_kept(check, &Calm, &followed(&cut, &last));
        let mut unfinished = once(&[at(1)], &last);
        unfinished.streams[0].to_the_end = false;
        assert_kept(check, &Calm, &unfinished);
    }

    #[test]
    fn it_tells_of_what_it_follows() {
        let key = "u/x".to_owned();
        let foreign = Told::Change { key, seen: value(1, 1, &[]), expired: false };
        let history = once(&[at(1), Told::Ready, foreign], &value(1, 1, &[]));
        assert_broken(check, &Stormy, &history, &["u/x", "does not follow"]);
    }
}
