//! What is published and not yet in the base: by name, by seq, and the newest publications one by one.
//!
//! Values stay in the journal, where they are: here is of each record what decides about the next write,
//! and where the rest stands. So much can be recent without much memory, and keys that are written
//! again and again reach the base once.
//!
//! Writers ask by name, and almost always overwrite: that is a look into a hash table ([`slots`]) and no walk
//! through a tree. Names are kept in order beside it for scans and for the applier; only a new one is a
//! change there.
//!
//! Invariants:
//! - `slots`, `names` and `by_seq` hold the same records: of each name the newest that is not in the base;
//! - `by_seq` begins behind `applied` and has a place for each seq up to `head`, [`OVERWRITTEN`] where the
//!   record has been;
//! - everything up to `applied` is in the base; everything above it is here;
//! - `head` is the newest published seq; `tail` holds the last publications without a gap, those that
//!   were overwritten too, and ends at `head`.
//!
//! One lock guards all of it. Writers hold it for the time of a publication, never during I/O.

mod slots;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use dynarust_core::limits::TAIL_BYTES_MAX;
use dynarust_core::{KeyRange, RecordName, Seq, Stored, UnixMillis, Version};

use crate::base::{Bounds, Wanted};
use crate::expirer::Due;
use crate::group::Standing;
use crate::journal::{OpenSegment, Place};
use slots::Slots;

/// In `by_seq`: the record of this seq is not the newest of its name any more.
const OVERWRITTEN: u32 = u32::MAX;

/// Entries of other partitions that one read of the feed passes over at most: the lock is held meanwhile.
const PASSED_OVER_MAX: usize = if cfg!(test) { 16 } else { 4096 };

/// A record that is recent.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) seq: Seq,
    pub(crate) standing: Standing,
    /// Where all of it stands.
    pub(crate) place: Place,
}

/// A name, and its newest record that is not in the base.
pub(crate) type Named = (RecordName, Entry);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    slots: Slots,
    names: BTreeSet<RecordName>,
    /// The index of each record among the slots.
    by_seq: VecDeque<u32>,
    /// Those of them that will expire: by deadline.
    by_expiry: BTreeSet<(UnixMillis, Seq)>,
    segments: Segments,
    tail: VecDeque<Arc<Stored>>,
    tail_bytes: usize,
    head: Seq,
    applied: Seq,
}

/// What is recent, while it is read back from the journal. Its names get their order at the end, all at
/// once.
pub(crate) struct Recovering(Recent);

/// A record without its value: there may be a hundred thousand.
#[derive(Debug, Clone, Copy)]
struct Slot {
    version: Version,
    seq: Seq,
    /// 0 for none.
    expiry: UnixMillis,
    segment: u32,
    offset: u32,
    bytes: u32,
    holds_value: bool,
    expired: bool,
}

impl Slot {
    fn new(stored: &Stored, segment: u32, place: &Place) -> Self {
        let record = &stored.record;
        Self {
            version: record.version,
            seq: stored.seq,
            expiry: record.expiry.unwrap_or(0),
            segment,
            offset: place.offset,
            bytes: place.bytes,
            holds_value: record.holds_value(),
            expired: record.expired,
        }
    }

    /// When it expires, and its seq; `None` where it does not, or has been marked.
    fn deadline(self) -> Option<(UnixMillis, Seq)> {
        (self.expiry != 0 && self.holds_value).then_some((self.expiry, self.seq))
    }

    fn standing(self) -> Standing {
        let expiry = Some(self.expiry).filter(|expiry| *expiry != 0);
        let Self { version, holds_value, expired, .. } = self;
        Standing { version, expiry, holds_value, expired }
    }
}

/// The segments in which recent records stand, numbered as they came.
#[derive(Debug, Default)]
struct Segments {
    /// Each with the seq of the newest record in it.
    files: VecDeque<(OpenSegment, Seq)>,
    /// The number of the first.
    first: u32,
}

impl Segments {
    /// The number of a place's segment.
    fn number(&mut self, place: &Place, seq: Seq) -> u32 {
        match self.files.back_mut().filter(|(file, _)| place.is_in(file)) {
            Some((_, newest)) => *newest = seq,
            None => self.files.push_back((place.segment.clone(), seq)),
        }
        let count = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.first.wrapping_add(count).wrapping_sub(1)
    }

    fn entry(&self, slot: Slot) -> Option<Entry> {
        let (segment, _) = self.files.get(slot.segment.wrapping_sub(self.first) as usize)?;
        let place = Place { segment: segment.clone(), offset: slot.offset, bytes: slot.bytes };
        Some(Entry { seq: slot.seq, standing: slot.standing(), place })
    }

