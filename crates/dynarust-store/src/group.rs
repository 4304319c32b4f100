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
use crate::base::Claimed;
use crate::port::{
    Answered, Arrival, Change, Durability, Over, Proposed, ReadError, TakenIn, Write, WriteError,
    Written,
};

/// What is published, for the writer to look at.
pub(crate) trait Published {
    /// What the next write of the name meets.
    fn standing(&mut self, name: &RecordName) -> Result<Option<Standing>, ReadError>;

    /// What a damaged record says of itself, as far as that is legible.
    fn claimed(&mut self, name: &RecordName) -> Result<Option<Claimed>, ReadError>;

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
        /// What it says of itself.
        claimed: Option<Claimed>,
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
            Self::Damaged { claimed } => {
                claimed.filter(|it| it.holds_value).map(|it| it.stamp.version)
            }
        }
    }

    /// Where it is known what a damaged record was: this.
    fn as_it_was(self, name: &RecordName, record: &Record) -> Self {
        match self {
            Self::Damaged { claimed: Some(it) } if it.was(name, record) => {
                Self::Damaged { claimed: Some(it.as_of(record)) }
            }
            found => found,
        }
    }

    /// What stays in the place of an arrival.
    fn withstands(
        self,
        (name, arriving): (&RecordName, &Record),
        over: Over,
        now: UnixMillis,
    ) -> Result<Option<Stamp>, WriteError> {
        let present = match self {
            Self::Record(standing) => Some(standing.stamp()),
            Self::Absent => None,
            Self::Damaged { claimed } if over == Over::Older => {
                let may_be_newer =
                    |it: &Claimed| it.stamp > arriving.stamp() && it.is_possible(now);
                claimed.filter(may_be_newer).map(|it| it.stamp)
            }
            Self::Damaged { .. } => {
                return Err(WriteError::Unreadable(ReadError::CorruptRecord(name.clone())));
            }
        };
        let applies = match over {
            Over::Older => merge(present, arriving.stamp()) == Merge::Apply,
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
                // Stamped anew it is known by its new version.
                Some(Answered::Done(version)) if Some(version) < write.above => {}
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
        let found = self.found(&name)?.as_it_was(&name, &record);
        // Its clock may be ahead of that of the wall, which was set back.
        let last = Version { hlc: self.clock.last(), node: self.node };
        let possible = self.now.max(last.unix_millis());
        if let Some(kept) = found.withstands((&name, &record), over, possible)? {
            // The same may have come without its request before: then it comes once more, for that.
            let known = is_over(version, self.now) || kept != record.stamp();
            let tells_more = !known && self.is_news(request.as_ref(), version)?;
            if !tells_more {
                return Ok(TakenIn::Kept(kept));
            }
        }
        let present = found.version().filter(|present| *present < version);
        if present.is_some_and(|present| Some(present) > record.previous) {
            self.decided.overwritten += 1;
        }
        let unseen = present.filter(|present| Some(*present) != record.previous);
        self.put(name, record, found);
        if let Some(request) = request
            && self.is_news(Some(&request), version)?
        {
            self.remember(request, version);
        }
        Ok(TakenIn::Applied { unseen })
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
                let claimed = self.published.claimed(name).map_err(WriteError::Unreadable)?;
                Ok(Found::Damaged { claimed })
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
mod tests;
