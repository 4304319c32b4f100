//! What a node decides, apart from everything that it does.
//!
//! Everything here is a pure function or a plain value: no I/O, no clock, no thread, no hash-ordered
//! iteration (`clippy.toml` in this crate bans them). Time and randomness are arguments.
//!
//! | module | decides |
//! | --- | --- |
//! | [`version`] | the order of writes, and how it is printed |
//! | [`clock`] | the next version's time: a hybrid logical clock |
//! | [`record`] | what a record is, when it is live, its checksum |
//! | [`merge`] | the merge law: which of two records stays |
//! | [`acceptance`] | whether an owner takes a conditional write in |
//! | [`consistency`] | what a request asks of those who own its key |
//! | [`condition`] | whether a conditional write may go on |
//! | [`patch`] | what a patch makes of a value |
//! | [`json_text`] | where the parts of a JSON text are |
//! | [`request_key`] | by what a repeat of a request is known |
//! | [`name`] | which tables and keys exist |
//! | [`partition`] | where a record belongs |
//! | [`partition_set`] | which partitions are meant, 128 bytes on the wire |
//! | [`cluster_id`] | by what members know that they belong together |
//! | [`member`] | what a node says of itself, and which of two sayings is the later |
//! | [`registry`] | who is a member |
//! | [`placement`] | who is to own a partition |
//! | [`quorum`] | how many owners must stand behind an answer |
//! | [`skew`] | whether the own clock can be trusted |
//! | [`digest`] | whether two copies of a partition are equal |
//! | [`range`] | which keys a scan covers |
//! | [`selection`] | what a stream follows |
//! | [`cursor`] | where a stream goes on |
//! | [`time_span`] | how spans of time are written |
//! | [`limits`] | how much of anything there may be |

pub mod acceptance;
pub mod claims;
pub mod clock;
pub mod cluster_id;
pub mod condition;
pub mod consistency;
pub mod cursor;
pub mod digest;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod json_text;
pub mod limits;
pub mod member;
pub mod merge;
pub mod name;
pub mod partition;
pub mod partition_set;
pub mod patch;
pub mod placement;
pub mod quorum;
pub mod range;
pub mod record;
pub mod registry;
pub mod request_key;
pub mod selection;
pub mod skew;
pub mod time_span;
pub mod version;

pub use claims::{Claims, Told};
pub use clock::HybridClock;
pub use cluster_id::ClusterId;
pub use condition::{Condition, EntityTags};
pub use consistency::Consistency;
pub use cursor::{Epoch, FeedPosition, StreamCursor};
pub use member::{Incarnation, Member, MemberState};
pub use merge::Stamp;
pub use name::{Key, NameError, RecordName, TableName};
pub use partition::{Partition, name_hash};
pub use partition_set::PartitionSet;
pub use patch::{Patch, PatchError, PatchForm};
pub use placement::Placement;
pub use quorum::Replicas;
pub use range::KeyRange;
pub use record::{Record, Stored};
pub use registry::Registry;
pub use request_key::RequestKey;
pub use selection::{Selection, Selector};
pub use version::{NodeId, Version};

/// A position in one node's feed: the how-many-th record it took in. The first is 1.
pub type Seq = u64;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = u64;
