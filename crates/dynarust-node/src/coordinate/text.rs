//! How a forwarded write, and what became of it, travel.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{
    Condition, Consistency, EntityTags, NodeId, RecordName, Replicas, RequestKey, Version,
};
use dynarust_store::{Change, Durability, ReadError, Write, WriteError};

use crate::RefusedWrite;
use crate::mesh::message::record_name;
use crate::write::Acknowledged;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriteText {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    /// The value; none: the record goes.
    #[prost(bytes = "bytes", optional, tag = "2")]
    value: Option<Bytes>,
    /// 0 where there is none.
    #[prost(uint64, tag = "3")]
    expiry: u64,
    #[prost(message, optional, tag = "4")]
    if_match: Option<TagsText>,
    #[prost(message, optional, tag = "5")]
    if_none_match: Option<TagsText>,
    #[prost(bool, tag = "6")]
    relaxed: bool,
    #[prost(uint32, tag = "7")]
    consistency: u32,
    #[prost(string, optional, tag = "8")]
    request_key: Option<String>,
    #[prost(bytes = "vec", tag = "9")]
    request_fingerprint: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TagsText {
    #[prost(bool, tag = "1")]
    any: bool,
    #[prost(message, repeated, tag = "2")]
    versions: Vec<VersionText>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct VersionText {
    #[prost(fixed64, tag = "1")]
    hlc: u64,
    #[prost(fixed64, tag = "2")]
    node: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WrittenText {
    /// What became of it: one of the numbers below.
    #[prost(uint32, tag = "1")]
    outcome: u32,
    /// The record's version now, or the one that a condition met.
    #[prost(message, optional, tag = "2")]
    version: Option<VersionText>,
    /// Who has it, or was asked about what refused it; or how many are there, of how many that must.
    #[prost(uint32, tag = "3")]
    stand: u32,
    /// 0 where that is not told.
    #[prost(uint32, tag = "4")]
    owners: u32,
    #[prost(bool, tag = "5")]
    indeterminate: bool,
}

const CONSISTENCIES: [(u32, Consistency); 4] = [
    (1, Consistency::One),
    (2, Consistency::Available),
    (3, Consistency::Quorum),
    (4, Consistency::All),
];

impl WriteText {
    pub(super) fn of(write: &Write, consistency: Consistency) -> Self {
        let (value, expiry) = match &write.change {
            Change::Put { value, expiry } => (Some(value.clone()), *expiry),
            Change::Delete => (None, None),
        };
        let number = CONSISTENCIES.iter().find(|(_, it)| *it == consistency);
        let request = write.request.as_ref();
        Self {
            name: Bytes::copy_from_slice(write.name.as_bytes()),
            value,
            expiry: expiry.unwrap_or(0),
            if_match: write.condition.if_match.as_ref().map(TagsText::of),
            if_none_match: write.condition.if_none_match.as_ref().map(TagsText::of),
            relaxed: write.durability == Durability::Relaxed,
            consistency: number.map_or(0, |(number, _)| *number),
            request_key: request.map(|request| request.key.to_string()),
            request_fingerprint: request
                .map(|request| request.fingerprint.to_be_bytes().to_vec())
                .unwrap_or_default(),
        }
    }

    /// None where it makes no sense.
    pub(super) fn understood(self) -> Option<(Write, Consistency)> {
        let name: RecordName = record_name(&self.name)?;
        let change = match self.value {
            Some(value) => Change::Put {
                value: Bytes::copy_from_slice(&value),
                expiry: Some(self.expiry).filter(|expiry| *expiry != 0),
            },
            None => Change::Delete,
        };
        let condition = Condition {
            if_match: self.if_match.map(TagsText::understood),
            if_none_match: self.if_none_match.map(TagsText::understood),
        };
        let request = match self.request_key {
            Some(key) => {
                let fingerprint = u128::from_be_bytes(self.request_fingerprint.try_into().ok()?);
                Some(RequestKey { key: Arc::from(key), fingerprint })
            }
            None => None,
        };
        let durability = if self.relaxed { Durability::Relaxed } else { Durability::Sync };
        let consistency = CONSISTENCIES.iter().find(|(number, _)| *number == self.consistency)?.1;
        let write = Write { name, change, condition, durability, request, above: None };
        Some((write, consistency))
    }
}

impl TagsText {
    fn of(tags: &EntityTags) -> Self {
        match tags {
            EntityTags::Any => Self { any: true, versions: Vec::new() },
            EntityTags::Versions(versions) => {
                let versions = versions.iter().copied().map(VersionText::of).collect();
                Self { any: false, versions }
            }
        }
    }

    fn understood(self) -> EntityTags {
        if self.any {
            return EntityTags::Any;
        }
        EntityTags::Versions(self.versions.into_iter().map(VersionText::understood).collect())
    }
}

impl VersionText {
    fn of(version: Version) -> Self {
        Self { hlc: version.hlc, node: version.node.0 }
    }

    fn understood(self) -> Version {
        Version { hlc: self.hlc, node: NodeId(self.node) }
    }
}

const DONE: u32 = 1;
const VERSION_MISMATCH: u32 = 2;
const ABSENT: u32 = 3;
const IN_PROGRESS: u32 = 4;
const KEY_REUSED: u32 = 5;
const NOT_ENOUGH: u32 = 6;
const NOT_READY: u32 = 7;
const CLOCK_SKEW: u32 = 8;
const FULL: u32 = 9;
const OVERLOADED: u32 = 10;
const UNREADABLE: u32 = 11;
const STOPPED: u32 = 12;

impl WrittenText {
    pub(super) fn of(outcome: &Result<Acknowledged, RefusedWrite>) -> Self {
        let number = |outcome| Self { outcome, ..Self::default() };
        match outcome {
            Ok(Acknowledged { version, replicas }) => Self {
                outcome: DONE,
                version: Some(VersionText::of(*version)),
                stand: replicas.stand.into(),
                owners: replicas.owners.into(),
                indeterminate: false,
            },
            Err(RefusedWrite::VersionMismatch { current, replicas }) => Self {
                version: current.map(VersionText::of),
                ..number(VERSION_MISMATCH).standing_on(*replicas)
            },
            Err(RefusedWrite::NotEnoughReplicas { needed, live, indeterminate }) => Self {
                stand: (*live).into(),
                owners: (*needed).into(),
                indeterminate: *indeterminate,
                ..number(NOT_ENOUGH)
            },
            Err(RefusedWrite::Absent { replicas }) => number(ABSENT).standing_on(*replicas),
            Err(RefusedWrite::InProgress) => number(IN_PROGRESS),
            Err(RefusedWrite::KeyReused) => number(KEY_REUSED),
            Err(RefusedWrite::NotReady) => number(NOT_READY),
            Err(RefusedWrite::ClockSkew) => number(CLOCK_SKEW),
            Err(RefusedWrite::Store(WriteError::Full)) => number(FULL),
            Err(RefusedWrite::Store(WriteError::Overloaded)) => number(OVERLOADED),
            Err(RefusedWrite::Store(WriteError::Unreadable(_))) => number(UNREADABLE),
            Err(RefusedWrite::Store(WriteError::Stopped(_))) => number(STOPPED),
        }
    }

    fn standing_on(self, replicas: Option<Replicas>) -> Self {
        let told = |Replicas { stand, owners }| (stand.into(), owners.into());
        let (stand, owners) = replicas.map_or((0, 0), told);
        Self { stand, owners, ..self }
    }

    /// None where it makes no sense.
    pub(super) fn understood(
        self,
        name: &RecordName,
    ) -> Option<Result<Acknowledged, RefusedWrite>> {
        let stand = u16::try_from(self.stand).ok()?;
        let owners = u16::try_from(self.owners).ok()?;
        let version = self.version.map(VersionText::understood);
        // A node of before that was told with refusals leaves it out.
        let replicas = (owners != 0).then_some(Replicas { stand, owners });
        let refused = match self.outcome {
            DONE => {
                let replicas = Replicas { stand, owners };
                return Some(Ok(Acknowledged { version: version?, replicas }));
            }
            VERSION_MISMATCH => RefusedWrite::VersionMismatch { current: version, replicas },
            ABSENT => RefusedWrite::Absent { replicas },
            IN_PROGRESS => RefusedWrite::InProgress,
            KEY_REUSED => RefusedWrite::KeyReused,
            NOT_ENOUGH => RefusedWrite::NotEnoughReplicas {
                needed: owners,
                live: stand,
                indeterminate: self.indeterminate,
            },
            NOT_READY => RefusedWrite::NotReady,
            CLOCK_SKEW => RefusedWrite::ClockSkew,
            FULL => WriteError::Full.into(),
            OVERLOADED => WriteError::Overloaded.into(),
            UNREADABLE => WriteError::Unreadable(ReadError::CorruptRecord(name.clone())).into(),
            STOPPED => WriteError::Stopped("the owner that was asked has stopped".into()).into(),
            _ => return None,
        };
        Some(Err(refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    fn writes() -> Vec<Write> {
        let name = RecordName::parse("t", "k").unwrap();
        let version = Version { hlc: 7, node: NodeId(u64::MAX) };
        let request = RequestKey { key: "r".into(), fingerprint: u128::MAX - 1 };
        let tags = [
            None,
            Some(EntityTags::Any),
            Some(EntityTags::Versions(Vec::new())),
            Some(EntityTags::Versions(vec![version])),
        ];
        let mut writes = Vec::new();
        for if_match in tags.clone() {
            for if_none_match in tags.clone() {
                let condition = Condition { if_match: if_match.clone(), if_none_match };
                let put = Change::Put { value: Bytes::from_static(b"1"), expiry: Some(9) };
                for change in [put, Change::Delete] {
                    writes.push(Write {
                        name: name.clone(),
                        change,
                        condition: condition.clone(),
                        durability: Durability::Relaxed,
                        request: Some(request.clone()),
                        above: None,
                    });
                }
            }
        }
        writes
    }

    #[test]
    fn a_write_comes_as_it_went() {
        for write in writes() {
            for (_, consistency) in CONSISTENCIES {
                let bytes = WriteText::of(&write, consistency).encode_to_vec();
                let text = WriteText::decode(&bytes[..]).unwrap();
                let (read, asked) = text.understood().unwrap();
                assert_eq!(format!("{read:?}"), format!("{write:?}"));
                assert_eq!(asked, consistency);
            }
        }
    }

    #[test]
    fn what_became_of_it_comes_as_it_went() {
        let name = RecordName::parse("t", "k").unwrap();
        let version = Version { hlc: 7, node: NodeId(3) };
        let few = Some(Replicas { stand: 1, owners: 3 });
        let outcomes = [
            Ok(Acknowledged { version, replicas: Replicas { stand: 2, owners: 3 } }),
            Err(RefusedWrite::VersionMismatch { current: None, replicas: None }),
            Err(RefusedWrite::VersionMismatch { current: None, replicas: few }),
            Err(RefusedWrite::VersionMismatch { current: Some(version), replicas: few }),
            Err(RefusedWrite::Absent { replicas: None }),
            Err(RefusedWrite::Absent { replicas: few }),
            Err(RefusedWrite::InProgress),
            Err(RefusedWrite::KeyReused),
            Err(RefusedWrite::NotEnoughReplicas { needed: 2, live: 1, indeterminate: true }),
            Err(RefusedWrite::NotReady),
            Err(RefusedWrite::ClockSkew),
            Err(WriteError::Full.into()),
            Err(WriteError::Overloaded.into()),
            Err(WriteError::Unreadable(ReadError::CorruptRecord(name.clone())).into()),
            Err(WriteError::Stopped("the owner that was asked has stopped".into()).into()),
        ];
        for outcome in outcomes {
            let bytes = WrittenText::of(&outcome).encode_to_vec();
            let text = WrittenText::decode(&bytes[..]).unwrap();
            assert_eq!(text.understood(&name), Some(outcome));
        }
        assert_eq!(WrittenText::default().understood(&name), None);
    }
}
