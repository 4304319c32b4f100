//! What clients of a cluster were told, and the laws that it must keep.
//!
//! A [`History`] is recorded by a simulator, or by tests on real processes; each checker is a pure function
//! from it to [`Violation`]s. No I/O, no clock, no thread, no hash-ordered iteration: the same history always
//! gives the same words.
//!
//! ```text
//! recorder ─▶ History ─▶ Ledger: what is known of each key ─▶ checkers, one law each ─▶ violations
//!     └─▶ Circumstances: when which promise holds ────────────────────┘
//! ```
//!
//! | module | |
//! | --- | --- |
//! | [`operation`] | one request, and what its client was told |
//! | [`stream`] | what a live stream told |
//! | [`history`], [`lines`] | all of it, and as lines of JSON |
//! | [`value`] | values that say whose they are |
//! | [`circumstances`] | what the recorder knows of the faults |
//! | [`checkers`] | the laws |

mod bonds;
pub mod checkers;
pub mod circumstances;
pub mod history;
mod ledger;
pub mod lines;
pub mod operation;
#[cfg(test)]
mod properties;
mod search;
#[cfg(test)]
mod search_vectors;
#[cfg(test)]
mod story;
pub mod stream;
pub mod value;
pub mod violation;

pub use checkers::{Checker, check};
pub use circumstances::{Calm, Circumstances, Stormy};
pub use history::{Final, History};
pub use operation::{Action, Durability, Guard, Listed, Nanos, Operation, Outcome, Seen, WriteId};
pub use stream::{Connection, Event, Follows, Stream, Told};
pub use value::Content;
pub use violation::Violation;
