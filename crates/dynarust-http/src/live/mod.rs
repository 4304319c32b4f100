//! Live streams (API.md section 4).
//!
//! ```text
//! subscribe: what to follow, from where ──► Node::subscribe ──► following: form (sse, ndjson; text), heartbeats ──► body
//!   ──► on HTTP/1.1, as the first on its connection: a socket of its own (socket, web_socket); else hyper's
//! ```

mod change;
mod follow;
mod followers;
mod following;
mod form;
mod ndjson;
mod socket;
mod sse;
mod subscribe;
mod text;
mod web_socket;

pub(crate) use follow::Follow;
pub(crate) use followers::Followers;
pub(crate) use following::Following;
pub(crate) use socket::StreamConnection;
pub(crate) use subscribe::subscribe;
pub(crate) use web_socket::WebSocketConnection;
