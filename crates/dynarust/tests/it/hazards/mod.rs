//! What has cost others data, done to clusters of real processes while clients of all kinds are at work; what
//! those were told is judged at the end by the checkers of `dynarust-history`.
//!
//! `just hazards 60` lets each scenario run for a minute. A run that breaks a law keeps its history, and says how to
//! judge it again; the seed that each prints repeats it as far as real processes can be.
//!
//! | hazard | scenario |
//! | --- | --- |
//! | cuts, one way and both; both sides think the other dead (foca) | `network`, and for conditions `cluster::conditions` |
//! | packets late, lost, doubled, out of order | `network` |
//! | a pause past every timeout (Aerospike) | `pauses`: until others gave the node up; shorter ones: `cluster::pauses` |
//! | kill -9, power cut of one | `power`; under relaxed writes too: `crash`, `power_cut` |
//! | power cut of all at once; acknowledged before synced (NATS 2.12) | `power` |
//! | syncs that are slow, and that fail; full disks | `disks`; a node alone: `full_disk` |
//! | one rotten minority copy (NATS 2.12); lost files of a minority | `rot`; a node alone: `damage` |
//! | clocks apart: the last write wins under skew (Garage) | `clocks` |
//! | a clock that steps by an hour, or drifts | `clocks`; of two, and from the start: `cluster::pair` |
//! | a key's versions go back after a wipe (Riak's kv679 and its like) | `members` |
//! | delete, then create again, and a node away meanwhile | `members`; for very long: `cluster::absence`, `cluster::rejoin` |
//! | an address used again (openraft, Scylla) | `members` |
//! | an id used again: cloned and restored folders | `cluster::refusals`, `cluster::rejoin` |
//! | reads lost over a change of members (Dgraph, Garage) | `members`; with more records: `cluster::growth`, `cluster::leaving` |
//! | a stream's gap at a compaction (etcd) | `streams` |
//! | mixed fields of two writes (Scylla) | all of them: a value shows any mixture of two (the law `whole`) |
//!
//! ```text
//! stage: play ─▶ crowd, readers ─▶ recorder ─▶ History ─▶ verdict
//!          └──▶ what a scenario does to the nodes meanwhile
//! ```
//!
//! Nodes, hosts, clocks and disks are those of [`crate::cluster`].

mod clocks;
mod crowd;
mod disks;
mod fields;
mod ids;
mod members;
mod network;
mod pauses;
mod power;
mod reader;
mod recorder;
mod rot;
mod stage;
mod streams;
mod verdict;
