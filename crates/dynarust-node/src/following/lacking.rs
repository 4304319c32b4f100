//! What a follower does with notices: it pulls what it lacks.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::RecordName;
use dynarust_core::limits::PULL_NAMES_MAX;
use dynarust_store::Durability;
use prost::Message;

use super::taking::take_in_for_sure;
use crate::cluster::Cluster;
use crate::mesh::Link;
use crate::mesh::message::{Names, Records, Shipped, number};

/// What a peer says that it has.
pub(super) struct Notices {
    pub(super) notices: Vec<Shipped>,
    /// What was deleted or has expired counts, too, where nothing of it is here.
    pub(super) gone: bool,
}

/// Takes in the records that the notices name and this node lacks, and tells of how many bytes they were. None
/// where they can't be had on this link, or the store has stopped.
pub(super) async fn take_lacking(
    cluster: &Arc<Cluster>,
    link: &Arc<Link>,
    Notices { notices, gone }: Notices,
    durability: Durability,
) -> Option<usize> {
    let (mut lacking, mut bytes) = (BTreeSet::new(), 0);
    for notice in notices {
        // What cannot be read here is mended by what the peer has.
        let present = match cluster.store.peek(&notice.name) {
            Some(stored) => Some(stored),
            None => cluster.store.get(notice.name.clone()).await.ok().flatten(),
        };
        let lacks = match present {
            Some(stored) => stored.record.stamp() < notice.stamp,
            None => gone || !notice.gone,
        };
        if lacks {
            lacking.insert(notice.name);
        }
    }
    while !lacking.is_empty() {
        let asked: Vec<RecordName> = lacking.iter().take(PULL_NAMES_MAX).cloned().collect();
        let names = asked.iter().map(|it| Bytes::copy_from_slice(it.as_bytes())).collect();
        let records: Records = link.ask(number::PULL, &Names { names }).await.ok()?;
        bytes += records.encoded_len();
        let mut arrivals = Vec::new();
        let mut missing = true;
        for entry in records.entries {
            let shipped = entry.understood()?;
            missing &= !lacking.remove(&shipped.name);
            arrivals.extend(shipped.into_arrival(false));
        }
        if missing {
            // It forgot them meanwhile, or they are damaged there: others have them, or nobody.
            asked.iter().for_each(|name| {
                lacking.remove(name);
            });
        }
        let count = arrivals.len() as u64;
        if gone {
            cluster.figures.caught_up(count)
        } else {
            cluster.figures.repaired(count)
        }
        if !arrivals.is_empty() {
            take_in_for_sure(cluster, arrivals, durability).await?;
        }
    }
    Some(bytes)
}
