//! What a node does (design sections 1 and 7): put, patch, get, delete, scan, subscribe.
//!
//! A node stands between what clients ask and what its store remembers. The store's records are raw;
//! here they become what a client sees: a deleted or expired record is absent, on the node's clock.
//!
//! ```text
//! put, patch, delete ──► Store::write ──► journal ──► publications ──► streams ──► subscribers
//! get, scan   ◄── Store::peek, get, scan
//! ```
//!
//! A node alone owns every partition, so each operation goes straight to its store. Where several nodes
//! own a key, `coordinate` stands between the two; what clients of [`Node`] see does not change.
//!
//! | file | what a node does |
//! | --- | --- |
//! | [`put`], [`delete`], [`mod@write`] | changes a record, or tells why not |
//! | [`patch`] | changes a value in part; `turns`: patches of one key take turns |
//! | `requests` | requests with an idempotency key: which run, which were refused |
//! | [`batch`] | many writes of one request, with few group commits |
//! | [`get`], [`multi_get`] | reads one record, or many by name |
//! | [`scan`] | reads a range in key order, whole or by pages |
//! | [`tables`] | lists the tables |
//! | [`streams`] | follows changes |
//! | [`cluster`] | who is there, and what this node is among them |
//! | `mesh` | how nodes talk to each other |
//! | `following` | takes in what others publish, and ships what this node does |
//! | `coordinate` | carries a request out over a record's owners |
//! | [`membership`], [`readiness`], [`stats`] | tells who is there, whether this node answers, and what it did |
//! | [`leaving`] | who goes |
//! | [`lifecycle`] | starts, notices a store that stopped, closes |

pub mod batch;
pub mod cluster;
mod coordinate;
pub mod delete;
pub mod environment;
mod following;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod get;
pub mod leaving;
pub mod lifecycle;
pub mod membership;
mod mesh;
pub mod multi_get;
pub mod patch;
pub mod put;
pub mod readiness;
mod requests;
pub mod scan;
pub mod stats;
pub mod streams;
pub mod tables;
mod turns;
pub mod write;

#[cfg(any(test, fuzzing))]
mod store_in_memory;
#[cfg(test)]
mod tests;

pub use batch::BatchPart;
pub use cluster::{ClusterConfig, ClusterError, ClusterStats, Holdings, Secret};
pub use delete::Delete;
pub use environment::{Environment, Gate, Tasks};
pub use get::{Found, RefusedRead};
pub use leaving::RefusedChange;
pub use lifecycle::{Node, NodeConfig};
pub use membership::{Member, Membership, Status};
pub use mesh::{Dialled, Io, Network, TrafficFigures};
pub use patch::{PatchRecord, RefusedPatch};
pub use put::Put;
pub use readiness::Health;
pub use scan::{Page, Scanner};
pub use stats::NodeStats;
pub use tables::TableLister;
pub use write::{Acknowledged, RefusedWrite};