    /// Lets those go in which nothing is recent any more.
    fn applied_through(&mut self, applied: Seq) {
        while self.files.front().is_some_and(|(_, newest)| *newest <= applied) {
            self.files.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }
}

impl Recovering {
    /// The base holds everything up to `applied`.
    pub(crate) fn new(applied: Seq) -> Self {
        Self(Recent::new(applied))
    }

    /// Takes in a record of an earlier start: nobody followed it as it came.
    pub(crate) fn enter(&mut self, stored: &Stored, place: &Place) {
        self.0.enter(stored, place);
    }

    /// That was all.
    pub(crate) fn recovered(mut self) -> Recent {
        self.0.names = self.0.slots.names().cloned().collect();
        self.0
    }
}

impl Recent {
    /// Nothing is recent: the base holds everything up to `applied`.
    pub(crate) fn new(applied: Seq) -> Self {
        Self { head: applied, applied, ..Self::default() }
    }

    /// The newest published seq.
    pub(crate) fn head(&self) -> Seq {
        self.head
    }

    /// Everything up to here is in the base.
    pub(crate) fn applied(&self) -> Seq {
        self.applied
    }

    /// How many records came since the base was last brought up to date, those that were overwritten too.
    pub(crate) fn len(&self) -> usize {
        self.by_seq.len()
    }

    /// The newest record of this name, if it is not in the base yet.
    pub(crate) fn get(&self, name: &RecordName) -> Option<Entry> {
        self.slots.get(name).and_then(|slot| self.segments.entry(slot))
    }

    /// What decides about the next write of this name, as [`Recent::get`].
    pub(crate) fn standing(&self, name: &RecordName) -> Option<Standing> {
        self.slots.get(name).map(Slot::standing)
    }

    /// The seq of the newest record of this name, as [`Recent::get`].
    pub(crate) fn seq(&self, name: &RecordName) -> Option<Seq> {
        self.slots.get(name).map(|slot| slot.seq)
    }

    /// The names, in order, and the versions of those that have a value.
    pub(crate) fn live_versions(&self) -> Vec<(RecordName, Option<Version>)> {
        let standings = self.names.iter().filter_map(|name| Some((name, self.standing(name)?)));
        let live = |standing: Standing| standing.holds_value.then_some(standing.version);
        standings.map(|(name, standing)| (name.clone(), live(standing))).collect()
    }

    /// Takes in the next publication.
    pub(crate) fn publish(&mut self, stored: &Arc<Stored>, place: &Place) {
        if self.enter(stored, place) {
            self.names.insert(stored.name.clone());
        }
        self.tail_bytes += stored.memory_bytes();
        self.tail.push_back(Arc::clone(stored));
        while self.tail_bytes > TAIL_BYTES_MAX {
            let Some(oldest) = self.tail.pop_front() else {
                break;
            };
            self.tail_bytes -= oldest.memory_bytes();
        }
    }

    /// Takes in a record, but for the order of names; true where its name is a new one.
    fn enter(&mut self, stored: &Stored, place: &Place) -> bool {
        self.head = stored.seq;
        let slot = Slot::new(stored, self.segments.number(place, stored.seq), place);
        self.by_expiry.extend(slot.deadline());
        let (index, before) = self.slots.put(&stored.name, slot);
        if let Some(before) = before {
            self.forget_expiry(before);
            if let Some(at) = self.index_of(before.seq).and_then(|at| self.by_seq.get_mut(at)) {
                *at = OVERWRITTEN;
            }
        }
        self.by_seq.push_back(index);
        before.is_none()
    }

    /// Where a seq has its place in `by_seq`.
    fn index_of(&self, seq: Seq) -> Option<usize> {
        usize::try_from(seq.checked_sub(self.applied + 1)?).ok()
    }

    fn forget_expiry(&mut self, slot: Slot) {
        if let Some(deadline) = slot.deadline() {
            self.by_expiry.remove(&deadline);
        }
    }

    /// Records behind `after` (a deadline and a seq) that are due at `now` and not marked, at most so
    /// many; and the deadline and the seq of the last.
    pub(crate) fn due(
        &self,
        after: (UnixMillis, Seq),
        now: UnixMillis,
        records_max: usize,
    ) -> (Vec<Due>, Option<(UnixMillis, Seq)>) {
        let until = (now, Seq::MAX);
        if after >= until {
            return (Vec::new(), None);
        }
        let (mut due, mut last) = (Vec::new(), None);
        let behind = self.by_expiry.range((Bound::Excluded(after), Bound::Included(until)));
        for deadline in behind.take(records_max) {
            last = Some(*deadline);
            let index = self.index_of(deadline.1).and_then(|at| self.by_seq.get(at));
            if let Some(held) = index.and_then(|index| self.slots.at(*index)) {
                due.push(Due { name: held.name.clone(), version: held.slot.version });
            }
        }
        (due, last)
    }

