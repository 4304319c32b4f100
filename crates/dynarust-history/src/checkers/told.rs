//! A stream tells, in time, whatever was acknowledged: not only in the end.
//!
//! The promise: "every change pushed to whoever follows it", "a stream has no gap" (DESIGN.md, section 1). What a
//! stream missed the next change of its key would hide from [`super::stream`], which looks at what is held in the
//! end. So at the end of each connection that lasted for as long ([`TOLD_WITHIN`]) the reader is to be ready, and to hold
//! at least what was acknowledged that long before, where since then all was well ([`Circumstances::well`]).

use crate::bonds::may_be_absent;
use crate::checkers::stream::{Held, Mirror};
use crate::circumstances::Circumstances;
use crate::history::History;
use crate::ledger::{Account, At, Ledger, ledger};
use crate::operation::Nanos;
use crate::stream::{Connection, Stream};
use crate::violation::Violation;

const LAW: &str = "told";

/// Where all is well nothing takes as long; and simulations are not often quiet for longer.
pub const TOLD_WITHIN: Nanos = 5_000_000_000;

/// Streams that did not tell what was acknowledged.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    let ledger = ledger(history);
    let mut found = Vec::new();
    for stream in &history.streams {
        let mut mirror = Mirror::default();
        for connection in &stream.connections {
            mirror.follow(stream, connection, true);
            if let Some((from, until)) = judged(connection, circumstances) {
                let told = Told { stream, connection, mirror: &mirror, from, until };
                found.append(&mut told.missing(&ledger, circumstances));
            }
        }
    }
    found
}

/// How many connections it judges.
#[must_use]
pub fn judged_count(history: &History, circumstances: &dyn Circumstances) -> usize {
    let connections = history.streams.iter().flat_map(|stream| &stream.connections);
    connections.filter(|connection| judged(connection, circumstances).is_some()).count()
}

/// Since when what was acknowledged is to be told by the connection's end, and when that was.
fn judged(connection: &Connection, circumstances: &dyn Circumstances) -> Option<(Nanos, Nanos)> {
    let until = connection.until?;
    let from = until.checked_sub(TOLD_WITHIN).filter(|from| *from >= connection.opened)?;
    circumstances.well(from, until).then_some((from, until))
}

/// What a reader was told, by the end of a connection.
struct Told<'h> {
    stream: &'h Stream,
    connection: &'h Connection,
    mirror: &'h Mirror<'h>,
    from: Nanos,
    until: Nanos,
}

