//! A part of a range, merged from as many owners of each partition as was asked (design section 7).
//!
//! ```text
//! cover: whom to ask for which partitions ─▶ each owner's next records ─▶ newest of each key ─▶ up to where all have told
//! ```
//!
//! An owner that has more than it told of holds the part back at its last key: behind that it might have
//! what others don't. Memory holds one chunk of each owner that is asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{CHUNK_BYTES_MAX, CHUNK_RECORDS_MAX, LOOK_AGAIN_MILLIS};
use dynarust_core::quorum::{self, NotEnough};
use dynarust_core::{
    Consistency, KeyRange, NodeId, Partition, PartitionSet, RecordName, Replicas, Stored, TableName,
};
use dynarust_store::{Scan, ScanPage};
use futures_util::future::join_all;
use prost::Message;
use tokio::time::{Instant, sleep, timeout_at};

use super::acks::replicas;
use crate::cluster::{Cluster, View};
use crate::following;
use crate::mesh::message::{Entry, Failure, number};
use crate::mesh::{AskError, Channel, Reply};
use crate::{Node, RefusedRead};

/// Whom to ask for which partitions, and who stands behind the answer at the least.
pub(crate) struct Cover {
    shares: BTreeMap<NodeId, PartitionSet>,
    pub(crate) replicas: Replicas,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScanText {
    #[prost(string, tag = "1")]
    table: String,
    #[prost(string, tag = "2")]
    lower: String,
    #[prost(string, optional, tag = "3")]
    upper: Option<String>,
    #[prost(bool, tag = "4")]
    reverse: bool,
    #[prost(uint32, tag = "5")]
    records_max: u32,
    #[prost(bytes = "vec", tag = "6")]
    partitions: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScannedText {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
    #[prost(bool, tag = "2")]
    more: bool,
    /// The peer may have missed writes that others have.
    #[prost(bool, tag = "3")]
    behind: bool,
}

/// What one owner told.
struct Told {
    page: ScanPage,
    behind: bool,
}

impl Cluster {
    /// Whom to ask: of each partition as many owners as the consistency needs, this node where it is one,
    /// and else the same few for all; or, where somebody may have missed something, all that are live.
    pub(crate) fn cover(
        &self,
        view: &View,
        consistency: Consistency,
        all: bool,
    ) -> Result<Cover, NotEnough> {
        let mut shares: BTreeMap<NodeId, PartitionSet> = BTreeMap::new();
        let mut fewest: Option<Replicas> = None;
        for partition in Partition::all() {
            let owners = view.serving(partition).len();
            let mut live = self.live_serving(view, partition);
            let needed = quorum::needed(consistency, owners, live.len())?;
            live.sort_by_key(|owner| rank(self.me, *owner));
            let asked = if all && consistency != Consistency::One { live.len() } else { needed };
            for owner in live.into_iter().take(asked) {
                shares.entry(owner).or_default().insert(partition);
            }
            let stand = replicas(asked, owners);
            let fewer = |other: &Replicas| {
                u32::from(stand.stand) * u32::from(other.owners)
                    < u32::from(other.stand) * u32::from(stand.owners)
            };
            if fewest.as_ref().is_none_or(fewer) {
                fewest = Some(stand);
            }
        }
        Ok(Cover { shares, replicas: fewest.unwrap_or(replicas(0, 0)) })
    }

    /// Whether this node's own store has all that a scan needs.
    pub(crate) fn scans_alone(&self, consistency: Consistency) -> bool {
        self.is_alone()
            || consistency == Consistency::One
                && self.may_answer().is_ok()
                && self.view().own().is_some_and(|own| own.serves == PartitionSet::all())
    }
}

impl Node {
    /// The next records of the range, raw, at most about so many, in the order asked for; and of how many owners,
    /// where the fewest were asked. `at_many`: a majority, or none.
    pub(crate) async fn scan_owners(
        &self,
        range: &KeyRange,
        reverse: bool,
        records_max: usize,
        consistency: Consistency,
        at_many: bool,
    ) -> Result<(ScanPage, Replicas), RefusedRead> {
        let cluster = &self.cluster;
        cluster.may_answer()?;
        let deadline = super::read_deadline();
        let mut all = cluster.is_behind();
        loop {
            let view = cluster.view();
            let cover = cluster.cover(&view, consistency, all).map_err(refused)?;
            if at_many && cover.replicas.is_few() {
                let Replicas { stand, owners } = cover.replicas;
                let needed = quorum::majority(owners.into());
                return Err(refused(NotEnough { needed, live: stand.into() }));
            }
            let asking = cover.shares.iter().map(|(owner, share)| async move {
                let asked = ask(cluster, *owner, share, (range, reverse), records_max);
                timeout_at(deadline, asked).await.unwrap_or(Err(AskError::Broken))
            });
            let told: Result<Vec<Told>, AskError> = join_all(asking).await.into_iter().collect();
            match told {
                Ok(told) if !all && told.iter().any(|told| told.behind) => all = true,
                Ok(told) => return Ok((merged(told, reverse), cover.replicas)),
                Err(error) => {
                    tracing::debug!(%error, "an owner did not tell its part of a scan");
                    if Instant::now() >= deadline {
                        return Err(refused(NotEnough { needed: 1, live: 0 }));
                    }
                    // Somebody went: who is left is asked.
                    sleep(Duration::from_millis(LOOK_AGAIN_MILLIS)).await;
                }
            }
        }
    }
}

/// This node comes first, and then whoever is next to it on the ring of node ids: of all partitions the same
/// nodes are asked where they own them, and by each node others.
fn rank(me: NodeId, owner: NodeId) -> u64 {
    owner.0.wrapping_sub(me.0)
}

fn refused(lack: NotEnough) -> RefusedRead {
    let number = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    RefusedRead::NotEnoughReplicas { needed: number(lack.needed), live: number(lack.live) }
}

/// The newest of each key, up to where all have told.
fn merged(told: Vec<Told>, reverse: bool) -> ScanPage {
    let mut newest: BTreeMap<RecordName, Arc<Stored>> = BTreeMap::new();
    let mut frontier: Option<RecordName> = None;
    for Told { page, .. } in told {
        if let Some(last) = page.records.last().filter(|_| page.more) {
            let nearer = |frontier: &RecordName| {
                if reverse { last.name > *frontier } else { last.name < *frontier }
            };
            if frontier.as_ref().is_none_or(nearer) {
                frontier = Some(last.name.clone());
            }
        }
        for stored in page.records {
            let older = newest
                .get(&stored.name)
                .is_none_or(|present| present.record.stamp() < stored.record.stamp());
            if older {
                newest.insert(stored.name.clone(), stored);
            }
        }
    }
    if let Some(frontier) = &frontier {
        newest.retain(|name, _| if reverse { name >= frontier } else { name <= frontier });
    }
    let mut records: Vec<_> = newest.into_values().collect();
    if reverse {
        records.reverse();
    }
    ScanPage { records, more: frontier.is_some() }
}

/// Asks one owner, which may be this node.
async fn ask(
    cluster: &Arc<Cluster>,
    owner: NodeId,
    share: &PartitionSet,
    (range, reverse): (&KeyRange, bool),
    records_max: usize,
) -> Result<Told, AskError> {
    if owner == cluster.me {
        let scan = scan_of(range.clone(), reverse, records_max, share.clone());
        let page = cluster.scan_own(scan).await;
        let page = page.map_err(|error| AskError::Failed(following::failure(error)))?;
        return Ok(Told { page, behind: cluster.is_behind() });
    }
    let link = cluster.peer(owner).and_then(|peer| peer.link(Channel::Bulk));
    let link = link.ok_or(AskError::NotSent("there is no connection"))?;
    let text = ScanText {
        table: range.table.as_str().to_owned(),
        lower: range.lower.clone(),
        upper: range.upper.clone(),
        reverse,
        records_max: u32::try_from(records_max).unwrap_or(u32::MAX),
        partitions: share.to_bytes().to_vec(),
    };
    let scanned: ScannedText = link.ask(number::SCAN, &text).await?;
    let mut records = Vec::with_capacity(scanned.entries.len());
    for entry in scanned.entries {
        let shipped = entry.understood().ok_or(AskError::Nonsense)?;
        let record = shipped.record.ok_or(AskError::Nonsense)?;
        if !range.contains(&shipped.name) {
            return Err(AskError::Nonsense);
        }
        records.push(Arc::new(Stored { name: shipped.name, seq: shipped.seq, record }));
    }
    if scanned.more && records.is_empty() {
        return Err(AskError::Nonsense);
    }
    Ok(Told { page: ScanPage { records, more: scanned.more }, behind: scanned.behind })
}

fn scan_of(range: KeyRange, reverse: bool, records_max: usize, share: PartitionSet) -> Scan {
    Scan {
        range,
        reverse,
        records_max: records_max.min(CHUNK_RECORDS_MAX),
        bytes_max: CHUNK_BYTES_MAX,
        partitions: Some(Arc::new(share)),
        values: true,
    }
}

/// Tells a reader elsewhere this node's share.
pub(crate) async fn answer_scan(cluster: Arc<Cluster>, body: Bytes) -> Reply {
    let text = ScanText::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let share = PartitionSet::from_bytes(&text.partitions).ok_or(Failure::NotUnderstood)?;
    let serves = cluster.view().own().map(|own| own.serves.clone()).unwrap_or_default();
    if !share.difference(&serves).is_empty() {
        return Err(Failure::NotServed);
    }
    let table = TableName::parse(&text.table).map_err(|_| Failure::NotUnderstood)?;
    let range = KeyRange { table, lower: text.lower, upper: text.upper };
    let behind = cluster.is_behind();
    let records_max = text.records_max.max(1) as usize;
    let scan = scan_of(range, text.reverse, records_max, share);
    let page = cluster.scan_own(scan).await.map_err(following::failure)?;
    let entries = page.records.iter().map(|stored| Entry::of(stored, None)).collect();
    Ok(ScannedText { entries, more: page.more, behind }.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dynarust_core::{Record, Version};

    use super::*;

    fn told(records: &[(&str, u64)], more: bool) -> Told {
        let stored = |(key, hlc): &(&str, u64)| {
            let record = Record {
                version: Version { hlc: *hlc, node: NodeId(1) },
                previous: None,
                expiry: None,
                tombstone: false,
                expired: false,
                value: Bytes::from_static(b"1"),
            };
            Arc::new(Stored { name: RecordName::parse("t", key).unwrap(), seq: 1, record })
        };
        Told {
            page: ScanPage { records: records.iter().map(stored).collect(), more },
            behind: false,
        }
    }

    fn shown(page: &ScanPage) -> Vec<(&str, u64)> {
        page.records.iter().map(|it| (it.name.key(), it.record.version.hlc)).collect()
    }

    #[test]
    fn the_newest_of_each_key_is_shown_in_order() {
        let page = merged(
            vec![told(&[("a", 1), ("c", 5)], false), told(&[("a", 2), ("b", 1), ("c", 4)], false)],
            false,
        );
        assert_eq!(shown(&page), [("a", 2), ("b", 1), ("c", 5)]);
        assert!(!page.more);
    }

    #[test]
    fn each_node_asks_itself_first_and_then_others_than_others_do() {
        let order = |me: u64| {
            let mut owners = [1, 5, 9].map(NodeId);
            owners.sort_by_key(|owner| rank(NodeId(me), *owner));
            owners.map(|it| it.0)
        };
        assert_eq!([order(1), order(5), order(9)], [[1, 5, 9], [5, 9, 1], [9, 1, 5]]);
        assert_eq!(order(6), [9, 1, 5]);
    }

    #[test]
    fn nothing_is_shown_behind_what_somebody_has_not_told_yet() {
        let first = || told(&[("a", 1), ("c", 1)], true);
        let page = merged(vec![first(), told(&[("b", 1), ("d", 1)], false)], false);
        assert_eq!((shown(&page), page.more), (vec![("a", 1), ("b", 1), ("c", 1)], true));
        let page = merged(vec![first(), told(&[("b", 1)], true)], false);
        assert_eq!((shown(&page), page.more), (vec![("a", 1), ("b", 1)], true));
        let page = merged(
            vec![told(&[("d", 1), ("b", 1)], true), told(&[("c", 1), ("a", 1)], false)],
            true,
        );
        assert_eq!((shown(&page), page.more), (vec![("d", 1), ("c", 1), ("b", 1)], true));
    }
}
