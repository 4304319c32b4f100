//! Debian's `iso-codes` in DynaRust: an example of an application, and a proof with real data.
//!
//! [`source`] reads the files, [`api`] speaks HTTP, and [`load`], [`check`] and [`follow`] are what
//! the program does. Nothing here knows more of the node than its HTTP contract.

pub mod api;
pub mod check;
pub mod follow;
pub mod load;
pub mod source;
