//! One group commit, decided: conditions, stamps and seqs, before anything is written.
//!
//! A fresh stamp is above what it replaces, so the merge law has nothing to decide here; it does where
//! records come into the base.
//!
//! Invariants:
//! - a write sees what the writes before it in the group will have done, and nothing else that is not
//!   published;
//! - seqs are consecutive; versions rise per key.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{
    Condition, HybridClock, NodeId, Record, RecordName, RequestKey, Seq, Stored, UnixMillis,
    Version,
};

use crate::answers::{Carried, Kept};
use crate::port::{Answered, Change, Durability, ReadError, Write, WriteError, Written};

/// What is published, for the writer to look at.
pub(crate) trait Published {
    /// What the next write of the name meets.
    fn standing(&mut self, name: &RecordName) -> Result<Option<Standing>, ReadError>;

    /// Whether the request was carried out before.
    fn answered(&mut self, request: &RequestKey) -> Result<Option<Answered>, ReadError>;

    /// Whether one more request with an idempotency key can be remembered.
    fn has_room_for_answers(&mut self) -> bool;
}

/// What the writer knows when it decides.
pub(crate) struct Present<'a, P> {
    pub(crate) node: NodeId,
    pub(crate) clock: &'a mut HybridClock,
    pub(crate) now: UnixMillis,
    pub(crate) last_seq: Seq,
    pub(crate) published: P,
}

/// A group, decided and not yet written.
#[derive(Default)]
pub(crate) struct Decided {
    /// What is to be written, in seq order.
    pub(crate) records: Vec<Arc<Stored>>,
    /// Those of them that came with an idempotency key, in seq order.
    pub(crate) carried: Vec<Carried>,
    /// One answer a write, in order.
    pub(crate) answers: Vec<Result<Written, WriteError>>,
    /// Some write wants to be on stable storage.
    pub(crate) sync: bool,
}

/// What decides about a write of the record that it meets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) version: Version,
    pub(crate) expiry: Option<UnixMillis>,
    /// Neither deleted nor marked as expired.
    pub(crate) holds_value: bool,
}

impl Standing {
    pub(crate) fn of(record: &Record) -> Self {
        Self { version: record.version, expiry: record.expiry, holds_value: record.holds_value() }
    }

    /// As [`Record::is_live`].
    pub(crate) fn is_live(self, now: UnixMillis) -> bool {
        self.holds_value && self.expiry.is_none_or(|expiry| now < expiry)
    }
}

/// What a write meets at its key.
#[derive(Clone, Copy)]
enum Found {
    Record(Standing),
    Absent,
    /// Something was there. Every version that this node gave is below the clock's next stamp.
    Damaged,
}

impl Found {
    fn version(self) -> Option<Version> {
        match self {
            Self::Record(standing) => Some(standing.version),
            Self::Absent | Self::Damaged => None,
        }
    }

    fn live_version(self, now: UnixMillis) -> Option<Version> {
        match self {
            Self::Record(standing) if standing.is_live(now) => self.version(),
            _ => None,
        }
    }
}

/// What the writes before in a group will have done.
#[derive(Default)]
struct Pending {
    records: HashMap<RecordName, Standing>,
    requests: HashMap<Arc<str>, Kept>,
}

