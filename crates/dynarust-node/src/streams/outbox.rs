//! What is gathered for the reader, and the last id that it was given.
//!
//! A stream gathers across waits (many keys' state in one answer); items stay here when the reader
//! gives up waiting, so that none is lost.

use parking_lot::Mutex;

use super::event::{Event, Item};

/// Bytes of values after which the reader is handed what is there; also what is read at a time, so
/// that it gets less than twice as much, and a record.
pub(super) const HANDED_BYTES_MAX: usize = 64 << 10;

/// Items for the reader, in order.
#[derive(Debug)]
pub(super) struct Outbox {
    items: Vec<Item>,
    value_bytes: usize,
    /// The last id that left. Touched by the stream's reader alone; the lock is there because it asks
    /// for a fresh id by a shared reference.
    handed: Mutex<String>,
}

impl Outbox {
    /// Empty, for a reader that has everything up to `id`.
    pub(super) fn new(id: String) -> Self {
        Self { items: Vec::new(), value_bytes: 0, handed: Mutex::new(id) }
    }

    /// Adds an event that moves the stream on to `id`.
    pub(super) fn push(&mut self, event: Event, id: String) {
        if let Event::Change(record) = &event {
            self.value_bytes += record.record.value.len();
        }
        self.items.push(Item { event, id });
    }

    /// Adds an event that repeats the last id.
    pub(super) fn push_last(&mut self, event: Event) {
        let last = self.items.last().map(|item| item.id.clone());
        let id = last.unwrap_or_else(|| self.handed());
        self.push(event, id);
    }

    /// Whether nothing waits to be handed over.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether it is time to hand over.
    pub(super) fn is_full(&self) -> bool {
        self.value_bytes >= HANDED_BYTES_MAX
    }

    /// Gives all items out.
    pub(super) fn hand_over(&mut self) -> Vec<Item> {
        if let Some(last) = self.items.last() {
            last.id.clone_into(self.handed.get_mut());
        }
        self.value_bytes = 0;
        std::mem::take(&mut self.items)
    }

    /// The last id that was given out.
    pub(super) fn handed(&self) -> String {
        self.handed.lock().clone()
    }

    /// Gives out a newer id without an item.
    pub(super) fn refresh(&self, id: String) {
        *self.handed.lock() = id;
    }
}
