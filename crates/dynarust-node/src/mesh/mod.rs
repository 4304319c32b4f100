//! The mesh: how nodes talk to each other (design section 6).
//!
//! ```text
//! dial ─▶ GET /_mesh, Upgrade ─▶ hello ⇄ hello, proofs ─▶ link: frames, both ways, until it is closed
//! ```
//!
//! Two links a pair of nodes: [`Channel::Data`] for what clients wait for, [`Channel::Bulk`] for what moves
//! much. Both ends ask and answer on either.
//!
//! Invariants:
//! - nothing of a peer is believed before it has proved that it knows the cluster's secret; the secret
//!   itself never travels;
//! - what waits to be sent is bounded in bytes, and so is what a peer can have under way here;
//! - a frame whose checksum fails, or that makes no sense, ends the link, and nothing of it is used.

mod channel;
mod dial;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod handshake;
mod link;
pub(crate) mod message;
mod network;
mod traffic;

pub(crate) use channel::Channel;
pub(crate) use dial::{DialError, dial};
pub(crate) use frame::FrameError;
pub(crate) use handshake::{Greeting, HandshakeError, Met, Refusal};
pub(crate) use link::{AskError, Handler, Link, Reply};
pub(crate) use network::TcpNetwork;
pub use network::{Dialled, Io, Network};
pub(crate) use traffic::Traffic;
pub use traffic::TrafficFigures;

/// Where a node is asked for the mesh.
const PATH: &str = "/_mesh";
/// What the connection is to become.
const UPGRADE: &str = "dynarust/1";
