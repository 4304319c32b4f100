//! What a source answers its followers.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::limits::{
    CHUNK_BYTES_MAX, FEED_PAGE_BYTES_MAX, FEED_PAGE_RECORDS_MAX, PULL_NAMES_MAX,
};
use dynarust_core::{Epoch, FeedPosition, PartitionSet, Stored};
use dynarust_store::{Arrival, Durability, FeedRead, Over, ReadError, WriteError};
use prost::Message;

use super::catch_up::page_bytes;
use crate::cluster::Cluster;
use crate::mesh::Reply;
use crate::mesh::message::{
    Done, Entry, Failure, FeedAsk, FeedPart, Names, Packed, Records, Shipped, record_name,
};

impl Shipped {
    /// For the store, where the record came along.
    pub(crate) fn into_arrival(self, fresh: bool) -> Option<Arrival> {
        let record = self.record?;
        let (name, request, over) = (self.name, self.request, Over::Older);
        Some(Arrival { name, record, request, fresh, over })
    }
}

/// A page of this node's feed.
pub(crate) async fn feed(cluster: Arc<Cluster>, body: Bytes) -> Reply {
    let ask = FeedAsk::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let partitions = PartitionSet::from_bytes(&ask.partitions).ok_or(Failure::NotUnderstood)?;
    let here = cluster.store.position();
    let after = match ask.epoch {
        0 => ask.after,
        epoch => {
            let position = FeedPosition { node: here.node, epoch: Epoch(epoch), seq: ask.after };
            cluster.store.follow_from(position)
        }
    };
    let read = FeedRead {
        partitions: Some(Arc::new(partitions)),
        values: ask.whole,
        gone: ask.gone,
        ..FeedRead::behind(after, FEED_PAGE_RECORDS_MAX, FEED_PAGE_BYTES_MAX)
    };
    let reckoned = cluster.budget.wait_for(page_bytes(ask.whole)).await;
    let page = cluster.store.feed(read).await.map_err(failure)?;
    let entry = |stored: &Arc<Stored>| {
        if ask.whole { Entry::of(stored, None) } else { Entry::notice(stored) }
    };
    let wanted = |stored: &&Arc<Stored>| !ask.gone || !stored.record.holds_value();
    let entries: Vec<Entry> = page.records.iter().filter(wanted).map(entry).collect();
    let mut records = Records { entries };
    cluster.budget.settle(reckoned, records.encoded_len());
    let packed = if ask.packs { Packed::of(&records) } else { None };
    if packed.is_some() {
        records.entries.clear();
    }
    let part = FeedPart {
        epoch: here.epoch.0,
        entries: records.entries,
        through: page.through,
        clients: cluster.budget.has_clients(),
        packed,
    };
    Ok(part.encode_to_vec().into())
}

/// Records by name.
pub(crate) async fn pull(cluster: Arc<Cluster>, body: Bytes) -> Reply {
    let asked = Names::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let mut entries = Vec::new();
    let mut bytes = 0;
    // What does not fit is asked for again.
    for name in asked.names.iter().take(PULL_NAMES_MAX) {
        let name = record_name(name).ok_or(Failure::NotUnderstood)?;
        match cluster.store.get(name).await {
            Ok(Some(stored)) => {
                bytes += stored.record.value.len();
                let request = cluster.store.request_at(stored.seq);
                entries.push(Entry::of(&stored, request.as_ref()));
            }
            // A damaged one is not spread.
            Ok(None) | Err(ReadError::CorruptRecord(_)) => {}
            Err(error) => return Err(failure(error)),
        }
        if bytes >= CHUNK_BYTES_MAX {
            break;
        }
    }
    Ok(Records { entries }.encode_to_vec().into())
}

/// Takes in what a reader elsewhere found to be missing here.
pub(crate) async fn repair(cluster: Arc<Cluster>, body: Bytes) -> Reply {
    let records = Records::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let mut arrivals = Vec::new();
    for entry in records.entries {
        let shipped = entry.understood().ok_or(Failure::NotUnderstood)?;
        arrivals.extend(shipped.into_arrival(false));
    }
    match cluster.take_in(arrivals, Durability::Sync).await {
        Ok(_) => Ok(Done {}.encode_to_vec().into()),
        Err(error) => Err(write_failure(&error)),
    }
}

/// What a peer hears of records that could not be taken in.
pub(crate) fn write_failure(error: &WriteError) -> Failure {
    match error {
        WriteError::Full => Failure::Full,
        WriteError::Overloaded => Failure::Overloaded,
        WriteError::Stopped(_) => Failure::Stopped,
        WriteError::Unreadable(_) => Failure::Damaged,
    }
}

/// What a peer hears of a read that failed.
pub(crate) fn failure(error: ReadError) -> Failure {
    match error {
        ReadError::Overloaded => Failure::Overloaded,
        ReadError::CorruptRecord(_) => Failure::Damaged,
        ReadError::Base(_) => Failure::Stopped,
    }
}
