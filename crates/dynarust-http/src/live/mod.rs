//! Live streams as server-sent events (API.md section 4).
//!
//! ```text
//! subscribe: what to follow, from where ──► Node::subscribe ──► sse: events as text ──► body
//! ```

mod follow;
mod sse;
mod subscribe;

pub(crate) use follow::Follow;
pub(crate) use subscribe::subscribe;
