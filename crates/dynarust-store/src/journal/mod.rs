//! The journal: what makes a write durable before the base has it (design section 3; `FORMAT.md`).
//!
//! ```text
//! group ─▶ writer ─▶ frame ─▶ segment (prepared ahead by its own thread)
//!                                │
//! opening ◀─ recovery ◀──────────┤
//! readers, applier ◀─ place ◀────┘
//! ```
//!
//! Invariants:
//! - frames have consecutive ordinals; a segment is synced before the next one is begun;
//! - a frame whose header is sound tells how far everything before it was synced;
//! - no segment is written to by two starts of the program.

pub(crate) mod disk;
pub(crate) mod frame;
mod place;
mod preparer;
pub(crate) mod recovery;
pub(crate) mod segment;
mod writer;

pub(crate) use place::{LoadError, OpenSegment, Place};
pub(crate) use writer::{AppendError, Begin, Complete, CompleteSegments, JournalWriter};
