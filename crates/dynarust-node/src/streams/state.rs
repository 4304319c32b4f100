//! Reading the present state of a selection, piece by piece, in table and key order.
//!
//! A record that is damaged on disk is left out, and logged: one bad key must not keep a reader from
//! all others. Who reads hears of it. A scan that meets one gives nothing at all, so the range is read again in two
//! parts, before and behind that key.

use std::collections::VecDeque;
use std::sync::Arc;

use dynarust_core::limits::CHUNK_RECORDS_MAX;
use dynarust_core::{KeyRange, RecordName, Selection, Selector, Stored};
use dynarust_store::{ReadError, Scan, Store};

/// A part that is still to be read.
#[derive(Debug)]
enum Part {
    Key(RecordName),
    Range(KeyRange),
}

/// What of the state is still to be read.
#[derive(Debug, Default)]
pub(super) struct StateReader {
    /// In name order, disjoint.
    parts: VecDeque<Part>,
    left_out: Vec<Option<RecordName>>,
}

impl StateReader {
    /// All that is selected, or what of it lies behind `after`.
    pub(super) fn new(selection: &Selection, after: Option<&RecordName>) -> Self {
        let parts = selection.selectors().iter();
        let parts = parts.filter_map(|part| Part::behind(part, after)).collect();
        Self { parts, left_out: Vec::new() }
    }

    /// Damaged records that were left out since this was last asked.
    pub(super) fn take_left_out(&mut self) -> Vec<Option<RecordName>> {
        std::mem::take(&mut self.left_out)
    }

    /// Whether all was read.
    pub(super) fn is_done(&self) -> bool {
        self.parts.is_empty()
    }

    /// The next records, about `bytes_max` bytes of values at most; tombstones and expired ones too.
    /// None do not mean the end.
    ///
    /// # Errors
    /// [`ReadError::Base`] where the store cannot be read.
    pub(super) async fn read(
        &mut self,
        store: &dyn Store,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Stored>>, ReadError> {
        match self.parts.front() {
            None => Ok(Vec::new()),
            Some(Part::Key(name)) => {
                let record = match get(store, name).await {
                    Err(ReadError::CorruptRecord(name)) => {
                        self.leave_out(&name, Some(name.clone()));
                        None
                    }
                    read => read?,
                };
                self.parts.pop_front();
                Ok(record.into_iter().collect())
            }
            Some(Part::Range(range)) => {
                let range = range.clone();
                self.read_range(store, range, bytes_max).await
            }
        }
    }

    /// Reads a piece of the first part, which is this range.
    async fn read_range(
        &mut self,
        store: &dyn Store,
        range: KeyRange,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Stored>>, ReadError> {
        let scan = Scan {
            range: range.clone(),
            reverse: false,
            records_max: CHUNK_RECORDS_MAX,
            bytes_max,
            partitions: None,
            values: true,
        };
        match store.scan(scan).await {
            Ok(page) => {
                let last = page.records.last().filter(|_| page.more);
                let rest = last.map(|last| range.starting_after(last.name.key()));
                self.replace_first(rest);
                Ok(page.records)
            }
            Err(ReadError::CorruptRecord(name)) if range.contains(&name) => {
                let before = range.clone().ending_before(name.key());
                let behind = range.starting_after(name.key());
                self.leave_out(&name, None);
                self.replace_first([before, behind]);
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// `known`: where it is certain that it is that record. In a range it may be the name that has rotted.
    fn leave_out(&mut self, name: &RecordName, known: Option<RecordName>) {
        tracing::error!(%name, "a damaged record is left out of a live stream's state");
        self.left_out.push(known);
    }

    /// Puts what is left of the first part in its place.
    fn replace_first(
        &mut self,
        ranges: impl IntoIterator<Item = KeyRange, IntoIter: DoubleEndedIterator>,
    ) {
        self.parts.pop_front();
        for range in ranges.into_iter().rev().filter(|range| !range.is_empty()) {
            self.parts.push_front(Part::Range(range));
        }
    }
}

impl Part {
    /// What of the selector lies behind `after`; `None` for nothing.
    fn behind(selector: &Selector, after: Option<&RecordName>) -> Option<Self> {
        match selector {
            Selector::Key(name) => {
                let behind = after.is_none_or(|after| name > after);
                behind.then(|| Self::Key(name.clone()))
            }
            Selector::Prefix(..) => rest(selector.range(), after).map(Self::Range),
        }
    }
}

/// What of the range lies behind `after`.
fn rest(range: KeyRange, after: Option<&RecordName>) -> Option<KeyRange> {
    let Some(after) = after else {
        return Some(range);
    };
    match range.table.as_str().cmp(after.table()) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Greater => Some(range),
        std::cmp::Ordering::Equal => {
            Some(range.starting_after(after.key())).filter(|range| !range.is_empty())
        }
    }
}

/// The record, from memory where it is there.
pub(super) async fn get(
    store: &dyn Store,
    name: &RecordName,
) -> Result<Option<Arc<Stored>>, ReadError> {
    match store.peek(name) {
        Some(record) => Ok(Some(record)),
        None => store.get(name.clone()).await,
    }
}