impl<P: Published> Present<'_, P> {
    /// Decides the writes one after the other.
    pub(crate) fn decide<'w>(&mut self, writes: impl Iterator<Item = &'w Write>) -> Decided {
        let mut decided = Decided::default();
        let mut pending = Pending::default();
        for write in writes {
            let answer = self.decide_one(write, &mut pending, &mut decided);
            decided.answers.push(answer);
        }
        decided
    }

    /// Marks those of the records, the newest of their names, that are due.
    pub(crate) fn expire(&mut self, found: &[Arc<Stored>]) -> Decided {
        let mut decided = Decided::default();
        for stored in found.iter().filter(|stored| stored.record.is_due(self.now)) {
            self.last_seq += 1;
            let record = stored.record.clone().into_expired();
            let marked = Stored { name: stored.name.clone(), seq: self.last_seq, record };
            decided.records.push(Arc::new(marked));
        }
        decided
    }

    fn decide_one(
        &mut self,
        write: &Write,
        pending: &mut Pending,
        decided: &mut Decided,
    ) -> Result<Written, WriteError> {
        if let Some(request) = &write.request {
            match self.answered(request, pending)? {
                Some(Answered::Done(version)) => return Ok(Written::Repeated(version)),
                Some(Answered::KeyReused) => return Ok(Written::KeyReused),
                None => {}
            }
        }
        let found = match pending.records.get(&write.name) {
            Some(standing) => Found::Record(*standing),
            None => self.look_up(write)?,
        };
        let live = found.live_version(self.now);
        if !write.condition.holds(live) {
            return Ok(Written::Refused(live));
        }
        let nothing_to_delete = live.is_none() && !matches!(found, Found::Damaged);
        if write.change == Change::Delete && nothing_to_delete {
            return Ok(Written::Absent);
        }
        let stored = self.stamp(write, found.version());
        pending.records.insert(write.name.clone(), Standing::of(&stored.record));
        decided.sync |= write.durability == Durability::Sync;
        let version = stored.record.version;
        if let Some(request) = &write.request {
            let kept = Kept { fingerprint: request.fingerprint, version };
            pending.requests.insert(Arc::clone(&request.key), kept);
            decided.carried.push(Carried { request: request.clone(), version, seq: stored.seq });
        }
        decided.records.push(stored);
        Ok(Written::Done(version))
    }

    /// What the request was answered with. A client that went away and comes again meets its own write,
    /// also where that is in this very group.
    fn answered(
        &mut self,
        request: &RequestKey,
        pending: &Pending,
    ) -> Result<Option<Answered>, WriteError> {
        let answered = match pending.requests.get(&request.key) {
            Some(kept) => kept.answered(request, self.now),
            None => self.published.answered(request).map_err(WriteError::Unreadable)?,
        };
        if answered.is_none() && !self.published.has_room_for_answers() {
            return Err(WriteError::Overloaded);
        }
        Ok(answered)
    }

    /// A damaged record may be replaced, by a write that asks nothing of it.
    fn look_up(&mut self, write: &Write) -> Result<Found, WriteError> {
        match self.published.standing(&write.name) {
            Ok(Some(standing)) => Ok(Found::Record(standing)),
            Ok(None) => Ok(Found::Absent),
            Err(ReadError::CorruptRecord(_)) if write.condition == Condition::default() => {
                Ok(Found::Damaged)
            }
            Err(error) => Err(WriteError::Unreadable(error)),
        }
    }

    fn stamp(&mut self, write: &Write, previous: Option<Version>) -> Arc<Stored> {
        let hlc = self.clock.stamp(self.now, previous);
        let version = Version { hlc, node: self.node };
        debug_assert!(previous.is_none_or(|it| it < version), "a fresh stamp is the highest");
        let (value, expiry, tombstone) = match &write.change {
            Change::Put { value, expiry } => (value.clone(), *expiry, false),
            Change::Delete => (Bytes::new(), None, true),
        };
        self.last_seq += 1;
        let record = Record { version, previous, expiry, tombstone, expired: false, value };
        Arc::new(Stored { name: write.name.clone(), seq: self.last_seq, record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynarust_core::EntityTags;

    fn write(key: &str, change: Change) -> Write {
        Write {
            name: RecordName::parse("t", key).unwrap(),
            change,
            condition: Condition::default(),
            durability: Durability::Relaxed,
            request: None,
        }
    }

    fn put(key: &str, value: &'static str) -> Write {
        write(key, Change::Put { value: Bytes::from_static(value.as_bytes()), expiry: None })
    }

    fn absent_only(write: Write) -> Write {
        let condition = Condition { if_none_match: Some(EntityTags::Any), if_match: None };
        Write { condition, ..write }
    }

    /// What is published: what a lookup says, and what was answered.
    struct Looks<L> {
        lookup: L,
        answers: HashMap<Arc<str>, Kept>,
        room: bool,
    }

    impl<L: Fn(&RecordName) -> Result<Option<Standing>, ReadError>> Published for Looks<L> {
        fn standing(&mut self, name: &RecordName) -> Result<Option<Standing>, ReadError> {
            (self.lookup)(name)
        }

        fn answered(&mut self, request: &RequestKey) -> Result<Option<Answered>, ReadError> {
            Ok(self.answers.get(&request.key).and_then(|kept| kept.answered(request, 1)))
        }

        fn has_room_for_answers(&mut self) -> bool {
            self.room
        }
    }

    fn decide_with(writes: &[Write], published: impl Published) -> Decided {
        let mut clock = HybridClock::starting_above(0);
        let mut present =
            Present { node: NodeId(1), clock: &mut clock, now: 1, last_seq: 10, published };
        present.decide(writes.iter())
    }

    fn decide(
        writes: &[Write],
        lookup: impl Fn(&RecordName) -> Result<Option<Standing>, ReadError>,
    ) -> Decided {
        decide_with(writes, Looks { lookup, answers: HashMap::new(), room: true })
    }

    fn keyed(key: &str, fingerprint: u128, write: Write) -> Write {
        Write { request: Some(RequestKey { key: key.into(), fingerprint }), ..write }
    }

    #[test]
    fn a_repeat_is_answered_as_the_first_and_changes_nothing() {
        let writes = [
            keyed("k", 1, absent_only(put("a", "1"))),
            put("a", "2"),
            // Before its condition, which it broke itself.
            keyed("k", 1, absent_only(put("a", "1"))),
            keyed("k", 2, put("b", "1")),
            keyed("l", 1, put("a", "3")),
        ];
        let decided = decide(&writes, |_| Ok(None));
        let versions: Vec<_> = decided.records.iter().map(|stored| stored.record.version).collect();
        let expected = [
            Ok(Written::Done(versions[0])),
            Ok(Written::Done(versions[1])),
            Ok(Written::Repeated(versions[0])),
            Ok(Written::KeyReused),
            Ok(Written::Done(versions[2])),
        ];
        assert_eq!(decided.answers, expected);
        let carried: Vec<_> = decided.carried.iter().map(|it| (&*it.request.key, it.seq)).collect();
        assert_eq!(carried, [("k", 11), ("l", 13)]);
    }

    #[test]
    fn what_was_refused_is_no_answer() {
        let writes = [
            keyed("k", 1, write("a", Change::Delete)),
            put("a", "1"),
            keyed("k", 1, write("a", Change::Delete)),
        ];
        let decided = decide(&writes, |_| Ok(None));
        assert_eq!(decided.answers[0], Ok(Written::Absent));
        assert!(matches!(decided.answers[2], Ok(Written::Done(_))));
    }

    #[test]
    fn what_is_published_is_known_and_what_cannot_be_remembered_is_refused() {
        let version = Version { hlc: 5, node: NodeId(1) };
        let answers = HashMap::from([("k".into(), Kept { fingerprint: 1, version })]);
        let writes = [keyed("k", 1, put("a", "1")), keyed("l", 1, put("a", "1")), put("a", "1")];
        let lookup = |_: &RecordName| Ok(None);
        let decided = decide_with(&writes, Looks { lookup, answers, room: false });
        assert_eq!(decided.answers[0], Ok(Written::Repeated(version)));
        assert_eq!(decided.answers[1], Err(WriteError::Overloaded));
        assert!(matches!(decided.answers[2], Ok(Written::Done(_))));
    }

    #[test]
    fn a_write_sees_those_before_it_in_the_group() {
        let writes = [
            put("a", "1"),
            absent_only(put("a", "2")),
            write("a", Change::Delete),
            write("a", Change::Delete),
            absent_only(put("a", "3")),
        ];
        let decided = decide(&writes, |_| Ok(None));
        let versions: Vec<_> = decided.records.iter().map(|stored| stored.record.version).collect();
        assert!(versions.is_sorted());
        let expected = [
            Ok(Written::Done(versions[0])),
            Ok(Written::Refused(Some(versions[0]))),
            Ok(Written::Done(versions[1])),
            Ok(Written::Absent),
            Ok(Written::Done(versions[2])),
        ];
        assert_eq!(decided.answers, expected);
        let seqs: Vec<_> = decided.records.iter().map(|stored| stored.seq).collect();
        assert_eq!(seqs, [11, 12, 13]);
        assert!(!decided.sync);
    }

    #[test]
    fn one_sync_write_makes_the_group_sync() {
        let writes = [put("a", "1"), Write { durability: Durability::Sync, ..put("b", "1") }];
        assert!(decide(&writes, |_| Ok(None)).sync);
    }

    #[test]
    fn a_damaged_record_is_replaced_or_deleted_but_never_compared() {
        let damaged = |name: &RecordName| Err(ReadError::CorruptRecord(name.clone()));
        let writes = [put("a", "1"), write("b", Change::Delete), absent_only(put("c", "1"))];
        let decided = decide(&writes, damaged);
        assert!(matches!(decided.answers[0], Ok(Written::Done(_))));
        assert!(matches!(decided.answers[1], Ok(Written::Done(_))));
        assert!(matches!(decided.answers[2], Err(WriteError::Unreadable(_))));
        assert_eq!(decided.records.len(), 2);
    }
}
