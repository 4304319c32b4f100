//! What a follower does with notices: it pulls what it lacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::limits::PULL_NAMES_MAX;
use dynarust_core::{NodeId, RecordName};
use dynarust_store::Durability;
use prost::Message;

use super::taking::{kept, take_in_for_sure};
use crate::cluster::Cluster;
use crate::mesh::Link;
use crate::mesh::message::{Kept, Names, Records, Shipped, number};

/// What a peer says that it has.
pub(super) struct Notices {
    pub(super) notices: Vec<Shipped>,
    /// What was deleted or has expired counts, too, where nothing of it is here.
    pub(super) gone: bool,
}

/// What came of notices.
pub(super) struct Pulled {
    /// Bytes of the records that were pulled.
    pub(super) bytes: usize,
    /// Notices of what something newer stands in the way of.
    pub(super) kept: Vec<Kept>,
}

/// Takes in the records that the notices name and this node lacks. None where they can't be had on this link, or
/// the store has stopped.
pub(super) async fn take_lacking(
    cluster: &Arc<Cluster>,
    (source, link): (NodeId, &Arc<Link>),
    Notices { notices, gone }: Notices,
    durability: Durability,
) -> Option<Pulled> {
    let mut pulled = Pulled { bytes: 0, kept: Vec::new() };
    let mut lacking = BTreeMap::new();
    for notice in notices {
        // What cannot be read here is mended by what the peer has.
        let present = match cluster.store.peek(&notice.name) {
            Some(stored) => Some(stored),
            None => cluster.store.get(notice.name.clone()).await.ok().flatten(),
        };
        let lacks = match &present {
            Some(stored) => stored.record.stamp() < notice.stamp,
            None => gone || !notice.gone,
        };
        let there = present.map(|stored| stored.record.version);
        pulled.kept.extend(there.and_then(|there| Kept::newer(&notice, there)));
        if lacks {
            lacking.insert(notice.name.clone(), notice);
        }
    }
    while !lacking.is_empty() {
        let asked: Vec<RecordName> = lacking.keys().take(PULL_NAMES_MAX).cloned().collect();
        let names = asked.iter().map(|it| Bytes::copy_from_slice(it.as_bytes())).collect();
        let records: Records = link.ask(number::PULL, &Names { names }).await.ok()?;
        pulled.bytes += records.encoded_len();
        let (mut arrivals, mut noticed) = (Vec::new(), Vec::new());
        let mut missing = true;
        for entry in records.entries {
            let shipped = entry.understood()?;
            let notice = lacking.remove(&shipped.name);
            missing &= notice.is_none();
            if let Some(arrival) = shipped.into_arrival(false) {
                arrivals.push(arrival);
                noticed.push(notice);
            }
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
            let taken = take_in_for_sure(cluster, arrivals, durability).await?;
            // Something newer may have come meanwhile.
            let kept = noticed
                .iter()
                .zip(taken)
                .filter_map(|(notice, taken)| kept(source, notice.as_ref()?, taken));
            pulled.kept.extend(kept);
        }
    }
    Some(pulled)
}
