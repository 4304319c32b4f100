//! One group commit, decided: conditions, stamps, the merge law and seqs, before anything is written.
//!
//! A fresh stamp is above what it replaces; what arrives from other nodes has its stamp, and the merge law
//! decides.
//!
//! Invariants:
//! - a write or an arrival sees what those before it in the group will have done, and nothing else that is
//!   not published;
//! - seqs are consecutive; versions rise per key.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::acceptance::{Acceptance, accept};
use dynarust_core::merge::{Merge, merge};
use dynarust_core::{
    Condition, HybridClock, NodeId, Record, RecordName, RequestKey, Seq, Stamp, Stored, UnixMillis,
    Version,
};

use crate::answers::{Carried, Kept, is_over};
use crate::port::{
    Answered, Arrival, Change, Durability, Over, Proposed, ReadError, TakenIn, Write, WriteError,
    Written,
};

/// What is published, for the writer to look at.
pub(crate) trait Published {
    /// What the next write of the name meets.
    fn standing(&mut self, name: &RecordName) -> Result<Option<Standing>, ReadError>;

    /// The version that a damaged record claims, if it claims to have a value.
    fn claimed(&mut self, name: &RecordName) -> Result<Option<Version>, ReadError>;

    /// What the newest request with this idempotency key became.
    fn answer(&mut self, key: &str) -> Result<Option<Kept>, ReadError>;

    /// Whether one more request with an idempotency key can be remembered.
    fn has_room_for_answers(&mut self) -> bool;
}

/// A group that is being decided: what the writer knows, and what has come of it so far.
pub(crate) struct Deciding<'a, P> {
    pub(crate) node: NodeId,
    pub(crate) clock: &'a mut HybridClock,
    pub(crate) now: UnixMillis,
    pub(crate) last_seq: Seq,
    pub(crate) published: P,
    pub(crate) pending: Pending,
    pub(crate) decided: Decided,
}

/// What was decided and is not written yet.
#[derive(Default)]
pub(crate) struct Decided {
    /// What is to be written, in seq order.
    pub(crate) records: Vec<Arc<Stored>>,
    /// Of each the version that it replaces, if that has a value.
    pub(crate) before: Vec<Option<Version>>,
    /// Those of them that came with an idempotency key, in seq order.
    pub(crate) carried: Vec<Carried>,
    /// Somebody wants this, or what was there before, to be on stable storage.
    pub(crate) sync: bool,
    /// Somebody has a stamp of which nothing is to be written.
    pub(crate) proposed: bool,
    /// A stamp is above all that the clock ceiling speaks of.
    pub(crate) ahead: bool,
    /// So many arrivals replaced a write that their own did not know of.
    pub(crate) overwritten: u64,
}

/// What decides about a write of the record that it meets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) version: Version,
    pub(crate) expiry: Option<UnixMillis>,
    /// Neither deleted nor marked as expired.
    pub(crate) holds_value: bool,
    /// Marked as expired.
    pub(crate) expired: bool,
}

impl Standing {
    pub(crate) fn of(record: &Record) -> Self {
        let Record { version, expiry, expired, .. } = *record;
        Self { version, expiry, holds_value: record.holds_value(), expired }
    }

    /// As [`Record::stamp`].
    pub(crate) fn stamp(self) -> Stamp {
        Stamp { version: self.version, expired: self.expired }
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
    /// Something was there. Every version that this node gave is below the clock's next stamp; where
    /// another node's is above it, the copies elsewhere have the word.
    Damaged {
        /// It claims to have a value, of this version.
        live: Option<Version>,
    },
}

impl Found {
    fn version(self) -> Option<Version> {
        match self {
            Self::Record(standing) => Some(standing.version),
            Self::Absent | Self::Damaged { .. } => None,
        }
    }

