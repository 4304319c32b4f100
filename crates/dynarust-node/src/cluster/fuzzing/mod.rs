//! What must hold of a cluster, whatever a member says (see `crate::fuzzing`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests and fuzz targets have this module"
)]

mod peer;
mod registry;

pub use peer::peer;
pub use registry::registry;
