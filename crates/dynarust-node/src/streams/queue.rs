//! What waits for one slow reader: bounded, and merged when it gets too much.
//!
//! Invariants:
//! - records are in seq order, so that ids only rise;
//! - of a name the newest is never dropped;
//! - beside the newest record, however large, at most `bytes_max` bytes wait. (So a single value
//!   above the limit does not cut every reader.)

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use dynarust_core::Stored;

/// Places that an empty queue keeps; more are given back.
const IDLE_CAPACITY: usize = 16;

/// Records on their way to one reader.
#[derive(Debug, Default)]
pub(super) struct Queue {
    records: VecDeque<Arc<Stored>>,
    bytes: usize,
}

/// Too much waits even when only the newest of each name does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overflow;

impl Queue {
    /// Adds a record behind all others; tells how many older ones were left out for it.
    ///
    /// # Errors
    /// [`Overflow`]: merging did not bring the queue to half its limit. It is still whole.
    pub(super) fn push(
        &mut self,
        record: Arc<Stored>,
        bytes_max: usize,
    ) -> Result<usize, Overflow> {
        let newest_bytes = record.memory_bytes();
        self.bytes += newest_bytes;
        self.records.push_back(record);
        if self.bytes - newest_bytes <= bytes_max {
            return Ok(0);
        }
        let before = self.records.len();
        self.merge();
        // Half, so that merging is paid for by as many pushes as it looks at.
        if self.bytes.saturating_sub(newest_bytes) <= bytes_max / 2 {
            Ok(before - self.records.len())
        } else {
            Err(Overflow)
        }
    }

    /// Takes the oldest record.
    pub(super) fn pop(&mut self) -> Option<Arc<Stored>> {
        let record = self.records.pop_front();
        match &record {
            Some(record) => self.bytes = self.bytes.saturating_sub(record.memory_bytes()),
            None => self.records.shrink_to(IDLE_CAPACITY),
        }
        record
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Keeps of each name only the newest, where it stands.
    fn merge(&mut self) {
        let mut seen = HashSet::with_capacity(self.records.len());
        let mut kept = VecDeque::new();
        for record in self.records.drain(..).rev() {
            if seen.insert(record.name.clone()) {
                kept.push_front(record);
            }
        }
        self.bytes = kept.iter().map(|record| record.memory_bytes()).sum();
        self.records = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::tests::store::stored;

    fn drain(queue: &mut Queue) -> Vec<(String, u64)> {
        std::iter::from_fn(|| queue.pop())
            .map(|record| (record.name.key().to_owned(), record.seq))
            .collect()
    }

    fn limit(records: usize) -> usize {
        records * stored(1, "a", Some("1")).memory_bytes()
    }

    #[test]
    fn below_the_limit_every_record_stays() {
        let mut queue = Queue::default();
        for seq in 1..=5 {
            queue.push(stored(seq, "a", Some("1")), limit(4)).unwrap();
        }
        assert_eq!(drain(&mut queue).len(), 5);
        assert!(queue.is_empty());
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn above_it_the_newest_of_each_name_stays_in_seq_order() {
        let mut queue = Queue::default();
        for (seq, key) in (1..).zip(["a", "b", "a", "c", "a", "b"]) {
            queue.push(stored(seq, key, Some("1")), limit(4)).unwrap();
        }
        let expected = [("c", 4), ("a", 5), ("b", 6)].map(|(key, seq)| (key.to_owned(), seq));
        assert_eq!(drain(&mut queue), expected);
    }

    #[test]
    fn too_many_names_overflow() {
        let mut queue = Queue::default();
        let pushed: Vec<_> = (1..)
            .zip(["a", "b", "c", "d", "e", "f"])
            .map(|(seq, key)| queue.push(stored(seq, key, Some("1")), limit(4)))
            .collect();
        assert_eq!(pushed.iter().filter(|pushed| pushed.is_ok()).count(), 5);
        assert_eq!(pushed.last(), Some(&Err(Overflow)));
    }

    #[test]
    fn one_value_above_the_limit_waits_all_the_same() {
        let mut queue = Queue::default();
        for seq in 1..=3 {
            queue.push(stored(seq, "a", Some("large")), 0).unwrap();
        }
        assert_eq!(drain(&mut queue), [("a".to_owned(), 3)]);
    }
}
