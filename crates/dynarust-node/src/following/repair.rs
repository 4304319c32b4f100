//! Repair: what two copies of a partition differ in, although neither misses anything of the other's feed,
//! is found by their digests, and settled by the merge law (design section 7).
//!
//! Digests differ for a moment wherever something is written; so only partitions that differ twice, a while
//! apart, are looked at: this node reads of them what the peer holds, by name and stamp, and pulls what it
//! lacks. The peer does the same for itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::digest::Digests;
use dynarust_core::limits::{REPAIR_CONFIRM_MILLIS, REPAIR_MILLIS};
use dynarust_core::{Epoch, Partition, PartitionSet};
use prost::Message;
use tokio::time::sleep;

use super::catch_up::{Reader, Wanted};
use crate::cluster::{Cluster, Peer};
use crate::mesh::message::{DigestsText, Done, number};
use crate::mesh::{Channel, Link};

/// What this node has to compare.
pub(crate) fn digests(cluster: &Cluster) -> Bytes {
    let text = DigestsText {
        sums: cluster.store.digests().map(|it| it.to_bytes()).unwrap_or_default(),
        whole: whole(cluster).to_bytes().to_vec(),
    };
    text.encode_to_vec().into()
}

/// The partitions that this node holds, and of which it misses nothing.
fn whole(cluster: &Cluster) -> PartitionSet {
    if cluster.is_behind() {
        return PartitionSet::default();
    }
    cluster.view().own().map(|own| own.serves.clone()).unwrap_or_default()
}

/// Compares with the peer every now and then, until the link ends.
pub(crate) async fn repair_again(cluster: &Arc<Cluster>, peer: &Arc<Peer>, link: &Arc<Link>) {
    loop {
        let jitter = rand::random_range(0..REPAIR_MILLIS / 2);
        sleep(Duration::from_millis(REPAIR_MILLIS * 3 / 4 + jitter)).await;
        let Some(first) = differing(cluster, peer).await.filter(|it| !it.is_empty()) else {
            continue;
        };
        sleep(Duration::from_millis(REPAIR_CONFIRM_MILLIS)).await;
        let Some(second) = differing(cluster, peer).await else {
            continue;
        };
        let partitions = first.intersection(&second);
        if partitions.is_empty() {
            continue;
        }
        tracing::debug!(peer = %peer.id, partitions = partitions.len(), "copies differ: they are compared");
        cluster.figures.compared(partitions.len().into());
        let wanted = Wanted { gone: false, ..Wanted::names(&partitions) };
        // What cannot be done now is found again.
        let _ = Reader { cluster, peer, link }.read(&wanted, (Epoch(0), 0), u64::MAX).await;
    }
}

/// Where both hold a partition in full, and differ. None where the peer cannot be asked.
async fn differing(cluster: &Cluster, peer: &Peer) -> Option<PartitionSet> {
    let bulk = peer.link(Channel::Bulk)?;
    let theirs: DigestsText = bulk.ask(number::DIGESTS, &Done {}).await.ok()?;
    let sums = Digests::from_bytes(&theirs.sums)?;
    let ours = cluster.store.digests()?;
    let both = PartitionSet::from_bytes(&theirs.whole)?.intersection(&whole(cluster));
    let mut differing = PartitionSet::default();
    let differs = |partition: &Partition| sums.of(*partition) != ours.of(*partition);
    both.iter().filter(differs).for_each(|partition| {
        differing.insert(partition);
    });
    Some(differing)
}
