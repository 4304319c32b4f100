//! The tables that hold a live record: what is recent, laid over the base's counts.
//!
//! The counts answer nearly always. Only where all that the base counts may have been deleted or have
//! expired meanwhile is the table itself read. As in a scan, what is recent is looked at first: what
//! moves meanwhile is then in both.

use std::collections::BTreeMap;

use dynarust_core::{KeyRange, TableName, UnixMillis};

use crate::base::{Bounds, ReadBase, Wanted};
use crate::overlay;
use crate::port::{ReadError, Scan, TablesPage};
use crate::shared::{Shared, base_error};

/// Records that are looked at under one hold of the lock, or in one read.
const LOOK: Bounds = Bounds { records: 256, bytes: 256 << 10 };

/// What is recent of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// A live record.
    Live,
    /// So many records, and none of them live.
    Gone(u64),
}

/// Looks at about `tables_max` tables behind `after`.
pub(crate) fn tables(
    shared: &Shared,
    base: &ReadBase,
    after: Option<&TableName>,
    tables_max: usize,
    now: UnixMillis,
) -> Result<TablesPage, ReadError> {
    let tables_max = tables_max.max(1);
    let (over, over_last) = look_at_recent(shared, after, tables_max, now);
    let base_error = |error| base_error(&error);
    let under = base.tables(after, tables_max).map_err(base_error)?;
    let under_last = (under.len() == tables_max).then(|| under.last()).flatten();
    let under_last = under_last.map(|counted| counted.table.clone());
    // A side that ended early says nothing of what comes behind its last table.
    let next = match (over_last, under_last) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let mut both: BTreeMap<TableName, (Option<Over>, u64)> =
        over.into_iter().map(|(table, over)| (table, (Some(over), 0))).collect();
    for counted in under {
        both.entry(counted.table).or_default().1 = counted.records;
    }
    let most = both.values().map(|(_, counted)| *counted).max().unwrap_or(0);
    let due = base.due_count(now, most).map_err(base_error)?;
    let mut page = TablesPage { tables: Vec::new(), next };
    for (table, (over, counted)) in both {
        if page.next.as_ref().is_some_and(|next| table > *next) {
            break;
        }
        let gone = match over {
            Some(Over::Live) => 0,
            Some(Over::Gone(records)) => records.saturating_add(due),
            None => due,
        };
        let holds_one = over == Some(Over::Live)
            || counted > gone
            || (counted > 0 && has_live_record(shared, base, &table, now)?);
        if holds_one {
            page.tables.push(table);
        }
    }
    Ok(page)
}

/// What is recent of the next tables; and the last of them, where there may be more.
fn look_at_recent(
    shared: &Shared,
    after: Option<&TableName>,
    tables_max: usize,
    now: UnixMillis,
) -> (Vec<(TableName, Over)>, Option<TableName>) {
    let mut found: Vec<(TableName, Over)> = Vec::new();
    while found.len() < tables_max {
        let last = found.last().map(|(table, _)| table).or(after).map(TableName::as_str);
        let next = shared.recent.read().table_behind(last).map(TableName::parse);
        // Those of records are sound.
        let Some(Ok(table)) = next else {
            return (found, None);
        };
        let over = look_at_table(shared, &table, now);
        found.push((table, over));
    }
    let last = found.last().map(|(table, _)| table.clone());
    (found, last)
}

fn look_at_table(shared: &Shared, table: &TableName, now: UnixMillis) -> Over {
    let whole = KeyRange::table(table.clone());
    let (mut rest, mut gone) = (whole.clone(), 0);
    loop {
        let (records, more) = shared.recent.read().scan(&rest, false, LOOK, &Wanted::ALL);
        if records.iter().any(|(_, entry)| entry.standing.is_live(now)) {
            return Over::Live;
        }
        gone += records.len() as u64;
        match records.last() {
            Some((last, _)) if more => rest = whole.clone().starting_after(last.key()),
            _ => return Over::Gone(gone),
        }
    }
}

/// Reads the table up to its first live record.
fn has_live_record(
    shared: &Shared,
    base: &ReadBase,
    table: &TableName,
    now: UnixMillis,
) -> Result<bool, ReadError> {
    let whole = KeyRange::table(table.clone());
    let mut range = whole.clone();
    loop {
        let scan = Scan {
            range,
            reverse: false,
            records_max: LOOK.records,
            bytes_max: LOOK.bytes,
            partitions: None,
            values: true,
        };
        let page = match overlay::scan(shared, base, &scan) {
            // It is counted, and nobody can say that it went.
            Err(ReadError::CorruptRecord(_)) => return Ok(true),
            page => page?,
        };
        if page.records.iter().any(|stored| stored.record.is_live(now)) {
            return Ok(true);
        }
        match page.records.last() {
            Some(last) if page.more => range = whole.clone().starting_after(last.name.key()),
            _ => return Ok(false),
        }
    }
}
