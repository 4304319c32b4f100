//! The text of events on its way to one reader. What is told of a record is made once for all who hear of it at about
//! the same time; a large one is shared by them, so that it takes memory once, however many are slow.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use dynarust_core::Stored;

/// A shorter text is copied: that is cheaper than a write of its own.
const SHARED_BYTES_MIN: usize = 8 << 10;
/// A longer text is not kept for those who may be told next, but only as long as somebody is being told.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// See the module.
pub(super) struct Text {
    pieces: Vec<Bytes>,
    last: Vec<u8>,
    is_whole: bool,
}

/// Which text of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As server-sent events have it.
    Data,
    /// As lines have it.
    Members,
}

impl Text {
    /// One that stays in one piece where it `is_whole`.
    pub(super) fn new(is_whole: bool) -> Self {
        Self { pieces: Vec::new(), last: Vec::new(), is_whole }
    }

    pub(super) fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.last.extend_from_slice(part.as_bytes());
        }
    }

    /// Appends what is told of the record, as `print` makes it.
    pub(super) fn push_record(
        &mut self,
        stored: &Arc<Stored>,
        shape: Shape,
        print: impl FnOnce(&mut Vec<u8>, &Stored),
    ) {
        let told = made_once(stored, shape, print);
        if self.is_whole || told.len() < SHARED_BYTES_MIN {
            self.last.extend_from_slice(&told);
        } else {
            self.close_piece();
            self.pieces.push(Bytes::from_owner(Shared(told)));
        }
    }

    fn close_piece(&mut self) {
        if !self.last.is_empty() {
            self.pieces.push(std::mem::take(&mut self.last).into());
        }
    }

    /// In order; none is empty.
    pub(super) fn into_pieces(mut self) -> Vec<Bytes> {
        self.close_piece();
        self.pieces
    }
}

struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What was made last, on this thread.
struct Last {
    /// It keeps the record's place from being another's, and nothing of what the record holds.
    record: Weak<Stored>,
    shape: Shape,
    text: Weak<Vec<u8>>,
    _kept: Option<Arc<Vec<u8>>>,
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

fn made_once(
    stored: &Arc<Stored>,
    shape: Shape,
    print: impl FnOnce(&mut Vec<u8>, &Stored),
) -> Arc<Vec<u8>> {
    let is_it = |last: &&Last| last.shape == shape && last.record.as_ptr() == Arc::as_ptr(stored);
    let known = LAST.with_borrow(|last| last.as_ref().filter(is_it)?.text.upgrade());
    known.unwrap_or_else(|| {
        let mut text = Vec::new();
        print(&mut text, stored);
        let text = Arc::new(text);
        let kept = (text.len() <= KEPT_BYTES_MAX).then(|| Arc::clone(&text));
        let (record, text_of_it) = (Arc::downgrade(stored), Arc::downgrade(&text));
        let last = Last { record, shape, text: text_of_it, _kept: kept };
        LAST.set(Some(last));
        text
    })
}

#[cfg(test)]
mod tests {
    use dynarust_node::streams::Event;

    use super::super::change::sample;
    use super::*;

    fn record() -> Arc<Stored> {
        match sample("a", "1", false, false).event {
            Event::Change(stored) => stored,
            other => panic!("{other:?}"),
        }
    }

    fn pieces(stored: &Arc<Stored>, shape: Shape, made: &str, is_whole: bool) -> Vec<Bytes> {
        let mut text = Text::new(is_whole);
        text.push(&["id: 1\n"]);
        text.push_record(stored, shape, |text, _| text.extend_from_slice(made.as_bytes()));
        text.push(&["\n"]);
        text.into_pieces()
    }

    #[test]
    fn the_text_of_a_record_is_made_once_and_no_other_is_taken_for_it() {
        let record_of_all = record();
        let once = pieces(&record_of_all, Shape::Data, "first", false);
        assert_eq!(once, ["id: 1\nfirst\n"]);
        assert_eq!(pieces(&record_of_all, Shape::Data, "again", false), once);
        assert_eq!(pieces(&record_of_all, Shape::Members, "lines", false), ["id: 1\nlines\n"]);
        assert_eq!(pieces(&record_of_all, Shape::Data, "back", false), ["id: 1\nback\n"]);
        // Its place is not given to another as long as it may be asked for.
        drop(record_of_all);
        for nth in 0..100 {
            let made = nth.to_string();
            let told = pieces(&record(), Shape::Data, &made, false);
            assert_eq!(told, [format!("id: 1\n{made}\n")]);
        }
    }

    #[test]
    fn a_large_one_is_shared_and_gone_with_the_last_who_is_told() {
        let (record, large) = (record(), "x".repeat(KEPT_BYTES_MAX + 1));
        let first = pieces(&record, Shape::Data, &large, false);
        let second = pieces(&record, Shape::Data, "not made", false);
        assert_eq!(first.len(), 3);
        assert_eq!(first, second);
        assert_eq!(first[1].as_ptr(), second[1].as_ptr());
        drop((first, second));
        assert_eq!(pieces(&record, Shape::Data, "made anew", false), ["id: 1\nmade anew\n"]);
        assert_eq!(pieces(&record, Shape::Members, &large, true).len(), 1);
    }
}
