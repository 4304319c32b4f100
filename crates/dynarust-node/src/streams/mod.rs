//! Live streams: following changes (API.md section 4).
//!
//! ```text
//! store ─ published, tail (else feed) ─▶ Hub ─▶ Interest ─▶ Mailbox of each stream that follows it
//!                                     one task   by name     bounded queue        │
//! store ─ scan, get ─▶ state ─┐                                                   │
//! store ─ feed ────▶ catch-up ┴──────────────▶ LiveStream ◀───────────────────────┘
//!                                              items, at the reader's pace
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `owner` | [`Streams`]: begins streams, closes them |
//! | `begin` | where a stream starts |
//! | `live_stream` | a stream of this node's feed: state, then catch-up, then live |
//! | `state`, `reading` | reading the present state in pieces; a read of the store, under way |
//! | `outbox`, `event` | what is handed to the reader, and its ids |
//! | `hub` | the task that follows the store |
//! | `register`, `interest` | which streams there are, and who follows a name |
//! | `mailbox`, `queue` | what waits for one stream |
//! | `sweep` | the task that has idle streams look around |
//! | `counts` | what streams have done, in numbers |
//! | `subscription`, `followed` | [`Subscription`]: a reader's stream, in one of three forms |
//! | `waiting` | at a node that cannot answer yet |
//! | `parts`, `part`, `assign` | each part told by one node that holds it |
//! | `whole` | all told by this node, up to the present |
//! | `watching`, `telling` | what another node tells a stream, on either side |
//! | `samples` | how far this node was in the feeds of others, and when: what ids claim there |
//! | `resume` | going on behind what another node has told |
//!
//! # Why nothing is missed, and no version falls
//!
//! Within a node a key's versions rise with its seqs (an expiry repeats its version under a new
//! seq), so it is enough to look at seqs. What is relied on is the port's contract: whoever has seen
//! `n`, by whatever method, finds everything up to `n` in the feed. (`position` may be a moment behind
//! what the other methods show.)
//!
//! 1. The position `s` is sampled *before* the first read of the state. State and catch-up read what
//!    is newest at that moment; later reads give nothing older. What changed behind `s` is in the
//!    feed behind `s`, under its newest seq.
//! 2. Near the head the stream *attaches* to the hub. Attaching tells the highest seq that the hub
//!    looked up before, under the one lock that orders both. `H` is at least that: what is above `H`
//!    is looked up later, and finds the stream. **All above `H` comes through the mailbox**, for the
//!    hub goes through all seqs in order, or, where memory does not reach back, through the newest of
//!    each name.
//! 3. `H` is also at least all that was told before attaching, and the head as sampled behind it. The
//!    rest of the catch-up reads the feed up to `H` and sends **only what is at most `H`**; a key that
//!    has moved on above `H` is left to the mailbox. So when `ready` is sent, everything up to `H` was,
//!    and nothing above it.
//!    A stream of one record reads that record instead: the feed has no other of it.
//! 4. The hub may be behind `H` and put older records into the mailbox: **what is at most `H` there is
//!    dropped.** What is left is above all that was sent, and in order.
//! 5. A mailbox that runs over keeps the newest of each name, or ends its stream. Nothing is dropped
//!    in silence.
//! 6. An id says "all that is followed up to this seq was sent", which 1 to 5 keep. One whose deletes
//!    are forgotten cannot be resumed: `reset` (looked at again *after* each read of the feed, for a
//!    reader so slow that they were forgotten under way).
//!
//! A record that changes while the state goes out may be told twice with one version: by the state
//! and by the catch-up.
//!
//! # Locks and tasks
//!
//! The register's lock guards who is there and who follows what; a mailbox's lock guards its queue.
//! No two are ever held together, none across an await, and fan-out pushes with the register's lock
//! released. [`Streams`] owns the tasks of hub and sweep and ends them when it is closed or dropped; however
//! one of them ends, each stream hears it.

mod assign;
mod begin;
mod counts;
mod event;
mod followed;
mod hub;
mod interest;
mod live_stream;
mod mailbox;
mod outbox;
mod owner;
mod part;
mod parts;
mod queue;
mod reading;
mod register;
mod resume;
mod samples;
mod state;
mod subscription;
mod sweep;
mod telling;
#[cfg(test)]
mod tests;
mod waiting;
mod watching;
mod whole;

pub use begin::{Begin, RESET_ID};
pub use counts::StreamFigures;
pub use event::{Event, Item};
pub use owner::{Streams, StreamsConfig, SubscribeError};
pub(crate) use resume::answer_hold;
pub use subscription::Subscription;
pub(crate) use telling::Tellings;
pub(crate) use watching::Watches;
