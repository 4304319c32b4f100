//! Coordinating: a request that concerns several owners of a record is carried out by one node (design
//! section 7).
//!
//! | file | |
//! | --- | --- |
//! | `acks` | who has what this node published, and who waits for that |
//! | `write` | a write at an owner: locally, then at the others |
//! | `propose`, `proposals` | a conditional write at an owner: at enough others, then locally |
//! | `accept` | how others are asked for that, and what they answer |
//! | `answered` | whether a request with an idempotency key was carried out before |
//! | `forward` | a write that another node coordinates |
//! | `confirm` | whether another owner has anything that this node lacks |
//! | `read` | a read from as many owners as is asked, and the repair of those that lag |
//! | `mend` | a damaged record, taken anew from the other owners |
//! | `scan`, `tables` | a part of a range, or of the list of tables, merged from several owners |
//! | `text` | how forwarded writes travel |

mod accept;
mod acks;
mod answered;
mod confirm;
mod forward;
mod mend;
mod newer;
mod proposals;
mod propose;
mod read;
mod scan;
mod tables;
mod text;
mod write;

pub(crate) use accept::answer_accept;
pub(crate) use acks::{Acks, replicas};
pub(crate) use answered::answer_answered;
pub(crate) use confirm::{Confirming, answer_confirm, confirm};
pub(crate) use forward::answer_write;
pub(crate) use proposals::Proposals;
pub(crate) use read::{answer_read, read_deadline};
pub(crate) use scan::answer_scan;
pub(crate) use tables::answer_tables;
pub(crate) use write::Route;
