//! What is published and not yet in the base: by name, by seq, and the newest publications one by one.
//!
//! Invariants:
//! - `by_name` and `by_seq` hold the same records: of each name the newest that is not in the base;
//! - everything up to `applied` is in the base; everything above it is here;
//! - `head` is the newest published seq; `tail` holds the last publications without a gap, those that
//!   were overwritten too, and ends at `head`.
//!
//! One lock guards all of it. Writers hold it for the time of a publication, never during I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use dynarust_core::limits::TAIL_BYTES_MAX;
use dynarust_core::{KeyRange, RecordName, Seq, Stored, UnixMillis};

use crate::base::Bounds;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    by_name: BTreeMap<RecordName, Arc<Stored>>,
    by_seq: BTreeMap<Seq, Arc<Stored>>,
    /// Those of them that will expire: by deadline.
    by_expiry: BTreeSet<(UnixMillis, Seq)>,
    bytes: usize,
    tail: VecDeque<Arc<Stored>>,
    tail_bytes: usize,
    head: Seq,
    applied: Seq,
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

    /// Memory that the records here take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The newest record of this name, if it is not in the base yet.
    pub(crate) fn get(&self, name: &RecordName) -> Option<&Arc<Stored>> {
        self.by_name.get(name)
    }

    /// Takes in the next publication.
    pub(crate) fn publish(&mut self, stored: &Arc<Stored>) {
        self.head = stored.seq;
        self.bytes += stored.memory_bytes();
        if let Some(before) = self.by_name.insert(stored.name.clone(), Arc::clone(stored)) {
            self.bytes -= before.memory_bytes();
            self.by_seq.remove(&before.seq);
            self.forget_expiry(&before);
        }
        if let Some(deadline) = deadline(stored) {
            self.by_expiry.insert(deadline);
        }
        self.by_seq.insert(stored.seq, Arc::clone(stored));
        self.tail_bytes += stored.memory_bytes();
        self.tail.push_back(Arc::clone(stored));
        while self.tail_bytes > TAIL_BYTES_MAX {
            let Some(oldest) = self.tail.pop_front() else {
                break;
            };
            self.tail_bytes -= oldest.memory_bytes();
        }
    }

    fn forget_expiry(&mut self, stored: &Stored) {
        if let Some(deadline) = deadline(stored) {
            self.by_expiry.remove(&deadline);
        }
    }

    /// Records behind `after` (a deadline and a seq) that are due at `now` and not marked, at most so
    /// many.
    pub(crate) fn due(
        &self,
        after: (UnixMillis, Seq),
        now: UnixMillis,
        records_max: usize,
    ) -> Vec<Arc<Stored>> {
        let until = (now, Seq::MAX);
        if after >= until {
            return Vec::new();
        }
        self.by_expiry
            .range((Bound::Excluded(after), Bound::Included(until)))
            .filter_map(|(_, seq)| self.by_seq.get(seq).cloned())
            .take(records_max)
            .collect()
    }

    /// All that is to be brought into the base; it then holds everything up to the second value.
    pub(crate) fn to_apply(&self) -> (Vec<Arc<Stored>>, Seq) {
        (self.by_seq.values().cloned().collect(), self.head)
    }

    /// The base holds everything up to `through` now: lets the oldest records that it covers go, at
    /// most so many. Fewer are returned once that is all.
    pub(crate) fn applied_through(&mut self, through: Seq, records_max: usize) -> Vec<Arc<Stored>> {
        let mut gone = Vec::new();
        while gone.len() < records_max {
            let Some(oldest) = self.by_seq.first_entry().filter(|it| *it.key() <= through) else {
                self.applied = through;
                return gone;
            };
            let stored = oldest.remove();
            self.applied = stored.seq;
            self.bytes -= stored.memory_bytes();
            self.forget_expiry(&stored);
            if self.by_name.get(&stored.name).is_some_and(|present| present.seq == stored.seq) {
                self.by_name.remove(&stored.name);
            }
            gone.push(stored);
        }
        gone
    }

    /// The records of a range in key order (or in reverse) as far as the bounds allow, and whether
    /// there are more.
    pub(crate) fn scan(
        &self,
        range: &KeyRange,
        reverse: bool,
        bounds: Bounds,
    ) -> (Vec<Arc<Stored>>, bool) {
        if range.is_empty() {
            return (Vec::new(), false);
        }
        let lower = RecordName::lower_bound(range);
        let upper = RecordName::upper_bound(range);
        let found = self
            .by_name
            .range::<str, _>((Bound::Included(lower.as_str()), Bound::Excluded(upper.as_str())));
        let mut found: Box<dyn Iterator<Item = _>> =
            if reverse { Box::new(found.rev()) } else { Box::new(found) };
        let (mut records, mut bytes) = (Vec::new(), 0);
        for (_, stored) in found.by_ref() {
            if records.len() >= bounds.records || (bytes > 0 && bytes >= bounds.bytes) {
                return (records, true);
            }
            bytes += stored.memory_bytes();
            records.push(Arc::clone(stored));
        }
        (records, false)
    }

    /// The first table behind this one, and whether there is one.
    pub(crate) fn table_behind(&self, after: Option<&str>) -> Option<&str> {
        // Nothing that a table's name may contain sorts before this byte.
        let behind = after.map_or_else(String::new, |table| format!("{table}\u{1}"));
        let rest = (Bound::Included(behind.as_str()), Bound::Unbounded);
        self.by_name.range::<str, _>(rest).next().map(|(name, _)| name.table())
    }

    /// The newest record of each name behind `after`, as far as the bounds allow; and how far that is.
    pub(crate) fn feed(&self, after: Seq, bounds: Bounds) -> (Vec<Arc<Stored>>, Seq) {
        let (mut records, mut bytes, mut through) = (Vec::new(), 0, after);
        for (seq, stored) in self.by_seq.range((Bound::Excluded(after), Bound::Unbounded)) {
            if records.len() >= bounds.records || (bytes > 0 && bytes >= bounds.bytes) {
                return (records, through);
            }
            bytes += stored.memory_bytes();
            through = *seq;
            records.push(Arc::clone(stored));
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

/// When a record will expire, and its seq.
fn deadline(stored: &Stored) -> Option<(UnixMillis, Seq)> {
    let expiry = stored.record.expiry.filter(|_| stored.record.holds_value());
    expiry.map(|expiry| (expiry, stored.seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use dynarust_core::{NodeId, Record, TableName, Version};

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

    fn recent(keys: &[&str]) -> Recent {
        let mut recent = Recent::new(0);
        for (nth, key) in keys.iter().enumerate() {
            recent.publish(&stored(key, nth as u64 + 1));
        }
        recent
    }

    fn seqs(records: &[Arc<Stored>]) -> Vec<Seq> {
        records.iter().map(|stored| stored.seq).collect()
    }

    #[test]
    fn the_feed_has_the_newest_of_each_name_and_the_tail_has_all() {
        let recent = recent(&["a", "b", "a", "c"]);
        assert_eq!(seqs(&recent.feed(0, ALL).0), [2, 3, 4]);
        assert_eq!(recent.feed(2, Bounds { records: 1, ..ALL }).1, 3);
        assert_eq!(seqs(&recent.tail(0, 10).unwrap()), [1, 2, 3, 4]);
        assert_eq!(seqs(&recent.tail(2, 1).unwrap()), [3]);
        assert_eq!(recent.tail(9, 10).unwrap(), vec![]);
    }

    #[test]
    fn what_was_applied_goes_and_what_came_meanwhile_stays() {
        let mut recent = recent(&["a", "b"]);
        let (records, through) = recent.to_apply();
        assert_eq!((seqs(&records), through), (vec![1, 2], 2));
        recent.publish(&stored("a", 3));
        assert_eq!(recent.applied_through(through, 1).len(), 1);
        assert_eq!(recent.applied_through(through, 1).len(), 0);
        assert_eq!(seqs(&recent.to_apply().0), [3]);
        assert!(recent.get(&stored("b", 0).name).is_none());
        recent.applied_through(3, 10);
        assert_eq!(recent.bytes(), 0);
    }

    #[test]
    fn what_is_due_is_found_by_deadline_until_it_is_replaced_marked_or_applied() {
        let mut recent = Recent::new(0);
        for (key, seq, expiry) in [("a", 1, 30), ("b", 2, 10), ("c", 3, 20), ("d", 4, 20)] {
            let mut stored = (*stored(key, seq)).clone();
            stored.record.expiry = Some(expiry);
            recent.publish(&Arc::new(stored));
        }
        assert!(recent.due((0, 0), 9, 10).is_empty());
        assert_eq!(seqs(&recent.due((0, 0), 20, 10)), [2, 3, 4]);
        assert_eq!(seqs(&recent.due((10, 2), 20, 1)), [3]);
        assert_eq!(seqs(&recent.due((20, 3), 30, 10)), [4, 1]);
        let marked = recent.due((10, 2), 20, 1)[0].record.clone().into_expired();
        recent.publish(&Arc::new(Stored { seq: 5, record: marked, ..(*stored("c", 5)).clone() }));
        recent.publish(&stored("d", 6));
        assert_eq!(seqs(&recent.due((0, 0), 99, 10)), [2, 1]);
        recent.applied_through(1, 10);
        assert_eq!(seqs(&recent.due((0, 0), 99, 10)), [2]);
    }

    #[test]
    fn scans_keep_to_the_range_the_order_and_the_bounds() {
        let mut recent = recent(&["b", "a", "c", "d"]);
        let other = RecordName::parse("u", "a").unwrap();
        recent.publish(&Arc::new(Stored { name: other, ..(*stored("a", 5)).clone() }));
        let range = KeyRange::table(TableName::parse("t").unwrap());
        assert_eq!(seqs(&recent.scan(&range, false, ALL).0), [2, 1, 3, 4]);
        assert_eq!(seqs(&recent.scan(&range, true, ALL).0), [4, 3, 1, 2]);
        let (some, more) = recent.scan(&range, false, Bounds { records: 2, ..ALL });
        assert_eq!((seqs(&some), more), (vec![2, 1], true));
        let part = range.starting_after("a").ending_before("d");
        assert_eq!(seqs(&recent.scan(&part, false, ALL).0), [1, 3]);
    }
}
