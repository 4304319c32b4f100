//! `/{table}/store`, `/{table}/keys`, `/{table}/batch` and `/tables`: many records (API.md section 3).
//!
//! ```text
//! store, keys ──► listing (what of the table) ─┬─► page: read first, since its head has the link
//!                                              └─► records (printed as they are read)
//! multi_get ───────────────────────────────────────► records
//! batch ──► batch_item (read, submitted), part by part ──► batch_answer
//! ```

mod batch;
mod batch_answer;
mod batch_item;
mod keys;
mod listing;
mod multi_get;
mod page;
mod records;
mod store;
mod tables;

pub(crate) use batch::batch;
pub(crate) use keys::keys;
pub(crate) use multi_get::multi_get;
pub(crate) use store::store;
pub(crate) use tables::tables;
