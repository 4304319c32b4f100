//! The messages of the mesh: their numbers, and how they stand in a frame's body (Protocol Buffers; so
//! fields that a release does not know are passed over).
//!
//! Numbers and tags are never given to anything else. What comes from a peer is checked where it is
//! turned into our own types: a name that is no name makes the whole message nonsense.

use bytes::Bytes;
use dynarust_core::limits::MESH_FRAME_BYTES_MAX;
use dynarust_core::{
    Epoch, FeedPosition, Incarnation, Member, MemberState, NodeId, PartitionSet, Record,
    RecordName, RequestKey, Selector, Seq, Stamp, Stored, TableName, UnixMillis, Version,
    name_hash,
};
use prost::Message;

/// Numbers of messages. 0 and 1 are the link's own pings.
pub(crate) mod number {
    /// Notice: [`Members`](super::Members).
    pub(crate) const MEMBERS: u16 = 2;
    /// Request: [`Members`](super::Members), answered with [`Done`](super::Done) once the peer has taken them
    /// in, and all that it published before stands at all live members.
    pub(crate) const AGREE: u16 = 3;
    /// Request: [`Follow`](super::Follow), answered with [`Following`](super::Following).
    pub(crate) const FOLLOW: u16 = 10;
    /// Notice: [`Ship`](super::Ship).
    pub(crate) const SHIP: u16 = 11;
    /// Notice: [`Acknowledge`](super::Acknowledge).
    pub(crate) const ACKNOWLEDGE: u16 = 12;
    /// Request: [`FeedAsk`](super::FeedAsk), answered with [`FeedPart`](super::FeedPart).
    pub(crate) const FEED: u16 = 13;
    /// Request: [`Names`](super::Names), answered with [`Records`](super::Records).
    pub(crate) const PULL: u16 = 14;
    /// Notice: the follower's position in this feed, as it is on stable storage there.
    pub(crate) const REMEMBERED: u16 = 15;
    /// Request: nothing, answered with [`DigestsText`](super::DigestsText).
    pub(crate) const DIGESTS: u16 = 16;
    /// Request: [`Read`](super::Read), answered with [`ReadAnswer`](super::ReadAnswer).
    pub(crate) const READ: u16 = 20;
    /// Request: [`Records`](super::Records), answered with [`Done`](super::Done).
    pub(crate) const REPAIR: u16 = 21;
    /// Request: a write to coordinate, answered with what became of it.
    pub(crate) const WRITE: u16 = 22;
    /// Request: a stamped write to accept, answered with whether it was.
    pub(crate) const ACCEPT: u16 = 23;
    /// Request: [`Confirm`](super::Confirm), answered with [`Confirmed`](super::Confirmed).
    pub(crate) const CONFIRM: u16 = 24;
    /// Request: an idempotency key, answered with what became of its request.
    pub(crate) const ANSWERED: u16 = 25;
    /// Request: a part of a range, answered with the sender's share of it.
    pub(crate) const SCAN: u16 = 30;
    /// Request: a part of the list of tables.
    pub(crate) const TABLES: u16 = 31;
    /// Request: [`Hold`](super::Hold), answered with [`Held`](super::Held).
    pub(crate) const HOLD: u16 = 32;
    /// Notice: [`Watch`](super::Watch).
    pub(crate) const WATCH: u16 = 40;
    /// Notice: [`Watched`](super::Watched).
    pub(crate) const WATCHED: u16 = 41;
    /// Notice: [`WatchNumber`](super::WatchNumber); one more [`Watched`](super::Watched) may come.
    pub(crate) const WATCH_MORE: u16 = 42;
    /// Notice: [`WatchNumber`](super::WatchNumber); nobody reads it any more.
    pub(crate) const UNWATCH: u16 = 43;
}

/// Why a peer has no answer. What a request would have changed is not changed, but where a variant
/// says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Too much is under way there.
    #[error("the peer has too much under way")]
    Overloaded,
    /// It has not joined, or returned, yet.
    #[error("the peer is not ready")]
    NotReady,
    /// It does not know this message, or it made no sense.
    #[error("the peer does not understand the request")]
    NotUnderstood,
    /// It does not hold the partition, or has said that it drops it.
    #[error("the peer does not serve the partition")]
    NotServed,
    /// Its disk is full.
    #[error("the peer's disk is full")]
    Full,
    /// Its store has stopped: whether a write survives is not known.
    #[error("the peer's store has stopped")]
    Stopped,
    /// The record's bytes on its disk are damaged.
    #[error("the peer's copy is damaged")]
    Damaged,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FailureText {
    #[prost(uint32, tag = "1")]
    number: u32,
}