    /// The records behind `after` in name order, as far as the bounds allow, and whether there are more.
    pub(crate) fn part(&self, after: Option<&RecordName>, bounds: Bounds) -> (Vec<Named>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.take(self.names.range::<RecordName, _>((from, Bound::Unbounded)), bounds)
    }

    /// The base holds everything up to `through` now: lets the oldest records that it covers go, at
    /// most so many. True once that is all.
    pub(crate) fn applied_through(&mut self, through: Seq, records_max: usize) -> bool {
        for _ in 0..records_max {
            if self.applied >= through {
                return true;
            }
            self.applied += 1;
            let index = self.by_seq.pop_front();
            if let Some(held) = index.and_then(|index| self.slots.remove(index)) {
                self.forget_expiry(held.slot);
                self.names.remove(&held.name);
            }
        }
        if self.by_seq.is_empty() {
            self.by_seq = VecDeque::new();
        }
        self.segments.applied_through(self.applied);
        self.applied >= through
    }

    /// The records of a range in key order (or in reverse) as far as the bounds allow, and whether
    /// there are more.
    pub(crate) fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        bounds: Bounds,
        wanted: &Wanted,
    ) -> (Vec<Named>, bool) {
        if range.is_empty() {
            return (Vec::new(), false);
        }
        let lower = RecordName::lower_bound(range);
        let upper = RecordName::upper_bound(range);
        let found = self
            .names
            .range::<str, _>((Bound::Included(lower.as_str()), Bound::Excluded(upper.as_str())));
        let found = found.filter(|name| wanted.has(name));
        if reverse { self.take(found.rev(), bounds) } else { self.take(found, bounds) }
    }

