//! What a client sees: the HTTP contract (API.md).
//!
//! ```text
//! socket ──► front_door ──► connection (wire ──► hyper) ──► surface
//!
//! surface ─┬─ record/{get,put,delete}
//!          ├─ live/subscribe ──► live/sse
//!          ├─ table/{store,keys,multi_get}
//!          └─ node_state, figures/{stats,metrics}
//! ```
//!
//! | file | what it holds |
//! | --- | --- |
//! | `front_door`, `listen`, `door_counts` | the listening socket, its connections, their end |
//! | `connection`, `http2`, `socket`, `stall_limit` | one connection: hyper and its limits |
//! | `wire` | what RFC 9112 forbids, refused before hyper sees it |
//! | `address`, `operation` | **every route of the API**, and its name |
//! | `surface` | from a request to who answers it |
//! | `measured`, `counts`, `latencies` | what was asked for, how it was answered, and how soon |
//! | `path`, `query`, `conditions`, `guarantees`, `ttl`, `accept`, `content_type` | what a request's head says |
//! | `request_body`, `budget`, `json` | what a request's body says, within bounds |
//! | `mesh_entry`, `preceded` | where other nodes come in |
//! | `operator`, `proof` | what an operator does with the cluster, and who that is |
//! | `record`, `table`, `live`, `node_state`, `figures` | the answers |
//! | `problem` | **every error of the API**, and what becomes one |
//! | `cors` | which web pages may read the answers |
//! | `replicas` | how many owners stand behind an answer, where they are few |
//! | `answer`, `response_body` | how answers are made and sent |
//!
//! Nothing here decides what a record is or who owns it: that is `dynarust-node`'s and
//! `dynarust-core`'s.

mod accept;
mod address;
mod answer;
mod backend;
mod budget;
mod conditions;
mod connection;
mod content_type;
mod cors;
mod counts;
mod departure;
mod door_counts;
mod figures;
mod front_door;
mod guarantees;
mod http2;
mod idempotency;
mod json;
mod latencies;
mod listen;
mod live;
mod measured;
mod mesh_entry;
mod node_state;
mod openapi;
mod operation;
mod operator;
mod path;
mod preceded;
mod problem;
mod proof;
mod query;
mod record;
mod replicas;
mod request_body;
mod response_body;
mod socket;
mod stall_limit;
mod surface;
mod table;
mod ttl;
mod wire;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

#[cfg(any(test, fuzzing))]
#[path = "../../dynarust-node/src/store_in_memory.rs"]
mod store_in_memory;

pub use backend::HttpConfig;
pub use connection::Io;
pub use cors::{CorsOrigins, NotAnOrigin};
pub use front_door::{BindError, FrontDoor};
pub use listen::Listen;
pub use proof::authorization;
