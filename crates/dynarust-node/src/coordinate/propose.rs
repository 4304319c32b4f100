//! A conditional write: enough others accept it before it stands here (`docs/adr/0014`).
//!
//! ```text
//! judge on v, stamp ─▶ others: take it in, unless something newer than v stands there ─▶ here, likewise ─▶ 200
//!   ▲                            │
//!   └── read what is newer ◀─────┘ refused, and nobody has it
//! ```
//!
//! As few others are asked as are needed, in the order of the owners; more, where one does not answer. The
//! rest get it as they get everything.
//!
//! Invariants:
//! - who is told of success: a majority (or as many as the consistency asks for) took it in over what it was
//!   judged on, this node last;
//! - who is refused without a word of `indeterminate`: nobody has it.

use std::collections::BTreeSet;
use std::time::Duration;

use dynarust_core::limits::{ASK_NEXT_MILLIS, LOOK_AGAIN_MILLIS};
use dynarust_core::quorum::{self, NotEnough};
use dynarust_core::{Consistency, NodeId, Partition, Record, Version};
use dynarust_store::{Arrival, Over, Proposed, TakenIn, Write};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::accept::{self, AcceptText, Said};
use super::acks::replicas;
use super::proposals::Proposal;
use super::write::{late, not_enough, of_read};
use crate::cluster::Cluster;
use crate::write::Acknowledged;
use crate::{Found, Node, RefusedWrite};

/// A conditional write on its way over the owners.
struct Proposing<'a> {
    cluster: &'a Cluster,
    proposal: &'a Proposal<'a>,
    write: &'a Write,
    partition: Partition,
    consistency: Consistency,
    deadline: Instant,
}

/// Why a write that was stamped is not acknowledged.
enum Failed {
    /// Something newer than what it was judged on stood in its way, and nobody has it.
    Passed,
    /// As the client hears it.
    Refused(RefusedWrite),
}

impl Node {
    /// Carries a conditional write out, as its coordinator.
    pub(super) async fn propose(
        &self,
        write: Write,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Acknowledged, RefusedWrite> {
        let cluster = &*self.cluster;
        let (name, partition) = (&write.name, Partition::of(&write.name));
        let begun = timeout_at(deadline, cluster.proposals.begin(name)).await;
        let proposal = begun.map_err(|_| late(cluster, partition, consistency, false))?;
        let (proposal, write) = (&proposal, &write);
        let proposing = Proposing { cluster, proposal, write, partition, consistency, deadline };
        // Who accepts knows better, so nobody is asked before; but a refusal is told only of the newest.
        let mut newest: Option<Found> = None;
        loop {
            proposal.judging();
            match (self.store.propose(write.clone()).await?, newest.take()) {
                (Proposed::Stamped { record, over }, _) => {
                    match proposing.carry_out(record, over).await {
                        Ok(acknowledged) => return Ok(acknowledged),
                        Err(Failed::Refused(refused)) => return Err(refused),
                        Err(Failed::Passed) => {}
                    }
                }
                // Everything newer had been read.
                (Proposed::Decided(written), Some(read)) => {
                    return self.refuse(name, &written, read, consistency, deadline).await;
                }
                (Proposed::Decided(_), None) => {}
            }
            let read = self.read_owners(name, consistency, deadline).await.map_err(of_read)?;
            newest = Some(read);
        }
    }
}

impl Proposing<'_> {
    async fn carry_out(
        &self,
        record: Record,
        over: Option<Version>,
    ) -> Result<Acknowledged, Failed> {
        let version = record.version;
        self.proposal.stamped(version);
        let (accepted, owners) = self.ask_others(&record, over).await?;
        let arrival = Arrival {
            name: self.write.name.clone(),
            record,
            request: self.write.request.clone(),
            fresh: false,
            over: Over::Judged(over),
        };
        let taking = self.cluster.take_in(vec![arrival], self.write.durability);
        let stands_here = match timeout_at(self.deadline, taking).await {
            Ok(Ok(taken)) => taken.first().is_none_or(|taken| match taken {
                TakenIn::Applied { .. } => true,
                // What came over it meanwhile came later: unless that was judged on the same.
                TakenIn::Kept(it) if it.version > version => {
                    accepted > 0 && !self.proposal.is_overtaken()
                }
                TakenIn::Kept(it) => it.version == version,
            }),
            Ok(Err(error)) if accepted == 0 => return Err(Failed::Refused(error.into())),
            Ok(Err(_)) | Err(_) => return Err(self.surfaces()),
        };
        match (stands_here, accepted) {
            (true, _) => Ok(Acknowledged { version, replicas: replicas(accepted + 1, owners) }),
            (false, 0) => Err(Failed::Passed),
            (false, _) => Err(self.surfaces()),
        }
    }

