//! The base: everything up to `applied_seq`, in SQLite (design section 3; `FORMAT.md`, "Base").
//!
//! Invariants:
//! - one thread writes (the applier), in transactions that carry the `applied_seq` they reach;
//! - `records` and `feed` are one to one;
//! - whatever is read is checked against its checksum before it leaves this module.

mod apply;
mod audit;
mod error;
mod meta;
mod read;
mod row;
mod schema;
mod scrub;
mod sweep;

pub(crate) use apply::ApplyBase;
pub(crate) use audit::audit;
pub(crate) use error::BaseError;
pub(crate) use read::{Bounds, ReadBase, ReadFailure};
pub(crate) use schema::{OpenBase, open_existing, open_or_create};
pub(crate) use scrub::{Rot, ScrubPosition};
