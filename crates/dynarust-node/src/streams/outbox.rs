//! What is gathered for the reader, and where it stands behind what it was given last.
//!
//! A stream gathers across waits (many keys' state in one answer); items stay here when the reader
//! gives up waiting, so that none is lost.

use super::event::{Event, Local, Place};

/// Bytes of values after which the reader is handed what is there; also what is read at a time, so
/// that it gets less than twice as much, and a record.
pub(super) const HANDED_BYTES_MAX: usize = 64 << 10;

/// Items for the reader, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    items: Vec<Local>,
    value_bytes: usize,
    /// Behind the last item that left.
    handed: Option<Place>,
}

impl Outbox {
    /// Adds an event that moves the stream on.
    pub(super) fn push(&mut self, event: Event, place: Option<Place>) {
        if let Event::Change(record) = &event {
            self.value_bytes += record.record.value.len();
        }
        self.items.push(Local { event, place });
    }

    /// Adds an event behind which the stream stands where it stood.
    pub(super) fn push_last(&mut self, event: Event) {
        let last = self.items.last().map_or_else(|| self.handed.clone(), |item| item.place.clone());
        self.push(event, last);
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
    pub(super) fn hand_over(&mut self) -> Vec<Local> {
        if let Some(last) = self.items.last() {
            self.handed.clone_from(&last.place);
        }
        self.value_bytes = 0;
        std::mem::take(&mut self.items)
    }

    /// Behind the last item that was given out.
    pub(super) fn handed(&self) -> Option<&Place> {
        self.handed.as_ref()
    }

    /// The reader stands there, without an item.
    pub(super) fn stand(&mut self, place: Option<Place>) {
        self.handed = place;
    }
}