    /// The version, if there is a value.
    fn version_of_value(self) -> Option<Version> {
        match self {
            Self::Record(standing) => standing.holds_value.then_some(standing.version),
            Self::Absent => None,
            Self::Damaged { live } => live,
        }
    }

    /// What stays in the place of an arrival.
    fn withstands(
        self,
        name: &RecordName,
        arriving: Stamp,
        over: Over,
    ) -> Result<Option<Stamp>, WriteError> {
        let present = match self {
            Self::Record(standing) => Some(standing.stamp()),
            Self::Absent => None,
            Self::Damaged { .. } if over == Over::Older => None,
            Self::Damaged { .. } => {
                return Err(WriteError::Unreadable(ReadError::CorruptRecord(name.clone())));
            }
        };
        let applies = match over {
            Over::Older => merge(present, arriving) == Merge::Apply,
            Over::Judged(over) => {
                let present = present.map(|it| it.version);
                accept(present, over, arriving.version) == Acceptance::Apply
            }
        };
        Ok(present.filter(|_| !applies))
    }

    fn live_version(self, now: UnixMillis) -> Option<Version> {
        match self {
            Self::Record(standing) if standing.is_live(now) => self.version(),
            _ => None,
        }
    }
}

/// What is to become of a write.
enum Judged {
    /// It may go on, over this.
    Holds(Found),
    Decided(Written),
}

/// What came before in a group will have done this.
#[derive(Default)]
pub(crate) struct Pending {
    records: HashMap<RecordName, Standing>,
    requests: HashMap<Arc<str>, Kept>,
}

impl<P: Published> Deciding<'_, P> {
    /// Decides the next write.
    pub(crate) fn write(&mut self, write: &Write) -> Result<Written, WriteError> {
        let found = match self.judge(write)? {
            Judged::Holds(found) => found,
            Judged::Decided(written) => return Ok(written),
        };
        let record = self.stamp(write, found.version());
        let version = record.version;
        let seq = self.put(write.name.clone(), record, found);
        self.decided.sync |= write.durability == Durability::Sync;
        if let Some(request) = &write.request {
            self.remember(request.clone(), version);
        }
        Ok(Written::Done { version, seq })
    }

    /// Judges and stamps a write that is to stand elsewhere before it stands here.
    pub(crate) fn propose(&mut self, write: &Write) -> Result<Proposed, WriteError> {
        let over = match self.judge(write)? {
            Judged::Holds(found) => found.version(),
            Judged::Decided(written) => return Ok(Proposed::Decided(written)),
        };
        let record = self.stamp(write, over);
        self.decided.proposed = true;
        Ok(Proposed::Stamped { record, over })
    }

    /// Whether the write may go on.
    fn judge(&mut self, write: &Write) -> Result<Judged, WriteError> {
        let decided = |written| Ok(Judged::Decided(written));
        if let Some(request) = &write.request {
            match self.answered(request)? {
                Some(Answered::Done(version)) => return decided(Written::Repeated(version)),
                Some(Answered::KeyReused) => return decided(Written::KeyReused),
                None => {}
            }
        }
        let found = match self.found(&write.name)? {
            // It may be replaced, by a write that asks nothing of it.
            Found::Damaged { .. } if write.condition != Condition::default() => {
                let corrupt = ReadError::CorruptRecord(write.name.clone());
                return Err(WriteError::Unreadable(corrupt));
            }
            found => found,
        };
        let live = found.live_version(self.now);
        if !write.condition.holds(live) {
            return decided(Written::Refused(live));
        }
        let nothing_to_delete = live.is_none() && !matches!(found, Found::Damaged { .. });
        if write.change == Change::Delete && nothing_to_delete {
            return decided(Written::Absent);
        }
        Ok(Judged::Holds(found))
    }

