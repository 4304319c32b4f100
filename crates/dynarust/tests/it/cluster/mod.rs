//! The promises of many nodes, shown from outside: real processes, each with its own folder and port,
//! on one machine or on hosts of their own whose links are cut, slowed and mended.
//!
//! `nodes` starts and harms them, `clocks` sets their clocks, `agreement` waits until they say the same, `hosts`
//! and `switch` are the network between them, `doors`, `workload` and `oracle` write and know what must be left;
//! `crate::hazards` stands on them, too. Each other file is a promise. It is a part of the binary `it`, and no binary of its own: it needs the same
//! processes, clients and streams, and one binary is linked once.

mod absence;
pub(crate) mod agreement;
mod batches;
pub(crate) mod clocks;
mod conditions;
pub(crate) mod doors;
mod drops;
mod fire;
mod growth;
pub(crate) mod hosts;
mod joining;
mod kills;
mod leaving;
mod live;
pub(crate) mod nodes;
pub(crate) mod oracle;
mod pair;
mod pauses;
mod refusals;
mod rejoin;
mod replicas;
mod scans;
mod splits;
pub(crate) mod switch;
pub(crate) mod workload;
