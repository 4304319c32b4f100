//! What a load on a node needs.

pub mod lorem;
