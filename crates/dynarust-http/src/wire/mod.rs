//! What comes over a connection, byte by byte, before hyper sees it. HTTP/2 passes: its frames have one meaning.
//!
//! hyper lets a good part of what RFC 9112 calls ambiguous pass: two equal lengths, a length beside
//! `chunked`, bare line feeds. Where two programs read such a request differently, one client's
//! request becomes another's. So a guard stands between socket and hyper:
//!
//! ```text
//! socket ──► guard ──────────────► hyper ──► surface
//!              │ framer               ▲
//!              │  ├ head ── host      │ in place of a head that is refused, a request
//!              │  └ chunked           │ that asks for the reason (`verdict`)
//!              └ held: a head that is not whole yet
//! ```
//!
//! Invariants:
//! - Everything behind `framer` is decided without I/O, and does not depend on how bytes were split.
//! - hyper sees a head only when it is whole and sound; so hyper refuses nothing by itself.
//! - A head that comes in one read is looked at in hyper's own buffer, and not copied.
//! - What is held is bounded, for a connection and for all of them.

mod byte_class;
mod chunked;
mod fault;
mod framer;
mod guard;
mod head;
mod held;
mod host;
mod patience;
mod request_line;
mod verdict;

#[cfg(test)]
mod tests;

#[cfg(any(test, fuzzing))]
pub(crate) mod reference;

pub(crate) use fault::Fault;
pub(crate) use guard::{Guard, Protocol};
pub(crate) use host::is_host_and_port;
pub(crate) use verdict::Verdict;
