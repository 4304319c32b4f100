//! The HTTP contract (API.md), asked over a real socket of a front door on port 0.
//!
//! Whatever a test asks, the answer must be one that the OpenAPI document has ([`contract`]).
//!
//! The store is one in memory, with faults on request.

#![cfg(test)]

mod batches;
mod bodies;
mod client;
mod closing;
mod contract;
mod cors;
mod door;
mod figures;
mod http2;
mod http2_limits;
mod json_vectors;
mod live;
mod mesh;
mod naughty;
mod node_state;
mod operator;
mod overload;
mod patches;
mod records;
mod requests;
mod retries;
mod rfc9112;
mod routes;
mod schema;
mod small_memory;
mod tables;
mod web_sockets;

#[path = "../../../dynarust-node/src/store_in_memory.rs"]
mod store_in_memory;