impl Told<'_> {
    fn missing(&self, ledger: &Ledger<'_>, circumstances: &dyn Circumstances) -> Vec<Violation> {
        if !self.mirror.is_ready() {
            return vec![self.violation("", "is not ready")];
        }
        let followed = ledger.iter().filter(|(key, _)| self.stream.follows.holds(key));
        let missed = followed.filter_map(|(key, account)| {
            let missed = self.missed(account, self.mirror.held(key), circumstances)?;
            Some(self.violation(key, &format!("has not told {missed}")))
        });
        missed.collect()
    }

    /// The newest that was acknowledged, where the reader does not hold it.
    fn missed<'a>(
        &self,
        account: &'a Account<'_>,
        held: Option<&Held>,
        circumstances: &dyn Circumstances,
    ) -> Option<&'a At<'a>> {
        let due = account.acknowledged.iter().rev().find(|(_, write)| {
            let it = write.operation;
            it.returned.is_some_and(|at| at <= self.from) && circumstances.kept(it)
        });
        let (version, write) = due?;
        let gone = held.is_none_or(Held::is_gone);
        let slack = circumstances.clock_slack();
        let holds = held.is_some_and(|held| held.version() >= Some(*version))
            || gone && may_be_absent(account, *version, self.until, slack);
        (!holds).then_some(write)
    }

    fn violation(&self, key: &str, what: &str) -> Violation {
        let Self { stream, connection, until, .. } = self;
        let (reader, follows, node) = (stream.reader, &stream.follows, connection.node);
        let text =
            format!("reader {reader}'s stream of {follows} at node {node} {what}, by {until}");
        Violation::new(LAW, key, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        KEY, acknowledged, assert_broken, assert_kept, delete, operation, put, put_for, story, v,
        value,
    };
    use crate::{Calm, Durability, Event, Follows, Operation, Seen, Stormy, Told};

    const S: Nanos = 1_000_000_000;

    fn write(at: Nanos, nth: u64) -> Operation {
        operation(at..at + 1, put(nth), acknowledged(nth))
    }

    fn shows(nth: u64) -> Told {
        Told::Change { key: KEY.to_owned(), seen: value(nth, nth, &[]), expired: false }
    }

    /// A stream from 1 s to `until` that was told this, and these writes.
    fn told(writes: &[Operation], until: Option<Nanos>, told: &[Told]) -> History {
        let events = told.iter().cloned();
        let events = events.map(|what| Event { at: 2 * S, id: "i".to_owned(), what }).collect();
        let connection = Connection { node: 1, opened: S, resumed: None, events, until };
        let stream = Stream {
            reader: 7,
            follows: Follows::prefix("t/"),
            connections: vec![connection],
            to_the_end: false,
        };
        History { streams: vec![stream], ..story(writes) }
    }

    #[test]
    fn what_was_acknowledged_is_told_in_time() {
        let writes = [write(0, 1), write(3 * S, 2)];
        let late = Some(3 * S + 2 + TOLD_WITHIN);
        let misses = told(&writes, late, &[shows(1), Told::Ready]);
        assert_broken(check, &Calm, &misses, &["reader 7", "node 1", "has not told", "put 2"]);
        assert_kept(check, &Stormy, &misses);
        assert_kept(check, &Calm, &told(&writes, late, &[shows(1), Told::Ready, shows(2)]));
        assert_kept(check, &Calm, &told(&writes, late, &[shows(1), Told::Ready, shows(3)]));
        // It ended too soon for that, or nobody knows when.
        let soon = told(&writes, Some(3 * S + TOLD_WITHIN), &[shows(1), Told::Ready]);
        assert_kept(check, &Calm, &soon);
        assert_kept(check, &Calm, &told(&writes, None, &[shows(1), Told::Ready]));
        assert_broken(check, &Calm, &told(&writes, late, &[Told::Ready]), &["put 2"]);
    }

    #[test]
    fn it_is_ready_in_time() {
        let unready = told(&[], Some(S + TOLD_WITHIN), &[]);
        assert_broken(check, &Calm, &unready, &["is not ready"]);
        assert_kept(check, &Calm, &told(&[], Some(S + TOLD_WITHIN - 1), &[]));
        let again = [Told::Ready, Told::Reset];
        assert_broken(check, &Calm, &told(&[], Some(9 * S), &again), &["is not ready"]);
    }

    #[test]
    fn what_is_gone_need_not_be_told() {
        let late = Some(9 * S);
        let ends = operation(S..2 * S, delete(), acknowledged(2));
        let gone = told(&[write(0, 1), ends.clone()], late, &[Told::Ready]);
        assert_kept(check, &Calm, &gone);
        // But who holds it is told that it is gone.
        let held = told(&[write(0, 1), ends], late, &[shows(1), Told::Ready]);
        assert_broken(check, &Calm, &held, &["delete"]);
        let over = operation(0..1, put_for(S, 1), acknowledged(1));
        assert_kept(check, &Calm, &told(&[over], late, &[Told::Ready]));
    }

    #[test]
    fn what_may_be_lost_need_not_be_told() {
        let mut lost = write(0, 1);
        lost.durability = Durability::Relaxed;
        let history = told(&[lost], Some(9 * S), &[Told::Ready]);
        assert_broken(check, &Calm, &history, &["put 1"]);
        assert_kept(check, &crate::story::Dark, &history);
        let seen = Seen::Absent { version: Some(v(1)) };
        let expired = Told::Change { key: KEY.to_owned(), seen, expired: true };
        assert_kept(check, &Calm, &told(&[write(0, 1)], Some(9 * S), &[expired, Told::Ready]));
    }
}
