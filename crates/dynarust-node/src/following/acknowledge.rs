//! Acknowledgements, as the source hears them.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{NodeId, Version};
use prost::Message;

use crate::cluster::{Cluster, Peer};
use crate::mesh::Link;
use crate::mesh::message::{Acknowledge, Kept};

/// None where it makes no sense.
pub(crate) fn note_acknowledged(
    cluster: &Arc<Cluster>,
    peer: &Peer,
    link: &Link,
    body: Bytes,
) -> Option<()> {
    let told = Acknowledge::decode(body).ok()?;
    let version = |kept: &Kept| Version { hlc: kept.hlc, node: NodeId(kept.node) };
    if !told.kept.iter().map(version).all(Version::makes_sense) {
        return None;
    }
    let kept = told.kept.iter().map(|kept| (kept.name_hash, version(kept)));
    cluster.acks.newer(cluster, kept);
    if let Some((head, through)) =
        peer.shipment.acknowledge((link.serial(), told.number), told.through)
    {
        let from = if told.contiguous { 0 } else { head };
        cluster.acks.acknowledged(cluster, peer.id, (from, through));
    }
    Some(())
}
