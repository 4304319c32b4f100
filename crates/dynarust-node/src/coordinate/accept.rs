//! Asking an owner to accept a conditional write, and answering a coordinator that asks.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{NodeId, Partition, Record, RecordName, RequestKey, Stored, Version};
use dynarust_store::{Arrival, Durability, Over, TakenIn};
use prost::Message;

use crate::cluster::Cluster;
use crate::following;
use crate::mesh::message::{Entry, Failure, number};
use crate::mesh::{AskError, Channel, Reply};

/// A stamped write, for an owner to accept.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AcceptText {
    #[prost(message, optional, tag = "1")]
    entry: Option<Entry>,
    /// The version that it was judged on; 0 where the key held nothing.
    #[prost(fixed64, tag = "2")]
    over_hlc: u64,
    #[prost(fixed64, tag = "3")]
    over_node: u64,
    #[prost(bool, tag = "4")]
    relaxed: bool,
}

/// What became of it.
#[derive(Clone, PartialEq, prost::Message)]
struct AcceptedText {
    /// One of the numbers below.
    #[prost(uint32, tag = "1")]
    outcome: u32,
}

const ACCEPTED: u32 = 1;
const REFUSED: u32 = 2;
const WAITS: u32 = 3;

/// What an owner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It stands there now, as durable as was asked.
    Accepted,
    /// Something newer than what it was judged on stands there.
    Refused,
    /// It does not stand there. It may, if that owner is asked again.
    NotYet,
    /// Whether it stands there is not known.
    Unknown,
}

impl AcceptText {
    pub(super) fn of(
        (name, record): (&RecordName, &Record),
        request: Option<&RequestKey>,
        over: Option<Version>,
        durability: Durability,
    ) -> Self {
        let stored = Stored { name: name.clone(), seq: 0, record: record.clone() };
        Self {
            entry: Some(Entry::of(&stored, request)),
            over_hlc: over.map_or(0, |over| over.hlc),
            over_node: over.map_or(0, |over| over.node.0),
            relaxed: durability == Durability::Relaxed,
        }
    }

    /// None where it makes no sense.
    fn understood(self) -> Option<(Arrival, Durability)> {
        let over = Version { hlc: self.over_hlc, node: NodeId(self.over_node) };
        let over = Over::Judged((over.hlc != 0).then_some(over));
        let arrival = self.entry?.understood()?.into_arrival(true)?;
        let durability = if self.relaxed { Durability::Relaxed } else { Durability::Sync };
        Some((Arrival { over, ..arrival }, durability))
    }
}

/// Asks another owner.
pub(super) async fn ask(cluster: &Cluster, owner: NodeId, text: &AcceptText) -> Said {
    let Some(link) = cluster.peer(owner).and_then(|peer| peer.link(Channel::Data)) else {
        return Said::NotYet;
    };
    match link.ask::<AcceptedText>(number::ACCEPT, text).await {
        Ok(AcceptedText { outcome: ACCEPTED }) => Said::Accepted,
        Ok(AcceptedText { outcome: REFUSED }) => Said::Refused,
        Ok(AcceptedText { outcome: WAITS }) | Err(AskError::NotSent(_)) => Said::NotYet,
        Err(AskError::Failed(failure)) if failure != Failure::Stopped => Said::NotYet,
        Ok(_) | Err(_) => Said::Unknown,
    }
}

/// Answers a coordinator.
pub(crate) async fn answer_accept(cluster: Arc<Cluster>, body: Bytes) -> Reply {
    let text = AcceptText::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let (arrival, durability) = text.understood().ok_or(Failure::NotUnderstood)?;
    if !cluster.is_ready() {
        return Err(Failure::NotReady);
    }
    if !cluster.view().serves(Partition::of(&arrival.name)) {
        return Err(Failure::NotServed);
    }
    let (name, version) = (arrival.name.clone(), arrival.record.version);
    let submit = || cluster.take_in(vec![arrival], durability);
    let outcome = match cluster.proposals.let_in(&name, version, submit) {
        None => WAITS,
        Some(taking) => {
            let taken = taking.await.map_err(|error| following::write_failure(&error))?;
            let refused =
                |taken: &TakenIn| matches!(taken, TakenIn::Kept(it) if it.version != version);
            if taken.iter().any(refused) { REFUSED } else { ACCEPTED }
        }
    };
    Ok(AcceptedText { outcome }.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_accepted_comes_as_it_went() {
        let name = RecordName::parse("t", "k").unwrap();
        let version = |hlc| Version { hlc, node: NodeId(u64::MAX) };
        let record = Record {
            version: version(9),
            previous: Some(version(7)),
            expiry: Some(11),
            tombstone: false,
            expired: false,
            value: Bytes::from_static(b"1"),
        };
        let request = RequestKey { key: "r".into(), fingerprint: 3 };
        for over in [None, Some(version(8))] {
            for durability in [Durability::Relaxed, Durability::Sync] {
                let text = AcceptText::of((&name, &record), Some(&request), over, durability);
                let bytes = text.encode_to_vec();
                let (arrival, asked) =
                    AcceptText::decode(&bytes[..]).unwrap().understood().unwrap();
                assert_eq!((&arrival.name, &arrival.record), (&name, &record));
                assert_eq!((&arrival.request, arrival.fresh), (&Some(request.clone()), true));
                assert_eq!((arrival.over, asked), (Over::Judged(over), durability));
            }
        }
        assert!(AcceptText::default().understood().is_none());
    }
}