    /// Waits until enough others have accepted: how many did, of how many owners.
    async fn ask_others(
        &self,
        record: &Record,
        over: Option<Version>,
    ) -> Result<(usize, usize), Failed> {
        let Write { name, request, durability, .. } = self.write;
        let text = AcceptText::of((name, record), request.as_ref(), over, *durability);
        let mut accepted = BTreeSet::new();
        // Somebody may have it who did not say so.
        let mut unknown = false;
        let mut asked = BTreeSet::new();
        let mut asking = FuturesUnordered::new();
        let mut resting = FuturesUnordered::new();
        let mut changes = self.cluster.changes();
        let ask_more_at = Instant::now() + Duration::from_millis(ASK_NEXT_MILLIS);
        let mut ask_more = false;
        loop {
            changes.mark_unchanged();
            let (owners, live, needed) = self.others();
            let stand = owners.iter().filter(|owner| accepted.contains(*owner)).count();
            let surfaces = unknown || !accepted.is_empty() || !asking.is_empty();
            let needed = match needed {
                Ok(needed) if stand >= needed => return Ok((stand, owners.len())),
                Ok(needed) => needed,
                Err(lack) => return Err(Failed::Refused(not_enough(lack, surfaces))),
            };
            let candidates = live.into_iter().filter(|it| *it != self.cluster.me);
            for owner in candidates.filter(|it| !accepted.contains(it)) {
                if (ask_more || stand + asking.len() < needed) && asked.insert(owner) {
                    let text = &text;
                    asking
                        .push(async move { (owner, accept::ask(self.cluster, owner, text).await) });
                }
            }
            tokio::select! {
                Some((owner, said)) = asking.next() => match said {
                    Said::Accepted => drop(accepted.insert(owner)),
                    Said::Refused if unknown || !accepted.is_empty() || !asking.is_empty() => {
                        return Err(self.surfaces());
                    }
                    Said::Refused => return Err(Failed::Passed),
                    Said::NotYet | Said::Unknown => {
                        unknown |= said == Said::Unknown;
                        resting.push(async move {
                            sleep(Duration::from_millis(LOOK_AGAIN_MILLIS)).await;
                            owner
                        });
                    }
                },
                Some(owner) = resting.next() => drop(asked.remove(&owner)),
                _ = changes.changed() => {}
                () = sleep_until(ask_more_at), if !ask_more => ask_more = true,
                () = sleep_until(self.deadline) => {
                    // Somebody may have been asked again just now.
                    let surfaces = surfaces || !asking.is_empty();
                    let refused = late(self.cluster, self.partition, self.consistency, surfaces);
                    return Err(Failed::Refused(refused));
                }
            }
        }
    }

    /// The owners, the live ones among them in their order, and how many others must accept.
    fn others(&self) -> (Vec<NodeId>, Vec<NodeId>, Result<usize, NotEnough>) {
        let view = self.cluster.view();
        let owners = view.serving(self.partition);
        let live = self.cluster.live_serving(&view, self.partition);
        let here = usize::from(owners.contains(&self.cluster.me));
        let needed = quorum::needed(self.consistency, owners.len(), live.len());
        (owners, live, needed.map(|needed| needed.saturating_sub(here)))
    }

    /// Somebody has it, or may have it.
    fn surfaces(&self) -> Failed {
        Failed::Refused(late(self.cluster, self.partition, self.consistency, true))
    }
}
