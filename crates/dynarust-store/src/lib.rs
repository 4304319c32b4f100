//! What a node remembers (design section 3).

pub mod clock;
pub mod port;

pub use clock::{SystemClock, WallClock};
pub use port::{
    Change, Durability, FeedPage, ReadError, Scan, ScanPage, Store, Write, WriteError, Written,
};