    /// Decides the next arrivals.
    pub(crate) fn take_in(
        &mut self,
        arrivals: Vec<Arrival>,
        durability: Durability,
    ) -> Result<Vec<TakenIn>, WriteError> {
        // Also where nothing changes: what stands there may not have been synced.
        self.decided.sync |= durability == Durability::Sync;
        arrivals.into_iter().map(|arrival| self.take_one_in(arrival)).collect()
    }

    fn take_one_in(&mut self, arrival: Arrival) -> Result<TakenIn, WriteError> {
        let Arrival { name, record, request, fresh, over } = arrival;
        if fresh {
            self.clock.observe(record.version.hlc, self.now);
        }
        let version = record.version;
        let found = self.found(&name)?;
        if let Some(kept) = found.withstands(&name, record.stamp(), over)? {
            // The same may have come without its request before: then it comes once more, for that.
            let known = is_over(version, self.now) || kept != record.stamp();
            let tells_more = !known && self.is_news(request.as_ref(), version)?;
            if !tells_more {
                return Ok(TakenIn::Kept(kept));
            }
        }
        if found
            .version()
            .is_some_and(|present| Some(present) > record.previous && present < version)
        {
            self.decided.overwritten += 1;
        }
        self.put(name, record, found);
        if let Some(request) = request
            && self.is_news(Some(&request), version)?
        {
            self.remember(request, version);
        }
        Ok(TakenIn::Applied)
    }

    /// Marks those of the records, the newest of their names, that are due.
    pub(crate) fn expire(&mut self, found: &[Arc<Stored>]) {
        let now = self.now;
        for stored in found.iter().filter(|stored| stored.record.is_due(now)) {
            let found = Found::Record(Standing::of(&stored.record));
            self.put(stored.name.clone(), stored.record.clone().into_expired(), found);
        }
    }

    /// What has come of the group.
    pub(crate) fn end(self) -> Decided {
        self.decided
    }

    /// The record gets the next seq, in place of what was found.
    fn put(&mut self, name: RecordName, record: Record, found: Found) -> Seq {
        self.last_seq += 1;
        self.decided.before.push(found.version_of_value());
        self.pending.records.insert(name.clone(), Standing::of(&record));
        self.decided.records.push(Arc::new(Stored { name, seq: self.last_seq, record }));
        self.last_seq
    }

    /// The newest record came with this idempotency key.
    fn remember(&mut self, request: RequestKey, version: Version) {
        let kept = Kept { fingerprint: request.fingerprint, version };
        self.pending.requests.insert(Arc::clone(&request.key), kept);
        self.decided.carried.push(Carried { request, version, seq: self.last_seq });
    }

    /// What the request was answered with. A client that went away and comes again meets its own write,
    /// also where that is in this very group.
    fn answered(&mut self, request: &RequestKey) -> Result<Option<Answered>, WriteError> {
        let kept = self.kept(&request.key)?;
        let answered = kept.and_then(|kept| kept.answered(request, self.now));
        if answered.is_none() && !self.published.has_room_for_answers() {
            return Err(WriteError::Overloaded);
        }
        Ok(answered)
    }

    /// Whether that a request became this version is to be remembered. Of requests with one key, carried out
    /// on several nodes, the highest version is the answer.
    fn is_news(
        &mut self,
        request: Option<&RequestKey>,
        version: Version,
    ) -> Result<bool, WriteError> {
        let Some(request) = request else {
            return Ok(false);
        };
        let newest = self.kept(&request.key)?.is_none_or(|kept| kept.version < version);
        Ok(newest && self.published.has_room_for_answers())
    }

    fn kept(&mut self, key: &str) -> Result<Option<Kept>, WriteError> {
        match self.pending.requests.get(key) {
            Some(kept) => Ok(Some(*kept)),
            None => self.published.answer(key).map_err(WriteError::Unreadable),
        }
    }

