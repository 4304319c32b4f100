//! Tests of the store as a whole.

mod crash_disk;
mod faults;
mod local;
mod model;
