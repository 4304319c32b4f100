//! Tests of the store as a whole.

mod bits;
mod by_hand;
mod cluster;
mod crash_disk;
mod emptying;
mod faults;
mod formats;
mod local;
mod misnamed;
mod model;
mod recovery;
mod renewal;
mod rot;
mod tables;
