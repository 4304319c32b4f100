//! Whether a request with an idempotency key was carried out before: as many owners of its record are asked as
//! stand behind an answer, so that one that was away while it was carried out does not carry it out again.
//!
//! Who knows a key is among those that acknowledged its write; as many are asked as would have been enough
//! for that, so one of them is asked.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::LOOK_AGAIN_MILLIS;
use dynarust_core::{Consistency, NodeId, Partition, RecordName, RequestKey, Version, quorum};
use dynarust_store::Answered;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use prost::Message;
use tokio::time::{Instant, sleep, timeout_at};

use super::read::read_deadline;
use super::write::{late, not_enough, of_read};
use crate::cluster::Cluster;
use crate::following;
use crate::get::Found;
use crate::membership::ALONE;
use crate::mesh::message::{Failure, number};
use crate::mesh::{AskError, Channel, Reply};
use crate::write::Acknowledged;
use crate::{Node, RefusedWrite};

/// A request with an idempotency key.
#[derive(Clone, PartialEq, prost::Message)]
struct RequestText {
    #[prost(string, tag = "1")]
    key: String,
    /// The fingerprint, little-endian.
    #[prost(bytes = "vec", tag = "2")]
    fingerprint: Vec<u8>,
}

/// What is known of it.
#[derive(Clone, PartialEq, prost::Message)]
struct AnsweredText {
    /// Another request came with its key.
    #[prost(bool, tag = "1")]
    reused: bool,
    /// The version that it became; 0 where nothing is known.
    #[prost(fixed64, tag = "2")]
    hlc: u64,
    #[prost(fixed64, tag = "3")]
    node: u64,
}

impl RequestText {
    fn of(request: &RequestKey) -> Self {
        let key = request.key.to_string();
        Self { key, fingerprint: request.fingerprint.to_le_bytes().to_vec() }
    }

    fn understood(self) -> Option<RequestKey> {
        let fingerprint = u128::from_le_bytes(self.fingerprint.try_into().ok()?);
        Some(RequestKey { key: self.key.into(), fingerprint })
    }
}

impl AnsweredText {
    fn of(answered: Option<Answered>) -> Self {
        match answered {
            None => Self::default(),
            Some(Answered::KeyReused) => Self { reused: true, ..Self::default() },
            Some(Answered::Done(Version { hlc, node })) => {
                Self { reused: false, hlc, node: node.0 }
            }
        }
    }

    fn understood(self) -> Option<Answered> {
        match self {
            Self { reused: true, .. } => Some(Answered::KeyReused),
            Self { hlc: 0, .. } => None,
            Self { hlc, node, .. } => Some(Answered::Done(Version { hlc, node: NodeId(node) })),
        }
    }
}

impl Node {
    /// What became of a request that was carried out before, once that, or what came after it, stands at as
    /// many owners as is asked; none where this is the first.
    pub(crate) async fn repeated(
        &self,
        name: &RecordName,
        request: &RequestKey,
        consistency: Consistency,
    ) -> Result<Option<Acknowledged>, RefusedWrite> {
        let deadline = read_deadline();
        let alone = self.cluster.is_alone();
        let answered = if alone {
            self.store.answered(request.clone()).await.map_err(|it| of_read(it.into()))?
        } else {
            self.answered_at_owners(name, request, consistency, deadline).await?
        };
        match answered {
            None => Ok(None),
            Some(Answered::KeyReused) => Err(RefusedWrite::KeyReused),
            Some(Answered::Done(version)) if alone => {
                Ok(Some(Acknowledged { version, replicas: ALONE }))
            }
            Some(Answered::Done(version)) => {
                self.brought_to_owners(name, version, consistency, deadline).await.map(Some)
            }
        }
    }

