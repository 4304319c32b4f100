//! What has cost others data, done to clusters of real processes while clients of all kinds are at work; what
//! those were told is judged at the end by the checkers of `dynarust-history`.
//!
//! `just hazards 60` lets each scenario run for a minute. A run that breaks a law keeps its history, and says how to
//! judge it again; the seed that each prints repeats it as far as real processes can be.
//!
//! What has cost others data, each a scenario of its own (`just test hazards::members`, or any other name):
//!
//! | hazard | scenario |
//! | --- | --- |
//! | a key's versions go back after a wipe (Riak's kv679 and its like) | `members::no_key_goes_back_after_a_wipe` |
//! | delete, then create again, and a node away meanwhile | `members::deleted_then_created_again`; for very long: `cluster::absence`, `cluster::rejoin` |
//! | the last write wins, under skew (Garage) | `clocks::the_last_write_wins_under_skew` |
//! | acknowledged before synced (NATS 2.12) | `power::acknowledged_before_synced` |
//! | one rotten minority copy (NATS 2.12) | `rot::one_rotten_minority_copy`; a node alone: `damage` |
//! | reads lost over a change of members (Dgraph, Garage) | `members::reads_over_a_change_of_members`; with more records: `cluster::growth`, `cluster::leaving` |
//! | a pause past every timeout (Aerospike) | `pauses::a_pause_past_every_timeout`: until others gave the node up; shorter ones: `cluster::pauses` |
//! | both sides think the other dead (foca) | `network::both_sides_think_the_other_dead`; for conditions: `cluster::conditions` |
//! | an address used again (openraft, Scylla) | `members::an_address_used_again` |
//! | an id used again (openraft, Scylla): a folder put back, and cloned | `ids::an_id_used_again`, `ids::an_id_used_again_unnoticed`; without clients: `cluster::refusals`, `cluster::rejoin` |
//! | mixed fields of two writes (Scylla) | `fields::no_mixed_fields`; and in all others the law `whole` |
//! | a stream's gap at a compaction (etcd) | `streams::a_gap_at_a_compaction` |
//!
//! And what happens to machines:
//!
//! | hazard | scenario |
//! | --- | --- |
//! | cuts, one way and both | `network::both_sides_think_the_other_dead` |
//! | packets late, lost, doubled, out of order | `network::packets_come_late_twice_out_of_order_or_never` |
//! | kill -9, power cut of one | `power::one_after_the_other_is_killed_or_loses_its_power`; under relaxed writes too: `crash`, `power_cut` |
//! | power cut of all at once | `power::acknowledged_before_synced` |
//! | syncs that are slow, and that fail; full disks | `disks`; a node alone: `full_disk` |
//! | lost files of a minority | `rot::lost_files_of_a_minority` |
//! | a clock that steps by an hour, or drifts | `clocks::one_clock_steps_by_an_hour_and_drifts`; of two, and from the start: `cluster::pair` |
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
