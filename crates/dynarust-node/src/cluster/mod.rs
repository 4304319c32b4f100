//! The cluster, as one of its nodes sees it and takes part in it (design sections 4 to 7).
//!
//! ```text
//! join, keep ─▶ meet ─▶ links ─▶ session: follow, take, ship     registry ─▶ view ─▶ who coordinates
//! ```
//!
//! | file | |
//! | --- | --- |
//! | `view` | what is known of the cluster at one moment |
//! | `peer` | another member, its links, and whether it is there |
//! | `meet` | who is taken as a peer, and who is refused |
//! | `keep` | the links to every member are there, or tried |
//! | `join` | a new node, or one that returns, becomes a member |
//! | `moves` | copies that are dropped, and taken in again |
//! | `leftovers` | what lies here of partitions that this node does not want |
//! | `leave` | this node goes by itself |
//! | `hand_over` | what others lack of what a node holds that leaves |
//! | `agree` | all live members know a change, and stand behind what was acknowledged before it |
//! | `remove` | others are removed, or evicted |
//! | `rejoin` | one that is gone comes back as a new node |
//! | `session` | what runs while there is a link |
//! | `clock` | whether the own clock can be trusted |
//! | `note` | what is remembered of the cluster over a restart |
//! | `figures` | what was done, by number |
//! | `config` | what a node is told of it |
//!
//! A node alone has no tasks of these, and its requests pass by all of it.

mod agree;
mod clock;
mod config;
mod figures;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hand_over;
mod join;
mod keep;
mod leave;
mod leftovers;
mod meet;
mod moves;
mod note;
mod peer;
mod rejoin;
mod remove;
mod session;
mod state;
mod view;

pub use config::{ClusterConfig, Secret};
pub(crate) use figures::ClusterFigures;
pub use figures::ClusterStats;
pub use join::ClusterError;
pub(crate) use leftovers::Leftovers;
pub(crate) use moves::Moves;
pub(crate) use peer::{Liveness, Peer};
pub use rejoin::Holdings;
pub(crate) use state::Cluster;
pub(crate) use view::View;