    /// Reading brings it to all that are asked, where one of them has it. One owner may have it that accepted
    /// it alone: then all are.
    async fn brought_to_owners(
        &self,
        name: &RecordName,
        version: Version,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Acknowledged, RefusedWrite> {
        let found = self.read_owners(name, consistency, deadline).await.map_err(of_read)?;
        let stands =
            |found: &Found| found.stored.as_ref().is_some_and(|it| it.record.version >= version);
        if stands(&found) {
            return Ok(Acknowledged { version, replicas: found.replicas });
        }
        let found = self.read_owners(name, Consistency::All, deadline).await.map_err(of_read)?;
        // Where nobody has anything the record came and went, and was forgotten.
        match stands(&found) || found.stored.is_none() {
            true => Ok(Acknowledged { version, replicas: found.replicas }),
            false => Err(late(&self.cluster, Partition::of(name), consistency, true)),
        }
    }

    /// What the owners know of a request. Of one key that became several writes the newest counts.
    async fn answered_at_owners(
        &self,
        name: &RecordName,
        request: &RequestKey,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Option<Answered>, RefusedWrite> {
        let cluster = &self.cluster;
        let partition = Partition::of(name);
        loop {
            if !cluster.is_ready() {
                return Err(RefusedWrite::NotReady);
            }
            let view = cluster.view();
            let owners = view.serving(partition).len();
            let live = cluster.live_serving(&view, partition);
            let needed = quorum::needed(consistency, owners, live.len())
                .map_err(|lack| not_enough(lack, false))?;
            let mut asking: FuturesUnordered<_> =
                live.into_iter().map(|owner| ask(cluster, owner, request)).collect();
            let (mut said, mut known) = (0, None);
            while said < needed
                && let Ok(Some(answer)) = timeout_at(deadline, asking.next()).await
            {
                if let Ok(answer) = answer {
                    said += 1;
                    known = newer(known, answer);
                }
            }
            if said >= needed {
                return Ok(known);
            }
            if Instant::now() >= deadline {
                return Err(late(cluster, partition, consistency, false));
            }
            // Somebody went: who is left is asked.
            sleep(Duration::from_millis(LOOK_AGAIN_MILLIS)).await;
        }
    }
}

fn newer(one: Option<Answered>, other: Option<Answered>) -> Option<Answered> {
    match (one, other) {
        (Some(Answered::KeyReused), _) | (_, Some(Answered::KeyReused)) => {
            Some(Answered::KeyReused)
        }
        (Some(Answered::Done(one)), Some(Answered::Done(other))) => {
            Some(Answered::Done(one.max(other)))
        }
        (one, other) => one.or(other),
    }
}

/// Asks one owner, which may be this node.
async fn ask(
    cluster: &Arc<Cluster>,
    owner: NodeId,
    request: &RequestKey,
) -> Result<Option<Answered>, AskError> {
    if owner == cluster.me {
        let answered = cluster.store.answered(request.clone()).await;
        return answered.map_err(|error| AskError::Failed(following::failure(error)));
    }
    let link = cluster.peer(owner).and_then(|peer| peer.link(Channel::Data));
    let link = link.ok_or(AskError::NotSent("there is no connection"))?;
    let answered: AnsweredText = link.ask(number::ANSWERED, &RequestText::of(request)).await?;
    Ok(answered.understood())
}

/// Tells a coordinator what this node knows of a request.
pub(crate) async fn answer_answered(cluster: Arc<Cluster>, body: Bytes) -> Reply {
    let text = RequestText::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let request = text.understood().ok_or(Failure::NotUnderstood)?;
    let answered = cluster.store.answered(request).await.map_err(following::failure)?;
    Ok(AnsweredText::of(answered).encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(hlc: u64) -> Option<Answered> {
        Some(Answered::Done(Version { hlc, node: NodeId(3) }))
    }

    #[test]
    fn what_is_known_comes_as_it_went() {
        for answered in [None, Some(Answered::KeyReused), done(7)] {
            let bytes = AnsweredText::of(answered).encode_to_vec();
            assert_eq!(AnsweredText::decode(&bytes[..]).unwrap().understood(), answered);
        }
        let request = RequestKey { key: "k".into(), fingerprint: u128::MAX - 1 };
        let bytes = RequestText::of(&request).encode_to_vec();
        let understood = RequestText::decode(&bytes[..]).unwrap().understood().unwrap();
        assert_eq!(understood, request);
        assert!(RequestText::default().understood().is_none());
    }

    #[test]
    fn of_what_several_know_the_newest_counts_and_another_request_most() {
        assert_eq!(newer(None, None), None);
        assert_eq!(newer(done(1), None), done(1));
        assert_eq!(newer(done(2), done(1)), done(2));
        assert_eq!(newer(done(2), Some(Answered::KeyReused)), Some(Answered::KeyReused));
    }
}
