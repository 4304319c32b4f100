//! Live streams over a store in memory, and over the real one.

mod claiming;
mod crowd;
mod follower;
mod following;
mod interleavings;
mod over_the_real_store;
mod reader;
mod resuming;
pub(super) mod store;
