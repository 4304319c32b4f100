//! Confirming: whether this node has all that another owner has published of a partition, so that a read here
//! is a read of both.
//!
//! ```text
//! reads ─▶ waiting ─▶ one question a peer at a time, for all that wait ─▶ newest seq of each partition there
//!                                                                          ≤ what was taken in here?
//! ```
//!
//! A read that asks an owner for its stamp costs that owner a look into its store, and both ends a message
//! each. This one costs a number in memory, and reads that come together share the message.
//!
//! Why it is enough: what an owner has let anybody see or has acknowledged it has published before. All that
//! it had published of the partition when it was asked, which is after the read began, has come here; so what
//! is here is as new as what is there. And what is here is there as well if the owner has acknowledged the
//! record's seq in this node's feed. Where either is not so, it is asked for the record's stamp.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{Partition, Seq};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{Notify, oneshot};

use crate::cluster::{Cluster, Peer};
use crate::mesh::message::{Confirm, Confirmed, Failure, number};
use crate::mesh::{AskError, Link, Reply};

/// Those who wait for one peer's word.
#[derive(Debug, Default)]
pub(crate) struct Confirming {
    waiting: Mutex<Vec<Waiting>>,
    asked: Notify,
}

#[derive(Debug)]
struct Waiting {
    partition: Partition,
    said: oneshot::Sender<Newest>,
}

/// What a peer said of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newest {
    /// All that it has published of the partition lies up to here.
    pub(super) seq: Seq,
    /// It may have missed writes that others have.
    pub(super) behind: bool,
    /// The revision of its own entry in the registry.
    pub(super) revision: u64,
}

impl Confirming {
    /// Asks, together with all others that ask now. Nobody answers where the link ends.
    pub(super) fn ask(&self, partition: Partition) -> oneshot::Receiver<Newest> {
        let (said, receiver) = oneshot::channel();
        self.waiting.lock().push(Waiting { partition, said });
        self.asked.notify_one();
        receiver
    }

    /// The link has ended: nobody is answered over it.
    pub(crate) fn end(&self) {
        self.waiting.lock().clear();
    }
}

/// Asks the peer for all who wait, until the link ends.
pub(crate) async fn confirm(peer: &Peer, link: &Link) {
    loop {
        let mut waiting = std::mem::take(&mut *peer.confirming.waiting.lock());
        // Who has waited too long asks another way.
        waiting.retain(|it| !it.said.is_closed());
        if waiting.is_empty() {
            peer.confirming.asked.notified().await;
            continue;
        }
        let partitions = waiting.iter().map(|it| it.partition.number().into()).collect();
        match link.ask::<Confirmed>(number::CONFIRM, &Confirm { partitions }).await {
            Ok(confirmed) => tell(waiting, &confirmed),
            // Those who waited ask another way.
            Err(AskError::Failed(_) | AskError::Nonsense) => {}
            Err(AskError::NotSent(_) | AskError::Broken) => {
                if link.is_closed() {
                    return;
                }
            }
        }
    }
}

fn tell(waiting: Vec<Waiting>, confirmed: &Confirmed) {
    let Confirmed { behind, revision, .. } = *confirmed;
    for (waiting, seq) in waiting.into_iter().zip(&confirmed.newest) {
        // Who asked may have gone.
        let _ = waiting.said.send(Newest { seq: *seq, behind, revision });
    }
}

/// Answers a peer.
pub(crate) fn answer_confirm(cluster: &Arc<Cluster>, body: Bytes) -> Reply {
    cluster.budget.clients_are_there();
    let asked = Confirm::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let partitions: Option<Vec<Partition>> = asked
        .partitions
        .into_iter()
        .map(|number| u16::try_from(number).ok().and_then(Partition::new))
        .collect();
    let partitions = partitions.ok_or(Failure::NotUnderstood)?;
    // In this order: who has dropped a partition has said so before, under a new revision.
    let newest = partitions.into_iter().map(|it| cluster.store.newest_in(it)).collect();
    let revision = cluster.view().own().map_or(0, |own| own.revision);
    let confirmed = Confirmed { newest, behind: cluster.is_behind(), revision };
    Ok(confirmed.encode_to_vec().into())
}
