//! Following: every node takes in what the nodes that it shares partitions with publish (design section 7;
//! `docs/adr/0013`).
//!
//! ```text
//! source                                              follower
//!   ship: all published behind the head  ──data──▶      take ─▶ Store::take_in ─▶ acknowledge
//!   feed: what lay before it, page by page  ◀──bulk──   catch up ─▶ pull what it lacks ─▶ Store::take_in
//! ```
//!
//! Both meet at the head, where the source stood when it was asked: from then on the follower's position in
//! that feed is contiguous. A record travels whole from the node that stamped it; of others the source
//! gives notice, and the follower pulls what it lacks.
//!
//! Invariants:
//! - a position is never ahead of what has been taken in, and is remembered only once that is on stable
//!   storage ([`Store::keep`]);
//! - acknowledgements of one source's ships go out in seq order, each once all up to it is as durable as its
//!   writers asked; what stood in the way of a write is told with one at the latest that covers it, or over the
//!   next link;
//! - a position counts for a partition only after all that the feed has of it is here: read from 0 once, or,
//!   of what is live, shown to be here by equal digests (`docs/adr/0016`).
//!
//! [`Store::keep`]: dynarust_store::Store::keep

mod acknowledge;
mod answers;
mod budget;
mod catch_up;
mod copying;
mod lacking;
mod positions;
mod remembered;
mod repair;
mod shipment;
mod taking;
mod to_tell;

pub(crate) use acknowledge::note_acknowledged;
pub(crate) use answers::{failure, feed, pull, repair, write_failure};
pub(crate) use budget::Budget;
pub(crate) use catch_up::follow;
pub(crate) use copying::Copying;
pub(crate) use positions::{Position, PositionText, Positions};
pub(crate) use remembered::{Remembered, Told, note_remembered};
pub(crate) use repair::{digests, repair_again};
pub(crate) use shipment::{Shipment, begin_shipping, ship};
pub(crate) use taking::{Taking, take};
pub(crate) use to_tell::ToTell;
