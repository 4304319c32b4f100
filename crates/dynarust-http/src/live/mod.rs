//! Live streams (API.md section 4).
//!
//! ```text
//! subscribe: what to follow, from where ──► Node::subscribe ──► form (sse, ndjson): events as text ──► body
//! ```

mod change;
mod follow;
mod form;
mod ndjson;
mod sse;
mod subscribe;

pub(crate) use follow::Follow;
pub(crate) use subscribe::subscribe;