impl FailureText {
    const ALL: [(u32, Failure); 7] = [
        (1, Failure::Overloaded),
        (2, Failure::NotReady),
        (3, Failure::NotUnderstood),
        (4, Failure::NotServed),
        (5, Failure::Full),
        (6, Failure::Stopped),
        (7, Failure::Damaged),
    ];

    pub(super) fn of(failure: &Failure) -> Self {
        let number = Self::ALL.into_iter().find(|(_, it)| it == failure).map_or(0, |(it, _)| it);
        Self { number }
    }

    pub(super) fn understand(body: Bytes) -> Failure {
        let number = Self::decode(body).map_or(0, |text| text.number);
        let found = Self::ALL.into_iter().find(|(it, _)| *it == number);
        found.map_or(Failure::NotUnderstood, |(_, failure)| failure)
    }
}

/// A record, or only its name and stamp.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Entry {
    /// Table and key, with the zero byte between them.
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(fixed64, tag = "2")]
    hlc: u64,
    #[prost(fixed64, tag = "3")]
    node: u64,
    /// As in a stored record: bit 0 is the tombstone, bit 1 says that it expired.
    #[prost(uint32, tag = "4")]
    flags: u32,
    /// In the sender's feed.
    #[prost(uint64, tag = "5")]
    seq: u64,
    #[prost(message, optional, tag = "6")]
    rest: Option<Rest>,
}

/// What an [`Entry`] has besides, where it is a whole record.
#[derive(Clone, PartialEq, prost::Message)]
struct Rest {
    #[prost(fixed64, tag = "1")]
    previous_hlc: u64,
    #[prost(fixed64, tag = "2")]
    previous_node: u64,
    /// 0 where there is none.
    #[prost(uint64, tag = "3")]
    expiry: u64,
    #[prost(bytes = "bytes", tag = "4")]
    value: Bytes,
    #[prost(string, optional, tag = "5")]
    request_key: Option<String>,
    #[prost(bytes = "vec", tag = "6")]
    request_fingerprint: Vec<u8>,
}

/// An [`Entry`], understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shipped {
    pub(crate) name: RecordName,
    pub(crate) seq: Seq,
    pub(crate) stamp: Stamp,
    /// The record itself, where it came along.
    pub(crate) record: Option<Record>,
    pub(crate) request: Option<RequestKey>,
    /// It was deleted, or has expired.
    pub(crate) gone: bool,
}

impl Kept {
    /// What was there when that came.
    pub(crate) fn of(came: &Shipped, there: Version) -> Self {
        Self { name_hash: name_hash(&came.name), hlc: there.hlc, node: there.node.0 }
    }
}

impl Entry {
    /// The whole record.
    pub(crate) fn of(stored: &Stored, request: Option<&RequestKey>) -> Self {
        let record = &stored.record;
        let previous = record.previous.unwrap_or(Version { hlc: 0, node: NodeId(0) });
        let rest = Rest {
            previous_hlc: previous.hlc,
            previous_node: previous.node.0,
            expiry: record.expiry.unwrap_or(0),
            value: record.value.clone(),
            request_key: request.map(|request| request.key.to_string()),
            request_fingerprint: request
                .map(|request| request.fingerprint.to_be_bytes().to_vec())
                .unwrap_or_default(),
        };
        Self { rest: Some(rest), ..Self::notice(stored) }
    }

    /// Its name and stamp.
    pub(crate) fn notice(stored: &Stored) -> Self {
        let record = &stored.record;
        Self {
            name: Bytes::copy_from_slice(stored.name.as_bytes()),
            hlc: record.version.hlc,
            node: record.version.node.0,
            flags: record.flags().into(),
            seq: stored.seq,
            rest: None,
        }
    }

    /// Whether it is a record, not only a notice of one.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_some()
    }

    /// What it says; none where that makes no sense.
    pub(crate) fn understood(self) -> Option<Shipped> {
        let name = record_name(&self.name)?;
        let version = Version { hlc: self.hlc, node: NodeId(self.node) };
        if !version.makes_sense() {
            return None;
        }
        let (tombstone, expired) = match self.flags {
            0 => (false, false),
            1 => (true, false),
            2 => (false, true),
            3 => (true, true),
            _ => return None,
        };
        let (mut record, mut request) = (None, None);
        if let Some(rest) = self.rest {
            let previous = Version { hlc: rest.previous_hlc, node: NodeId(rest.previous_node) };
            record = Some(Record {
                version,
                previous: (previous.hlc != 0).then_some(previous),
                expiry: Some(rest.expiry).filter(|it: &UnixMillis| *it != 0),
                tombstone,
                expired,
                value: Bytes::copy_from_slice(&rest.value),
            });
            if let Some(key) = rest.request_key {
                let fingerprint = u128::from_be_bytes(rest.request_fingerprint.try_into().ok()?);
                request = Some(RequestKey { key: key.into(), fingerprint });
            }
        }
        let gone = tombstone || expired;
        let stamp = Stamp { version, expired };
        Some(Shipped { name, seq: self.seq, stamp, record, request, gone })
    }
}

