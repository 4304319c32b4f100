//! What is recent, laid over the base: scans and the feed.
//!
//! A record moves from recent to the base while readers look. So:
//! - a scan looks at what is recent *first*: what moves meanwhile is then in both, and the newer seq
//!   wins;
//! - the feed looks at the base first and at what is recent after, and looks again if anything moved
//!   in between: only then is it certain that no entry is older than what a reader has seen before.

use std::cmp::Ordering;
use std::sync::Arc;

use dynarust_core::{RecordName, Seq, Stored};
use parking_lot::RwLock;

use crate::base::{Bounds, ReadBase};
use crate::port::{FeedPage, ReadError, Scan, ScanPage};
use crate::recent::Recent;
use crate::shared::base_error;

/// A part of a table, newest versions.
pub(crate) fn scan(
    recent: &RwLock<Recent>,
    base: &ReadBase,
    scan: &Scan,
) -> Result<ScanPage, ReadError> {
    if scan.range.is_empty() {
        return Ok(ScanPage::default());
    }
    let bounds = Bounds { records: scan.records_max.max(1), bytes: scan.bytes_max };
    let (over, over_more) = recent.read().scan(&scan.range, scan.reverse, bounds);
    let under = base.scan(&scan.range, scan.reverse, bounds).map_err(|error| base_error(&error))?;
    // The base stopped before a corrupt record: up to that, and at its own name, recent has the word.
    let covers = |corrupt: &Option<RecordName>, next: &Stored| {
        corrupt.as_ref().is_some_and(|corrupt| match scan.reverse {
            false => next.name <= *corrupt,
            true => next.name >= *corrupt,
        })
    };
    let mut merged = Merged { page: ScanPage::default(), bounds, bytes: 0 };
    let mut over = over.into_iter().peekable();
    let mut under_records = under.records.into_iter().map(Arc::new).peekable();
    // A side that stopped early says nothing of what comes behind its last record.
    loop {
        let order = match (over.peek(), under_records.peek()) {
            (None, None) => break,
            (Some(next), None) if under.more && !covers(&under.corrupt, next) => break,
            (None, Some(_)) if over_more => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) if scan.reverse => b.name.cmp(&a.name),
            (Some(a), Some(b)) => a.name.cmp(&b.name),
        };
        let newest = match order {
            Ordering::Less => over.next(),
            Ordering::Greater => under_records.next(),
            Ordering::Equal => newer(over.next(), under_records.next()),
        };
        if !newest.is_some_and(|stored| merged.push(stored)) {
            return Ok(merged.page);
        }
    }
    merged.page.more = under.more || over_more;
    match under.corrupt {
        Some(name) if merged.page.records.is_empty() => Err(ReadError::CorruptRecord(name)),
        _ => Ok(merged.page),
    }
}

fn newer(a: Option<Arc<Stored>>, b: Option<Arc<Stored>>) -> Option<Arc<Stored>> {
    match (a, b) {
        (Some(a), Some(b)) if b.seq > a.seq => Some(b),
        (a, b) => a.or(b),
    }
}

struct Merged {
    page: ScanPage,
    bounds: Bounds,
    bytes: usize,
}

impl Merged {
    /// Adds a record, unless the bounds are reached.
    fn push(&mut self, stored: Arc<Stored>) -> bool {
        let full = self.page.records.len() >= self.bounds.records
            || (self.bytes > 0 && self.bytes >= self.bounds.bytes);
        if full {
            self.page.more = true;
            return false;
        }
        self.bytes += stored.memory_bytes();
        self.page.records.push(stored);
        true
    }
}

/// The newest record of each name behind `after`.
pub(crate) fn feed(
    recent: &RwLock<Recent>,
    base: &ReadBase,
    after: Seq,
    bounds: Bounds,
) -> Result<FeedPage, ReadError> {
    loop {
        let applied = recent.read().applied();
        if after >= applied {
            let recent = recent.read();
            if recent.applied() > after {
                continue;
            }
            let (records, through) = recent.feed(after, bounds);
            return Ok(FeedPage { records, through });
        }
        let under = base.feed(after, bounds).map_err(|error| base_error(&error))?;
        let recent = recent.read();
        if recent.applied() != applied {
            continue;
        }
        let alive = |stored: &Stored| recent.get(&stored.name).is_none_or(|r| r.seq <= stored.seq);
        let records = under.records.into_iter().filter(alive).map(Arc::new).collect();
        // What is recent comes with the next call.
        return Ok(FeedPage { records, through: under.through });
    }
}
