//! Bytes that were read and not handed on: a head that is not whole, mostly.
//!
//! All connections together hold a bounded number of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dynarust_core::limits::HELD_HEADS_BYTES_MAX;

/// See the module. What is empty takes no memory.
#[derive(Debug)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// So many are counted in `all`.
    counted: usize,
    all: Arc<AtomicUsize>,
}

/// All connections together hold too much already; nothing was added.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Held {
    pub(super) fn new(all: Arc<AtomicUsize>) -> Self {
        Self { bytes: Vec::new(), counted: 0, all }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All of it, which is no longer counted.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn push(&mut self, more: &[u8]) -> Result<(), Full> {
        // The usual case: what all share is left alone.
        if more.is_empty() {
            return Ok(());
        }
        let before = self.all.fetch_add(more.len(), Ordering::Relaxed);
        if before.saturating_add(more.len()) > HELD_HEADS_BYTES_MAX {
            self.all.fetch_sub(more.len(), Ordering::Relaxed);
            return Err(Full);
        }
        self.counted += more.len();
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// All but the first bytes are replaced by a few others, which are not counted.
    pub(super) fn replace_behind(&mut self, bytes: usize, others: &[u8]) {
        self.bytes.truncate(bytes);
        self.bytes.extend_from_slice(others);
    }

    pub(super) fn take_front(&mut self, bytes: usize) {
        if bytes < self.bytes.len() {
            self.bytes.drain(..bytes);
        } else {
            self.bytes = Vec::new();
        }
        let surplus = self.counted.saturating_sub(self.bytes.len());
        self.counted -= surplus;
        self.all.fetch_sub(surplus, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_hold_is_counted() {
        let all = Arc::new(AtomicUsize::new(HELD_HEADS_BYTES_MAX - 8));
        let mut one = Held::new(Arc::clone(&all));
        let mut other = Held::new(Arc::clone(&all));
        assert_eq!(one.push(b"12345"), Ok(()));
        assert_eq!(other.push(b"1234"), Err(Full));
        assert!(other.is_empty());
        one.take_front(1);
        assert_eq!(other.push(b"1234"), Ok(()));
        one.replace_behind(2, b"abcdefghi");
        assert_eq!(one.bytes(), b"23abcdefghi");
        one.take_front(20);
        drop((one, other));
        assert_eq!(all.load(Ordering::Relaxed), HELD_HEADS_BYTES_MAX - 8);
    }
}