/// A record's name, as it travels.
pub(crate) fn record_name(bytes: &[u8]) -> Option<RecordName> {
    let (table, key) = std::str::from_utf8(bytes).ok()?.split_once('\0')?;
    RecordName::parse(table, key).ok()
}

/// From a follower: ship me what you publish from now on.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Follow {
    /// The partitions that the follower wants, as a set's bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) partitions: Bytes,
    /// Raised by the follower with each; a later one replaces an earlier.
    #[prost(uint64, tag = "2")]
    pub(crate) number: u64,
}

/// From here on it is shipped.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Following {
    #[prost(fixed64, tag = "1")]
    pub(crate) epoch: u64,
    /// Everything behind this seq will come.
    #[prost(uint64, tag = "2")]
    pub(crate) head: u64,
}

/// A piece of the sender's feed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Ship {
    /// The [`Follow`] that it answers.
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<Entry>,
    /// Everything up to this seq has come with this.
    #[prost(uint64, tag = "3")]
    pub(crate) through: u64,
    /// Somebody waits for it to be on stable storage.
    #[prost(bool, tag = "4")]
    pub(crate) sync: bool,
}

/// Everything of the feed up to a seq is taken in, as durable as was asked.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Acknowledge {
    /// The [`Follow`] that it is about.
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) through: u64,
    /// Entries that stood in a newer one's way, or it in theirs.
    #[prost(message, repeated, tag = "3")]
    pub(crate) kept: Vec<Kept>,
    /// Everything before it is taken in, too; else from where the [`Follow`] began.
    #[prost(bool, tag = "4")]
    pub(crate) contiguous: bool,
}

/// An entry that was not taken in, or that took the place of what it was not written over.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Kept {
    /// The hash of its name ([`dynarust_core::name_hash`]).
    #[prost(fixed64, tag = "1")]
    pub(crate) name_hash: u64,
    /// The version that stood there.
    #[prost(fixed64, tag = "2")]
    pub(crate) hlc: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) node: u64,
}

/// A part of the feed as it lies there.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FeedAsk {
    /// Where the follower is; epoch 0 is the beginning.
    #[prost(fixed64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) after: u64,
    /// The partitions that are wanted, as a set's bytes.
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) partitions: Bytes,
    /// Whole records, since the follower has none of them; else names and stamps.
    #[prost(bool, tag = "4")]
    pub(crate) whole: bool,
    /// The follower has all that is live: only what was deleted or has expired is wanted.
    #[prost(bool, tag = "5")]
    pub(crate) gone: bool,
    /// The follower understands [`Packed`].
    #[prost(bool, tag = "6")]
    pub(crate) packs: bool,
}

/// The answer to [`FeedAsk`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FeedPart {
    #[prost(fixed64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<Entry>,
    /// Everything up to this was looked at: go on from here.
    #[prost(uint64, tag = "3")]
    pub(crate) through: u64,
    /// Clients are served by the source: the follower takes its time.
    #[prost(bool, tag = "4")]
    pub(crate) clients: bool,
    /// More entries, behind those above.
    #[prost(message, optional, tag = "5")]
    pub(crate) packed: Option<Packed>,
}

/// A byte of an LZ4 block stands for no more than this: it lengthens a match.
const LZ4_RATIO_MAX: usize = 255;

/// Entries, compressed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Packed {
    /// A block of LZ4 that holds a [`Records`].
    #[prost(bytes = "bytes", tag = "1")]
    block: Bytes,
    /// How many bytes that is.
    #[prost(uint32, tag = "2")]
    plain_bytes: u32,
}

impl Packed {
    /// None where it is no smaller so.
    pub(crate) fn of(records: &Records) -> Option<Self> {
        let plain = records.encode_to_vec();
        let plain_bytes = u32::try_from(plain.len()).ok()?;
        let block = lz4_flex::block::compress(&plain);
        (block.len() < plain.len()).then(|| Self { block: block.into(), plain_bytes })
    }

