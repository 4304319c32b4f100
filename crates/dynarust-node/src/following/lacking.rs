//! What a follower does with notices: it pulls what it lacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::RecordName;
use dynarust_core::limits::PULL_NAMES_MAX;
use dynarust_store::Durability;
use prost::Message;

use super::taking::{take_in_for_sure, unseen_by};
use crate::cluster::{Cluster, Peer};
use crate::mesh::Link;
use crate::mesh::message::{Names, Records, Shipped, number};

/// What a peer says that it has.
pub(super) struct Notices {
    pub(super) notices: Vec<Shipped>,
    /// What was deleted or has expired counts, too, where nothing of it is here.
    pub(super) gone: bool,
}

/// Takes in the records that the notices name and this node lacks; how many bytes they have. None where they can't
/// be had on this link, or the store has stopped.
pub(super) async fn take_lacking(
    cluster: &Arc<Cluster>,
    (source, link): (&Peer, &Arc<Link>),
    Notices { notices, gone }: Notices,
    durability: Durability,
) -> Option<usize> {
    let mut bytes = 0;
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
        let there = present.and_then(|stored| unseen_by(&notice, &stored.record));
        cluster.tell_kept(source, &notice, there);
        if lacks {
            lacking.insert(notice.name.clone(), notice);
        }
    }
    while !lacking.is_empty() {
        let asked: Vec<RecordName> = lacking.keys().take(PULL_NAMES_MAX).cloned().collect();
        let names = asked.iter().map(|it| Bytes::copy_from_slice(it.as_bytes())).collect();
        let records: Records = link.ask_for_sure(number::PULL, &Names { names }).await?;
        bytes += records.encoded_len();
        let (mut arrivals, mut came) = (Vec::new(), Vec::new());
        let mut missing = true;
        for entry in records.entries {
            let shipped = entry.understood()?;
            missing &= lacking.remove(&shipped.name).is_none();
            if let Some(arrival) = shipped.clone().into_arrival(false) {
                arrivals.push(arrival);
                came.push(shipped);
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
            cluster.note_kept(source, &came, taken).await;
        }
    }
    Some(bytes)
}
