//! What must hold of the mesh's bytes (see `crate::fuzzing`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests and fuzz targets have this module"
)]

pub(crate) mod end;
mod frame;
mod handshake;
mod message;
mod middle;
pub(crate) mod script;

pub use frame::frame;
pub use handshake::handshake;
pub use message::message;
