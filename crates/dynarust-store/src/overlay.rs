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

use crate::base::{Bounds, ReadBase, Wanted};
use crate::port::{FeedPage, FeedRead, ReadError, Scan, ScanPage};
use crate::recent::Named;
use crate::shared::{Shared, base_error};

/// A part of a table, newest versions.
pub(crate) fn scan(shared: &Shared, base: &ReadBase, scan: &Scan) -> Result<ScanPage, ReadError> {
    if scan.range.is_empty() {
        return Ok(ScanPage::default());
    }
    let bounds = Bounds { records: scan.records_max.max(1), bytes: scan.bytes_max };
    let wanted = Wanted { partitions: scan.partitions.clone(), values: scan.values };
    let (over, over_more) = shared.recent.read().scan(&scan.range, scan.reverse, bounds, &wanted);
    let under = base
        .scan(&scan.range, scan.reverse, bounds, &wanted)
        .map_err(|error| base_error(&error))?;
    // The base stopped before a corrupt record: up to that, and at its own name, recent has the word.
    let covers = |corrupt: &Option<RecordName>, next: &RecordName| {
        corrupt.as_ref().is_some_and(|corrupt| match scan.reverse {
            false => next <= corrupt,
            true => next >= corrupt,
        })
    };
    let mut merged =
        Merged { shared, page: ScanPage::default(), bounds, wanted: &wanted, bytes: 0 };
    let mut over = over.into_iter().peekable();
    let mut under_records = under.records.into_iter().map(Arc::new).peekable();
    // A side that stopped early says nothing of what comes behind its last record.
    loop {
        let order = match (over.peek(), under_records.peek()) {
            (None, None) => break,
            (Some((next, _)), None) if under.more && !covers(&under.corrupt, next) => break,
            (None, Some(_)) if over_more => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some(b)) if scan.reverse => b.name.cmp(a),
            (Some((a, _)), Some(b)) => a.cmp(&b.name),
        };
        let newest = match order {
            Ordering::Less => Newest { over: over.next(), under: None },
            Ordering::Greater => Newest { over: None, under: under_records.next() },
            Ordering::Equal => Newest { over: over.next(), under: under_records.next() },
        };
        if !merged.push(newest)? {
            return Ok(merged.page);
        }
    }
    merged.page.more = under.more || over_more;
    if let Some(name) = under.corrupt.filter(|_| merged.page.records.is_empty()) {
        // Memory may have it still; then it cannot be mended by an arrival, which would find it whole. A name
        // that has rotted into another's says nothing of that one.
        let is_its_name = wanted.values && base.get(&name).is_err();
        let Some(stored) = shared.cache.get(&name).filter(|_| is_its_name) else {
            shared.damaged.add(&name);
            return Err(ReadError::CorruptRecord(name));
        };
        merged.page.records.push(stored);
    }
    Ok(merged.page)
}

/// What recent and base have of one name.
struct Newest {
    over: Option<Named>,
    under: Option<Arc<Stored>>,
}

impl Newest {
    fn load(self, shared: &Shared, wanted: &Wanted) -> Result<Option<Arc<Stored>>, ReadError> {
        match (self.over, self.under) {
            (Some((_, entry)), Some(under)) if under.seq >= entry.seq => Ok(Some(under)),
            (Some((name, entry)), _) => shared.record(&name, &entry, wanted.values).map(Some),
            (None, under) => Ok(under),
        }
    }
}

struct Merged<'a> {
    shared: &'a Shared,
    page: ScanPage,
    bounds: Bounds,
    wanted: &'a Wanted,
    bytes: usize,
}

impl Merged<'_> {
    /// Adds a record, unless the bounds are reached.
    fn push(&mut self, newest: Newest) -> Result<bool, ReadError> {
        let full = self.page.records.len() >= self.bounds.records
            || (self.bytes > 0 && self.bytes >= self.bounds.bytes);
        if full {
            self.page.more = true;
            return Ok(false);
        }
        if let Some(stored) = newest.load(self.shared, self.wanted)? {
            self.bytes += stored.memory_bytes();
            self.page.records.push(stored);
        }
        Ok(true)
    }
}

/// The newest record of each name in a part of the feed.
pub(crate) fn feed(
    shared: &Shared,
    base: &ReadBase,
    read: &FeedRead,
) -> Result<FeedPage, ReadError> {
    let after = read.after;
    let bounds = Bounds { records: read.records_max.max(1), bytes: read.bytes_max };
    let wanted = Wanted { partitions: read.partitions.clone(), values: read.values };
    'again: loop {
        let applied = shared.recent.read().applied();
        if after >= applied {
            let (entries, through) = {
                let recent = shared.recent.read();
                if recent.applied() > after {
                    continue;
                }
                recent.feed(after, bounds, &wanted)
            };
            return load_all(shared, &entries, read.values, through);
        }
        let mut corrupt = Vec::new();
        let instead = |name: Option<RecordName>, seq| {
            // What memory has of that entry.
            let stored = name.as_ref().and_then(|name| shared.cache.get(name));
            let stored = stored.filter(|stored| stored.seq == seq);
            if stored.is_none() {
                corrupt.push((name, seq));
            }
            stored
        };
        let under = base
            .feed(after, bounds, &wanted, read.gone, instead)
            .map_err(|error| base_error(&error))?;
        let recent = shared.recent.read();
        if recent.applied() != applied {
            continue;
        }
        let alive = |stored: &Stored| recent.seq(&stored.name).is_none_or(|seq| seq <= stored.seq);
        let records = under.records.into_iter().filter(|stored| alive(stored)).collect();
        drop(recent);
        let mut left_out = Vec::new();
        for (name, seq) in corrupt {
            // What was written anew in its place meanwhile was passed over all the same.
            match name.as_ref().map(|name| shared.find(base, name)) {
                Some(Ok(Some(stored))) if stored.seq == seq => continue 'again,
                // It has a newer entry.
                Some(Ok(Some(stored))) if stored.seq > seq => {}
                Some(Err(error @ ReadError::Base(_))) => return Err(error),
                // Who found it has told the node: what is mended from elsewhere has a new entry.
                Some(Err(_)) => {
                    tracing::error!(?name, seq, "a corrupt record is left out of the feed");
                    left_out.push(name);
                }
                // Its name has rotted, perhaps into another record's; or it has gone meanwhile.
                Some(Ok(_)) | None => {
                    tracing::error!(seq, "a corrupt record is left out of the feed");
                    left_out.push(None);
                }
            }
        }
        // What is recent comes with the next call.
        return Ok(FeedPage { records, through: under.through, left_out });
    }
}

/// The records of some entries; corrupt ones are left out, and told to the node.
fn load_all(
    shared: &Shared,
    entries: &[Named],
    values: bool,
    through: Seq,
) -> Result<FeedPage, ReadError> {
    let mut page = FeedPage { through, ..FeedPage::default() };
    for (name, entry) in entries {
        match shared.record(name, entry, values) {
            Ok(stored) => page.records.push(stored),
            Err(ReadError::CorruptRecord(name)) => {
                tracing::error!(?name, "a corrupt record is left out of the feed");
                shared.damaged.add(&name);
                page.left_out.push(Some(name));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}
