//! `/{table}/store` and `/{table}/keys`: many records (API.md section 3).
//!
//! ```text
//! store, keys ──► listing (what of the table) ─┬─► page: read first, since its head has the link
//!                                              └─► records (printed as they are read)
//! multi_get ───────────────────────────────────────► records
//! ```

mod keys;
mod listing;
mod multi_get;
mod page;
mod records;
mod store;

pub(crate) use keys::keys;
pub(crate) use multi_get::multi_get;
pub(crate) use store::store;
