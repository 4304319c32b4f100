//! A record of which this node's copy is damaged: it is taken anew from the other owners (design section 3).
//!
//! Only where every other owner is there, has missed nothing, and can read its own: what is newest among all
//! other copies is then no older than the one that was here. (Unless it rotted before it had come to anybody; so it
//! is not taken for mended by what is older than it claims to be.) Else the damage is told, and the copy stays as it
//! is, since an older record in its place could pass for the newest.
//!
//! Who reads a record has it mended at once. What nobody reads is found by the store's scrub, and mended in the
//! background, a little at a time; what cannot be mended now is tried again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{DAMAGED_NAMES_MAX, MEND_MILLIS, MENDS_AT_A_TIME_MAX};
use dynarust_core::{Partition, RecordName, Stored};
use dynarust_store::{ReadError, Scan, ScanPage};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::read::{ask_as_it_is, read_deadline, repair};
use crate::cluster::Cluster;

impl Cluster {
    /// What this node's store holds; what is damaged is mended first, where that can be.
    pub(crate) async fn get_own(
        self: &Arc<Self>,
        name: &RecordName,
    ) -> Result<Option<Arc<Stored>>, ReadError> {
        if let Some(stored) = self.store.peek(name) {
            return Ok(Some(stored));
        }
        match self.store.get(name.clone()).await {
            Err(ReadError::CorruptRecord(_)) if self.mend(name, read_deadline()).await => {
                self.store.get(name.clone()).await
            }
            found => found,
        }
    }

    /// A part of what this node's store holds; what is damaged is mended first, where that can be.
    pub(crate) async fn scan_own(self: &Arc<Self>, scan: Scan) -> Result<ScanPage, ReadError> {
        let deadline = read_deadline();
        loop {
            match self.store.scan(scan.clone()).await {
                Err(ReadError::CorruptRecord(name)) if self.mend(&name, deadline).await => {}
                found => return found,
            }
        }
    }

    /// Mends what was found damaged and nobody reads, without end.
    pub(crate) async fn mend_again(self: Arc<Self>) {
        let mut damaged = VecDeque::new();
        loop {
            sleep(Duration::from_millis(MEND_MILLIS)).await;
            let room = DAMAGED_NAMES_MAX.saturating_sub(damaged.len());
            for name in self.store.take_damaged(room) {
                if !damaged.contains(&name) {
                    damaged.push_back(name);
                }
            }
            for _ in 0..damaged.len().min(MENDS_AT_A_TIME_MAX) {
                let Some(name) = damaged.pop_front() else { break };
                if !self.is_whole_or_mended(&name).await {
                    // Its turn comes again behind the others.
                    damaged.push_back(name);
                }
            }
        }
    }

    async fn is_whole_or_mended(self: &Arc<Self>, name: &RecordName) -> bool {
        match self.store.get(name.clone()).await {
            Ok(_) => true,
            // What this node does not serve is taken in from others, or emptied.
            Err(ReadError::CorruptRecord(_)) if self.view().serves(Partition::of(name)) => {
                self.mend(name, read_deadline()).await
            }
            Err(_) => false,
        }
    }

    /// Whether the record is whole here now.
    async fn mend(self: &Arc<Self>, name: &RecordName, deadline: Instant) -> bool {
        let partition = Partition::of(name);
        let view = self.view();
        let mut others = view.serving(partition);
        others.retain(|owner| *owner != self.me);
        let reachable = others.iter().all(|owner| self.liveness(*owner).is_live());
        if others.is_empty() || !reachable || self.is_behind() {
            return false;
        }
        let asking = others.into_iter().map(|owner| ask_as_it_is(self, owner, name, deadline));
        let Ok(said) = try_join_all(asking).await else { return false };
        let newest = said.iter().max_by_key(|it| it.stamp);
        let Some((newest, stored)) = newest.and_then(|it| Some((it, it.stored.as_ref()?))) else {
            return false;
        };
        if said.iter().any(|it| it.behind) {
            return false;
        }
        let repaired = repair(self, self.me, (stored, newest.request.as_ref()), deadline).await;
        // The store does not take what is older than the damaged one claims to be.
        let mended = repaired && self.store.get(name.clone()).await.is_ok();
        tracing::warn!(?name, mended, "a damaged record was to be taken anew from another owner");
        mended
    }
}