    /// What it says; none where that makes no sense.
    pub(crate) fn unpacked(&self) -> Option<Records> {
        let plain_bytes = usize::try_from(self.plain_bytes).ok()?;
        // So that no memory is taken for what cannot come of it.
        let most = self.block.len().saturating_mul(LZ4_RATIO_MAX).min(MESH_FRAME_BYTES_MAX);
        if plain_bytes > most {
            return None;
        }
        let plain = lz4_flex::block::decompress(&self.block, plain_bytes).ok()?;
        if plain.len() != plain_bytes {
            return None;
        }
        Records::decode(Bytes::from(plain)).ok()
    }
}

impl FeedPart {
    /// All its entries; none where they make no sense.
    pub(crate) fn take_entries(&mut self) -> Option<Vec<Entry>> {
        let mut entries = std::mem::take(&mut self.entries);
        if let Some(packed) = self.packed.take() {
            entries.extend(packed.unpacked()?.entries);
        }
        Some(entries)
    }
}

/// Records by name.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Names {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) names: Vec<Bytes>,
}

/// Records; those that the sender does not have are left out.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Records {
    #[prost(message, repeated, tag = "1")]
    pub(crate) entries: Vec<Entry>,
}

/// A record, for a reader elsewhere.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Read {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) name: Bytes,
    /// The record; else its stamp.
    #[prost(bool, tag = "2")]
    pub(crate) whole: bool,
    /// What is damaged is not mended first: who asks is mending its own.
    #[prost(bool, tag = "3")]
    pub(crate) as_it_is: bool,
}

/// The answer to [`Read`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReadAnswer {
    /// What is there, if anything.
    #[prost(message, optional, tag = "1")]
    pub(crate) entry: Option<Entry>,
    /// The peer may have missed writes that others have.
    #[prost(bool, tag = "2")]
    pub(crate) behind: bool,
}

/// From a node that reads: how far does what you have published of these partitions go?
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Confirm {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) partitions: Vec<u32>,
}

/// The answer to [`Confirm`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Confirmed {
    /// Of each partition, as they were asked for: nothing of it lies behind this seq of the sender's feed.
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) newest: Vec<u64>,
    /// The peer may have missed writes that others have.
    #[prost(bool, tag = "2")]
    pub(crate) behind: bool,
    /// Of its own entry among the members.
    #[prost(uint64, tag = "3")]
    pub(crate) revision: u64,
}

/// What two nodes compare.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DigestsText {
    /// The sums of all partitions.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) sums: Vec<u8>,
    /// The partitions that the sender holds in full, and of which it misses nothing.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) whole: Vec<u8>,
}

/// From a node that resumes a stream: of which of these partitions do you hold all that a node's feed held?
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Hold {
    #[prost(fixed64, tag = "1")]
    pub(crate) node: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) epoch: u64,
    /// Up to here.
    #[prost(uint64, tag = "3")]
    pub(crate) seq: u64,
    /// As a set's bytes.
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) partitions: Bytes,
}

/// The answer to [`Hold`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Held {
    /// Of these, as a set's bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) partitions: Bytes,
    /// In the sender's feed, in this start,
    #[prost(fixed64, tag = "2")]
    pub(crate) epoch: u64,
    /// it lies at or before this.
    #[prost(uint64, tag = "3")]
    pub(crate) through: u64,
}

/// From a node with a live stream: tell me the state and the changes of these partitions.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Watch {
    /// Chosen by the sender, never twice.
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) selectors: Vec<SelectorText>,
    /// As a set's bytes.
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) partitions: Bytes,
    /// The state first; else only what changes from now on.
    #[prost(bool, tag = "4")]
    pub(crate) state: bool,
    /// The id of what the reader has, where it has something: it is gone on behind that, whatever `state` says.
    #[prost(string, optional, tag = "5")]
    pub(crate) behind: Option<String>,
}

/// What a stream follows, or a part of it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SelectorText {
    #[prost(string, tag = "1")]
    table: String,
    /// A key, or what keys begin with.
    #[prost(string, tag = "2")]
    within: String,
    #[prost(bool, tag = "3")]
    is_key: bool,
}

impl SelectorText {
    pub(crate) fn of(selector: &Selector) -> Self {
        let (table, within, is_key) = match selector {
            Selector::Prefix(table, prefix) => (table.as_str(), prefix.as_str(), false),
            Selector::Key(name) => (name.table(), name.key(), true),
        };
        Self { table: table.to_owned(), within: within.to_owned(), is_key }
    }