    /// The first of these, as far as the bounds allow, and whether there are more.
    fn take<'a>(
        &self,
        names: impl Iterator<Item = &'a RecordName>,
        bounds: Bounds,
    ) -> (Vec<Named>, bool) {
        let (mut records, mut bytes) = (Vec::new(), 0);
        for name in names {
            if records.len() >= bounds.records || (bytes > 0 && bytes >= bounds.bytes) {
                return (records, true);
            }
            if let Some(entry) = self.get(name) {
                bytes += entry.place.bytes();
                records.push((name.clone(), entry));
            }
        }
        (records, false)
    }

    /// The first table behind this one, and whether there is one.
    pub(crate) fn table_behind(&self, after: Option<&str>) -> Option<&str> {
        // Nothing that a table's name may contain sorts before this byte.
        let behind = after.map_or_else(String::new, |table| format!("{table}\u{1}"));
        let rest = (Bound::Included(behind.as_str()), Bound::Unbounded);
        self.names.range::<str, _>(rest).next().map(RecordName::table)
    }

    /// The newest record of each name behind `after`, as far as the bounds allow; and how far that is.
    pub(crate) fn feed(&self, after: Seq, bounds: Bounds, wanted: &Wanted) -> (Vec<Named>, Seq) {
        let (mut records, mut bytes, mut passed_over) = (Vec::new(), 0, 0);
        let first = after.max(self.applied) + 1;
        let from = self.index_of(first).unwrap_or(0);
        for (seq, index) in (first..).zip(self.by_seq.range(from.min(self.by_seq.len())..)) {
            if records.len() >= bounds.records
                || (bytes > 0 && bytes >= bounds.bytes)
                || passed_over >= PASSED_OVER_MAX
            {
                return (records, seq - 1);
            }
            if let Some(held) = self.slots.at(*index)
                && let Some(entry) = self.segments.entry(held.slot)
            {
                if !wanted.has(&held.name) {
                    passed_over += 1;
                    continue;
                }
                bytes += entry.place.bytes();
                records.push((held.name.clone(), entry));
            }
        }
        (records, self.head.max(after))
    }

    /// Every publication behind `after`, at most so many; `None` where they do not reach back so far.
    pub(crate) fn tail(&self, after: Seq, records_max: usize) -> Option<Vec<Arc<Stored>>> {
        if after >= self.head {
            return Some(Vec::new());
        }
        let first = self.tail.front()?.seq;
        let skipped = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        Some(self.tail.iter().skip(skipped).take(records_max).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::disk::{Disk, RealDisk};
    use bytes::Bytes;
    use dynarust_core::{NodeId, Record, TableName};

    const ALL: Bounds = Bounds { records: 100, bytes: 1 << 20 };

    fn stored(key: &str, seq: Seq) -> Arc<Stored> {
        let record = Record {
            version: Version { hlc: seq, node: NodeId(1) },
            previous: None,
            expiry: None,
            tombstone: false,
            expired: false,
            value: Bytes::from_static(b"1"),
        };
        Arc::new(Stored { name: RecordName::parse("t", key).unwrap(), seq, record })
    }

    /// Of a file that nobody reads.
    fn place() -> Place {
        let file = tempfile::NamedTempFile::new().unwrap();
        Place::new(RealDisk.open(file.path()).unwrap(), 0, 10)
    }

    fn recent(keys: &[&str]) -> Recent {
        let mut recent = Recent::new(0);
        for (nth, key) in keys.iter().enumerate() {
            recent.publish(&stored(key, nth as u64 + 1), &place());
        }
        recent
    }

    fn seqs(records: &[Named]) -> Vec<Seq> {
        records.iter().map(|(_, entry)| entry.seq).collect()
    }

    #[test]
    fn the_feed_has_the_newest_of_each_name_and_the_tail_has_all() {
        let recent = recent(&["a", "b", "a", "c"]);
        let tail = |after, records_max| {
            let tail = recent.tail(after, records_max).unwrap();
            tail.iter().map(|stored| stored.seq).collect::<Vec<_>>()
        };
        assert_eq!(seqs(&recent.feed(0, ALL, &Wanted::ALL).0), [2, 3, 4]);
        assert_eq!(recent.feed(2, Bounds { records: 1, ..ALL }, &Wanted::ALL).1, 3);
        assert_eq!(tail(0, 10), [1, 2, 3, 4]);
        assert_eq!(tail(2, 1), [3]);
        assert_eq!(tail(9, 10), [0; 0]);
    }

    #[test]
    fn what_was_applied_goes_and_what_came_meanwhile_stays() {
        let mut recent = recent(&["b", "a"]);
        let one = Bounds { records: 1, ..ALL };
        assert_eq!(seqs(&recent.part(None, one).0), [2]);
        assert_eq!(seqs(&recent.part(Some(&stored("a", 0).name), ALL).0), [1]);
        recent.publish(&stored("b", 3), &place());
        assert!(!recent.applied_through(2, 1));
        assert!(recent.applied_through(2, 1));
        assert_eq!((seqs(&recent.part(None, ALL).0), recent.applied()), (vec![3], 2));
        assert!(recent.get(&stored("a", 0).name).is_none());
        assert!(recent.applied_through(3, 10));
        assert_eq!(recent.len(), 0);
    }

    #[test]
    fn what_is_due_is_found_by_deadline_until_it_is_replaced_marked_or_applied() {
        let mut recent = Recent::new(0);
        for (key, seq, expiry) in [("a", 1, 30), ("b", 2, 10), ("c", 3, 20), ("d", 4, 20)] {
            let mut stored = (*stored(key, seq)).clone();
            stored.record.expiry = Some(expiry);
            recent.publish(&Arc::new(stored), &place());
        }
        let due = |recent: &Recent, after, now, records_max| -> Vec<Seq> {
            let (due, _) = recent.due(after, now, records_max);
            due.iter().map(|due| due.version.hlc).collect()
        };
        assert!(due(&recent, (0, 0), 9, 10).is_empty());
        assert_eq!(due(&recent, (0, 0), 20, 10), [2, 3, 4]);
        assert_eq!(due(&recent, (10, 2), 20, 1), [3]);
        assert_eq!(recent.due((10, 2), 20, 1).1, Some((20, 3)));
        assert_eq!(due(&recent, (20, 3), 30, 10), [4, 1]);
        let mut marked = (*stored("c", 5)).clone();
        marked.record = Record { expiry: Some(20), ..marked.record }.into_expired();
        recent.publish(&Arc::new(marked), &place());
        recent.publish(&stored("d", 6), &place());
        assert_eq!(due(&recent, (0, 0), 99, 10), [2, 1]);
        recent.applied_through(1, 10);
        assert_eq!(due(&recent, (0, 0), 99, 10), [2]);
    }

    #[test]
    fn scans_keep_to_the_range_the_order_and_the_bounds() {
        let mut recent = recent(&["b", "a", "c", "d"]);
        let other = RecordName::parse("u", "a").unwrap();
        let other = Stored { name: other, ..(*stored("a", 5)).clone() };
        recent.publish(&Arc::new(other), &place());
        let range = KeyRange::table(TableName::parse("t").unwrap());
        assert_eq!(seqs(&recent.scan(&range, false, ALL, &Wanted::ALL).0), [2, 1, 3, 4]);
        assert_eq!(seqs(&recent.scan(&range, true, ALL, &Wanted::ALL).0), [4, 3, 1, 2]);
        let (some, more) = recent.scan(&range, false, Bounds { records: 2, ..ALL }, &Wanted::ALL);
        assert_eq!((seqs(&some), more), (vec![2, 1], true));
        let part = range.starting_after("a").ending_before("d");
        assert_eq!(seqs(&recent.scan(&part, false, ALL, &Wanted::ALL).0), [1, 3]);
    }
}
