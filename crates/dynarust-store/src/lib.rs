//! What a node remembers (design section 3; `FORMAT.md` in this crate draws the bytes).
//!
//! ```text
//! write ─▶ journal (append, one sync a group) ─▶ recent (memory) ─▶ base (SQLite)
//! read  ─▶ cache ─▶ recent ─▶ base
//! ```
//!
//! [`port`] is the contract; [`LocalStore`] keeps it on a file system. [`verify`], [`salvage`] and
//! [`renew`] work on the folder of a node that is stopped.

mod answers;
mod applier;
mod base;
pub mod by_hand;
mod cache;
pub mod clock;
mod config;
mod damaged;
mod driver;
mod emptying;
mod expirer;
mod finding;
mod folder;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod journal;
mod local;
mod note;
mod open;
mod open_error;
mod overlay;
pub mod port;
mod readers;
mod recent;
mod recover;
pub mod renew;
pub mod salvage;
mod scrubbing;
mod shared;
pub mod stats;
mod submission;
mod tables;
#[cfg(test)]
mod tests;
pub mod verify;
mod view;
mod writer;

pub use by_hand::Hands;
pub use clock::{SystemClock, WallClock};
pub use config::{Random, StoreConfig};
pub use finding::{Finding, Part};
pub use journal::disk::{Disk, RealDisk, SegmentFile, SegmentReader};
pub use local::LocalStore;
pub use open_error::OpenError;
pub use port::{
    Answered, Arrival, Change, Durability, FeedPage, FeedRead, Over, Proposed, ReadError, Scan,
    ScanPage, Store, TableCount, TablesPage, TakenIn, Write, WriteError, Written,
};
pub use stats::StoreStats;
