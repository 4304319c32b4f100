//! The base: everything up to `applied_seq`, in SQLite (design section 3; `FORMAT.md`, "Base").
//!
//! Invariants:
//! - one thread writes (the applier), in transactions that carry the `applied_seq` they reach;
//! - each record up to `applied_seq` has its entry in `feed`; any other entry is passed over;
//! - `tables` and the counts in `meta` are the sums of `records`;
//! - whatever is read is checked against its checksum before it leaves this module, but for names and
//!   stamps that are read without values, and only compared.

mod answers;
mod apply;
mod audit;
mod counts;
mod due;
mod emptying;
mod error;
mod feed;
mod feed_times;
mod meta;
mod misnamed;
mod present;
mod read;
mod row;
mod schema;
mod scrub;
mod steps;
mod sweep;
mod tables;

pub(crate) use apply::{ApplyBase, Reached};
pub(crate) use audit::audit;
pub(crate) use counts::Counts;
pub(crate) use due::DuePosition;
pub(crate) use error::BaseError;
pub(crate) use feed::DeadEntriesPosition;
pub(crate) use read::{Bounds, ReadBase, ReadFailure, Snapshot, Wanted};
pub(crate) use row::Claimed;
pub(crate) use schema::{OpenBase, open_existing, open_or_create};
pub(crate) use scrub::{Rot, ScrubPosition};
