//! Whole nodes in one process: the promises of a cluster (`docs/guarantees.md`), on real stores, real
//! links and no luck.
//!
//! ```text
//! members ─▶ Node ─▶ store: a LocalStore in a folder of its own
//!              └──▶ wires: what nodes say to each other, held and cut at will
//! ```
//!
//! Tokio's time is paused: it moves when every task waits for it, and stands still while a store works.
//! So a test may wait for an hour, and a busy machine makes no timeout come early.
//!
//! Each test breaks where the promise that its name tells is broken.

mod agree;
mod behind;
mod clock;
mod conditions;
mod copying;
mod eviction;
mod fence;
mod identity;
mod leftovers;
mod lists;
mod members;
mod membership_is_noted;
mod mending;
mod moves;
mod overtaken;
mod positions;
mod reads;
mod refusals;
mod rejoin;
mod repair;
mod repeats;
mod retries;
mod serving;
mod stamps;
mod standstill;
mod store;
mod streams;
mod tombstones;
mod wires;
mod writes;