    /// None where it makes no sense.
    pub(crate) fn understood(self) -> Option<Selector> {
        Some(if self.is_key {
            Selector::Key(RecordName::parse(&self.table, &self.within).ok()?)
        } else {
            Selector::Prefix(TableName::parse(&self.table).ok()?, self.within)
        })
    }
}

/// Some of what was asked for by [`Watch`], in order.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Watched {
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<Entry>,
    /// The state is told with this.
    #[prost(bool, tag = "3")]
    pub(crate) ready: bool,
    /// Nothing more comes.
    #[prost(bool, tag = "4")]
    pub(crate) ended: bool,
    /// It ended because it was read too slowly.
    #[prost(bool, tag = "5")]
    pub(crate) lagged: bool,
    /// It ended because it cannot be gone on behind what the reader has.
    #[prost(bool, tag = "6")]
    pub(crate) unknown: bool,
    /// The entries are state, in the order of names; else changes, behind all of the state.
    #[prost(bool, tag = "7")]
    pub(crate) is_state: bool,
    /// From the first of the entries on it holds in these feeds that all that is followed was sent.
    #[prost(message, repeated, tag = "8")]
    pub(crate) claims: Vec<ClaimText>,
    /// Nothing that was sent up to the first of them lies behind this, in the sender's feed.
    #[prost(message, optional, tag = "9")]
    pub(crate) told: Option<ClaimText>,
    /// Something damaged was left out: no other feeds are claimed.
    #[prost(bool, tag = "10")]
    pub(crate) alone: bool,
}

/// A place in a feed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ClaimText {
    #[prost(fixed64, tag = "1")]
    node: u64,
    #[prost(fixed64, tag = "2")]
    epoch: u64,
    #[prost(uint64, tag = "3")]
    seq: u64,
}

impl ClaimText {
    pub(crate) fn of(at: &FeedPosition) -> Self {
        Self { node: at.node.0, epoch: at.epoch.0, seq: at.seq }
    }

    /// In which start of which node.
    pub(crate) fn start(&self) -> (NodeId, Epoch) {
        (NodeId(self.node), Epoch(self.epoch))
    }

    pub(crate) fn understood(self) -> FeedPosition {
        FeedPosition { node: NodeId(self.node), epoch: Epoch(self.epoch), seq: self.seq }
    }
}

/// The [`Watch`] that a notice is about.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WatchNumber {
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
}

/// It is done.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Done {}

/// What the sender knows of members.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Members {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) cluster: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) members: Vec<MemberText>,
}

/// A member, as it travels and is remembered.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MemberText {
    #[prost(fixed64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    incarnation: u64,
    #[prost(uint64, tag = "3")]
    revision: u64,
    #[prost(string, tag = "4")]
    address: String,
    #[prost(string, optional, tag = "5")]
    zone: Option<String>,
    #[prost(uint32, tag = "6")]
    weight: u32,
    #[prost(uint32, tag = "7")]
    state: u32,
    #[prost(bytes = "vec", tag = "8")]
    serves: Vec<u8>,
    #[prost(bytes = "vec", tag = "9")]
    dropped: Vec<u8>,
}

const MEMBER_STATES: [(u32, MemberState); 4] = [
    (1, MemberState::Joining),
    (2, MemberState::Up),
    (3, MemberState::Leaving),
    (4, MemberState::Gone),
];

impl MemberText {
    pub(crate) fn of(member: &Member) -> Self {
        let state = MEMBER_STATES.iter().find(|(_, it)| *it == member.state);
        Self {
            id: member.id.0,
            incarnation: member.incarnation.0,
            revision: member.revision,
            address: member.address.to_string(),
            zone: member.zone.as_ref().map(ToString::to_string),
            weight: member.weight.into(),
            state: state.map_or(0, |(number, _)| *number),
            serves: member.serves.to_bytes().to_vec(),
            dropped: member.dropped.to_bytes().to_vec(),
        }
    }

    /// None where it makes no sense.
    pub(crate) fn understood(self) -> Option<Member> {
        let member = Member {
            id: NodeId(self.id),
            incarnation: Incarnation(self.incarnation),
            revision: self.revision,
            address: self.address.into(),
            zone: self.zone.map(Into::into),
            weight: u16::try_from(self.weight).ok()?,
            state: MEMBER_STATES.iter().find(|(number, _)| *number == self.state)?.1,
            serves: PartitionSet::from_bytes(&self.serves)?,
            dropped: PartitionSet::from_bytes(&self.dropped)?,
        };
        member.check().is_ok().then_some(member)
    }
}

#[cfg(test)]
mod tests;
