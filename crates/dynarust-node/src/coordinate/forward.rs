//! Forwarding: a write that another node coordinates.
//!
//! It goes to another owner only where it certainly did not start at the one before.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::LOOK_AGAIN_MILLIS;
use dynarust_core::quorum::NotEnough;
use dynarust_core::{Consistency, Partition};
use dynarust_store::Write;
use prost::Message;
use tokio::time::{Instant, sleep, timeout_at};

use super::text::{WriteText, WrittenText};
use super::write::{Route, not_enough};
use crate::mesh::message::{Failure, number};
use crate::mesh::{AskError, Channel, Reply};
use crate::write::Acknowledged;
use crate::{Node, RefusedWrite};

impl Node {
    pub(super) async fn forward(
        &self,
        write: Write,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Acknowledged, RefusedWrite> {
        let text = WriteText::of(&write, consistency);
        loop {
            let view = self.cluster.view();
            let owners = self.cluster.live_serving(&view, Partition::of(&write.name));
            if owners.is_empty() {
                return Err(not_enough(NotEnough { needed: 1, live: 0 }, false));
            }
            for owner in owners {
                if owner == self.cluster.me {
                    // Those before it can't, or it became this node's while they were asked.
                    return Box::pin(self.coordinate(write, consistency, Route::Here)).await;
                }
                let peer = self.cluster.peer(owner);
                let Some(link) = peer.and_then(|peer| peer.link(Channel::Data)) else {
                    continue;
                };
                let asking = link.ask::<WrittenText>(number::WRITE, &text);
                match timeout_at(deadline, asking).await {
                    Ok(Ok(written)) => {
                        let understood = written.understood(&write.name);
                        return understood.unwrap_or_else(|| Err(unknown()));
                    }
                    Ok(Err(AskError::NotSent(_))) => {}
                    Ok(Err(AskError::Failed(failure))) if did_not_start(&failure) => {}
                    Ok(Err(_)) | Err(_) => return Err(unknown()),
                }
            }
            if Instant::now() >= deadline {
                return Err(not_enough(NotEnough { needed: 1, live: 0 }, false));
            }
            sleep(Duration::from_millis(LOOK_AGAIN_MILLIS)).await;
        }
    }
}

fn did_not_start(failure: &Failure) -> bool {
    matches!(failure, Failure::NotServed | Failure::NotReady | Failure::Overloaded)
}

/// Whether the owner has carried it out is not known.
fn unknown() -> RefusedWrite {
    not_enough(NotEnough { needed: 1, live: 0 }, true)
}

/// Coordinates a write for another node.
pub(crate) async fn answer_write(node: Arc<Node>, body: Bytes) -> Reply {
    let text = WriteText::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let (write, consistency) = text.understood().ok_or(Failure::NotUnderstood)?;
    // Another owner can do it.
    if !node.cluster.is_ready() || node.cluster.is_fenced() {
        return Err(Failure::NotReady);
    }
    let partition = Partition::of(&write.name);
    let serves = || node.cluster.view().serves(partition);
    if !serves() {
        return Err(Failure::NotServed);
    }
    let outcome = node.write_routed(write, consistency, Route::Here).await;
    if matches!(&outcome, Err(RefusedWrite::NotEnoughReplicas { indeterminate: false, .. }))
        && !serves()
    {
        // It served it until a moment ago: who asked looks for another owner.
        return Err(Failure::NotServed);
    }
    Ok(WrittenText::of(&outcome).encode_to_vec().into())
}