    fn found(&mut self, name: &RecordName) -> Result<Found, WriteError> {
        if let Some(standing) = self.pending.records.get(name) {
            return Ok(Found::Record(*standing));
        }
        match self.published.standing(name) {
            Ok(Some(standing)) => Ok(Found::Record(standing)),
            Ok(None) => Ok(Found::Absent),
            Err(ReadError::CorruptRecord(_)) => {
                let live = self.published.claimed(name).map_err(WriteError::Unreadable)?;
                Ok(Found::Damaged { live })
            }
            Err(error) => Err(WriteError::Unreadable(error)),
        }
    }

    fn stamp(&mut self, write: &Write, previous: Option<Version>) -> Record {
        let hlc = self.clock.stamp(self.now, previous.max(write.above));
        self.decided.ahead |= hlc > self.clock.last();
        let version = Version { hlc, node: self.node };
        debug_assert!(previous.is_none_or(|it| it < version), "a fresh stamp is the highest");
        let (value, expiry, tombstone) = match &write.change {
            Change::Put { value, expiry } => (value.clone(), *expiry, false),
            Change::Delete => (Bytes::new(), None, true),
        };
        Record { version, previous, expiry, tombstone, expired: false, value }
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
            above: None,
        }
    }

    fn put(key: &str, value: &'static str) -> Write {
        write(key, Change::Put { value: Bytes::from_static(value.as_bytes()), expiry: None })
    }

    fn absent_only(write: Write) -> Write {
        let condition = Condition { if_none_match: Some(EntityTags::Any), if_match: None };
        Write { condition, ..write }
    }

    type Answers = Vec<Result<Written, WriteError>>;

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

        fn claimed(&mut self, _: &RecordName) -> Result<Option<Version>, ReadError> {
            Ok(None)
        }

        fn answer(&mut self, key: &str) -> Result<Option<Kept>, ReadError> {
            Ok(self.answers.get(key).copied())
        }

        fn has_room_for_answers(&mut self) -> bool {
            self.room
        }
    }

    /// What came of some writes, and their answers.
    fn decide_with(writes: &[Write], published: impl Published) -> (Decided, Answers) {
        let mut clock = HybridClock::starting_above(0);
        let mut deciding = deciding(&mut clock, published);
        let answers = writes.iter().map(|write| deciding.write(write)).collect();
        (deciding.end(), answers)
    }

    fn deciding<P: Published>(clock: &mut HybridClock, published: P) -> Deciding<'_, P> {
        let (pending, decided) = (Pending::default(), Decided::default());
        Deciding { node: NodeId(1), clock, now: 1, last_seq: 10, published, pending, decided }
    }

    fn decide(
        writes: &[Write],
        lookup: impl Fn(&RecordName) -> Result<Option<Standing>, ReadError>,
    ) -> (Decided, Answers) {
        decide_with(writes, nothing_answered(lookup))
    }

    fn nothing_answered<L>(lookup: L) -> Looks<L> {
        Looks { lookup, answers: HashMap::new(), room: true }
    }

    fn versions(decided: &Decided) -> Vec<Version> {
        decided.records.iter().map(|stored| stored.record.version).collect()
    }

    /// The nth record's.
    fn done(decided: &Decided, nth: usize) -> Result<Written, WriteError> {
        let stored = &decided.records[nth];
        Ok(Written::Done { version: stored.record.version, seq: stored.seq })
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
        let (decided, answers) = decide(&writes, |_| Ok(None));
        let expected = [
            done(&decided, 0),
            done(&decided, 1),
            Ok(Written::Repeated(decided.records[0].record.version)),
            Ok(Written::KeyReused),
            done(&decided, 2),
        ];
        assert_eq!(answers, expected);
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
        let (_, answers) = decide(&writes, |_| Ok(None));
        assert_eq!(answers[0], Ok(Written::Absent));
        assert!(matches!(answers[2], Ok(Written::Done { .. })));
    }

    #[test]
    fn what_is_published_is_known_and_what_cannot_be_remembered_is_refused() {
        let version = Version { hlc: 5, node: NodeId(1) };
        let known = HashMap::from([("k".into(), Kept { fingerprint: 1, version })]);
        let writes = [keyed("k", 1, put("a", "1")), keyed("l", 1, put("a", "1")), put("a", "1")];
        let lookup = |_: &RecordName| Ok(None);
        let (_, answers) = decide_with(&writes, Looks { lookup, answers: known, room: false });
        assert_eq!(answers[0], Ok(Written::Repeated(version)));
        assert_eq!(answers[1], Err(WriteError::Overloaded));
        assert!(matches!(answers[2], Ok(Written::Done { .. })));
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
        let (decided, answers) = decide(&writes, |_| Ok(None));
        assert!(versions(&decided).is_sorted());
        let expected = [
            done(&decided, 0),
            Ok(Written::Refused(Some(decided.records[0].record.version))),
            done(&decided, 1),
            Ok(Written::Absent),
            done(&decided, 2),
        ];
        assert_eq!(answers, expected);
        let seqs: Vec<_> = decided.records.iter().map(|stored| stored.seq).collect();
        assert_eq!(seqs, [11, 12, 13]);
        assert!(!decided.sync);
    }

    #[test]
    fn one_sync_write_makes_the_group_sync() {
        let writes = [put("a", "1"), Write { durability: Durability::Sync, ..put("b", "1") }];
        assert!(decide(&writes, |_| Ok(None)).0.sync);
    }

    #[test]
    fn a_damaged_record_is_replaced_or_deleted_but_never_compared() {
        let damaged = |name: &RecordName| Err(ReadError::CorruptRecord(name.clone()));
        let writes = [put("a", "1"), write("b", Change::Delete), absent_only(put("c", "1"))];
        let (decided, answers) = decide(&writes, damaged);
        assert!(matches!(answers[0], Ok(Written::Done { .. })));
        assert!(matches!(answers[1], Ok(Written::Done { .. })));
        assert!(matches!(answers[2], Err(WriteError::Unreadable(_))));
        assert_eq!(decided.records.len(), 2);
    }

    /// A record of another node, written at this hybrid time.
    fn arrival(key: &str, hlc: u64) -> Arrival {
        let version = Version { hlc, node: NodeId(2) };
        let (previous, expiry, value) = (None, Some(5), Bytes::from_static(b"2"));
        let record = Record { version, previous, expiry, tombstone: false, expired: false, value };
        let name = RecordName::parse("t", key).unwrap();
        Arrival { name, record, request: None, fresh: false, over: Over::Older }
    }

    fn expired(arrival: Arrival) -> Arrival {
        Arrival { record: arrival.record.into_expired(), ..arrival }
    }

    /// What came of some arrivals at keys that hold nothing.
    fn take_in(arrivals: Vec<Arrival>, durability: Durability) -> (Decided, Vec<TakenIn>) {
        let mut clock = HybridClock::starting_above(0);
        let mut deciding = deciding(&mut clock, nothing_answered(|_: &RecordName| Ok(None)));
        let taken_in = deciding.take_in(arrivals, durability).unwrap();
        (deciding.end(), taken_in)
    }

    #[test]
    fn of_arrivals_the_highest_stamp_stays_in_whatever_order_they_come() {
        let arrivals = vec![
            arrival("a", 7),
            arrival("a", 6),
            arrival("a", 7),
            expired(arrival("a", 7)),
            arrival("a", 7),
            arrival("b", 1),
            arrival("a", 8),
        ];
        let stamps: Vec<_> = arrivals.iter().map(|arrival| arrival.record.stamp()).collect();
        let (decided, taken_in) = take_in(arrivals, Durability::Relaxed);
        let kept = |nth: usize| TakenIn::Kept(stamps[nth]);
        let applied = TakenIn::Applied;
        assert_eq!(taken_in, [applied, kept(0), kept(0), applied, kept(3), applied, applied]);
        let records: Vec<_> =
            decided.records.iter().map(|it| (it.seq, it.record.stamp())).collect();
        let expected = [(11, stamps[0]), (12, stamps[3]), (13, stamps[5]), (14, stamps[6])];
        assert_eq!((records, decided.sync), (expected.to_vec(), false));
    }

    #[test]
    fn what_is_kept_is_synced_as_what_is_applied() {
        for arrivals in [vec![], vec![arrival("a", 7)], vec![arrival("a", 7), arrival("a", 6)]] {
            assert!(take_in(arrivals, Durability::Sync).0.sync);
        }
    }

    #[test]
    fn a_fresh_arrival_moves_the_clock_unless_it_is_far_ahead_and_others_do_not() {
        use dynarust_core::limits::CLOCK_SKEW_MILLIS_MAX;
        let [near, far] =
            [0, 1].map(|more| dynarust_core::clock::at(1 + CLOCK_SKEW_MILLIS_MAX) + more);
        for (fresh, hlc) in [(false, near), (true, near), (true, far)] {
            let mut clock = HybridClock::starting_above(0);
            let mut deciding = deciding(&mut clock, nothing_answered(|_: &RecordName| Ok(None)));
            let late = Arrival { fresh, ..arrival("a", hlc) };
            deciding.take_in(vec![late], Durability::Relaxed).unwrap();
            deciding.write(&put("b", "1")).unwrap();
            assert!(!deciding.decided.ahead);
            let above = Some(Version { hlc: 3 * far, node: NodeId(2) });
            deciding.write(&Write { above, ..put("b", "1") }).unwrap();
            deciding.write(&put("c", "1")).unwrap();
            let decided = deciding.end();
            let versions = versions(&decided);
            let moved = fresh && hlc == near;
            assert_eq!(versions[1].hlc > near, moved);
            assert!(Some(versions[2]) > above && decided.ahead);
            assert!(versions[3].hlc < near + 10, "what is far ahead is not counted on from");
        }
    }

    #[test]
    fn a_proposal_is_judged_and_stamped_and_changes_nothing() {
        let standing = Standing::of(&arrival("a", 7).record);
        let mut clock = HybridClock::starting_above(0);
        let lookup = |name: &RecordName| Ok((name.key() == "a").then_some(standing));
        let mut deciding = deciding(&mut clock, nothing_answered(lookup));
        let proposed = deciding.propose(&put("a", "1")).unwrap();
        let Proposed::Stamped { record, over } = proposed else {
            panic!("not stamped: {proposed:?}");
        };
        assert_eq!((record.previous, over), (Some(standing.version), Some(standing.version)));
        assert!(record.version > standing.version && deciding.decided.proposed);
        let refused = Written::Refused(Some(standing.version));
        for (write, expected) in
            [(absent_only(put("a", "1")), refused), (write("b", Change::Delete), Written::Absent)]
        {
            assert_eq!(deciding.propose(&write), Ok(Proposed::Decided(expected)));
        }
        let later = deciding.propose(&put("a", "1")).unwrap();
        assert!(
            matches!(later, Proposed::Stamped { record: it, .. } if it.version > record.version)
        );
        assert!(deciding.end().records.is_empty());
    }

    #[test]
    fn what_was_judged_on_a_version_stands_over_nothing_newer() {
        let judged = |key, hlc, over: Option<u64>| {
            let over = Over::Judged(over.map(|hlc| Version { hlc, node: NodeId(2) }));
            Arrival { over, ..arrival(key, hlc) }
        };
        let first = judged("a", 7, None);
        let stands = |arrival: &Arrival| TakenIn::Kept(arrival.record.stamp());
        let arrivals = vec![
            first.clone(),
            // Again; judged on nothing; and on what is older than what is there.
            first.clone(),
            judged("a", 8, None),
            judged("a", 8, Some(6)),
            judged("a", 8, Some(7)),
            judged("a", 9, Some(7)),
            // The merge law does not ask.
            arrival("a", 9),
        ];
        let eight = stands(&arrivals[4]);
        let (decided, taken_in) = take_in(arrivals, Durability::Sync);
        let (applied, seven) = (TakenIn::Applied, stands(&first));
        assert_eq!(taken_in, [applied, seven, seven, seven, applied, eight, applied]);
        assert_eq!((decided.records.len(), decided.sync), (3, true));
    }

    #[test]
    fn what_was_judged_elsewhere_does_not_mend_a_damaged_record() {
        let mut clock = HybridClock::starting_above(0);
        let damaged = |name: &RecordName| Err(ReadError::CorruptRecord(name.clone()));
        let mut deciding = deciding(&mut clock, nothing_answered(damaged));
        let judged = Arrival { over: Over::Judged(None), ..arrival("a", 7) };
        let refused = deciding.take_in(vec![judged], Durability::Sync);
        assert!(matches!(refused, Err(WriteError::Unreadable(_))));
    }

    #[test]
    fn a_write_sees_the_arrivals_before_it() {
        let mut clock = HybridClock::starting_above(0);
        let mut deciding = deciding(&mut clock, nothing_answered(|_: &RecordName| Ok(None)));
        let first = arrival("a", 1 << 60);
        let version = first.record.version;
        deciding.take_in(vec![first], Durability::Relaxed).unwrap();
        let refused = deciding.write(&absent_only(put("a", "1"))).unwrap();
        assert_eq!(refused, Written::Refused(Some(version)));
        let Written::Done { version: above, seq: 12 } = deciding.write(&put("a", "1")).unwrap()
        else {
            panic!("not written behind it");
        };
        assert!(above > version);
    }

    #[test]
    fn the_request_of_an_arrival_is_remembered_where_there_is_room() {
        let request = RequestKey { key: "k".into(), fingerprint: 1 };
        for room in [false, true] {
            let mut clock = HybridClock::starting_above(0);
            let lookup = |_: &RecordName| Ok(None);
            let published = Looks { lookup, answers: HashMap::new(), room };
            let mut deciding = deciding(&mut clock, published);
            let bare = arrival("a", 7);
            let keyed_arrival = Arrival { request: Some(request.clone()), ..bare.clone() };
            // It may have come without its request before, and it may come again.
            let arrivals = vec![bare.clone(), keyed_arrival.clone(), keyed_arrival];
            let taken_in = deciding.take_in(arrivals, Durability::Relaxed).unwrap();
            let kept = TakenIn::Kept(bare.record.stamp());
            let once_more = if room { TakenIn::Applied } else { kept };
            assert_eq!(taken_in, [TakenIn::Applied, once_more, kept]);
            assert_eq!(deciding.decided.carried.len(), usize::from(room));
            let repeat = deciding.write(&keyed("k", 1, put("a", "1")));
            let version = Version { hlc: 7, node: NodeId(2) };
            let known = Ok(Written::Repeated(version));
            assert_eq!(repeat, if room { known } else { Err(WriteError::Overloaded) });
        }
    }

    #[test]
    fn an_arrival_mends_a_damaged_record_and_fails_where_the_base_does() {
        let mut clock = HybridClock::starting_above(0);
        let lookup = |name: &RecordName| match name.key() {
            "a" => Err(ReadError::CorruptRecord(name.clone())),
            _ => Err(ReadError::Base("gone".into())),
        };
        let mut deciding = deciding(&mut clock, nothing_answered(lookup));
        let taken_in = deciding.take_in(vec![arrival("a", 1)], Durability::Relaxed).unwrap();
        assert_eq!(taken_in, [TakenIn::Applied]);
        let failed = deciding.take_in(vec![arrival("b", 1)], Durability::Relaxed);
        assert!(matches!(failed, Err(WriteError::Unreadable(ReadError::Base(_)))));
    }
}
