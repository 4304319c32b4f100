//! How this node goes by itself: once others hold what it held (design section 5).
//!
//! ```text
//! says that it leaves ─▶ others copy ─▶ agree ─▶ serves nothing ─▶ agree ─▶ all is held ─▶ handed over
//!                           ◀── nobody stays: it gives up, and stays ──┘
//! handed over ─▶ the front door closes, what runs ends ─▶ is gone, and says so ─▶ the last note
//! ```
//!
//! - Until it serves nothing it takes writes and answers as any owner. From then on it hands all requests on
//!   to others, and its copy counts for nobody; so nothing is acknowledged that only it has.
//! - New owners are counted everywhere before it is not ([`agree`](super::agree)).
//! - It is gone only at the very end: its id never comes back. Killed before that, it stays when it starts
//!   again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{
    GO_MILLIS_MAX, LEAVE_ALONE_MILLIS_MAX, LEAVE_LOOK_MILLIS, LEAVE_SAY_MILLIS, LOOK_AGAIN_MILLIS,
};
use dynarust_core::{MemberState, NodeId, PartitionSet, Seq};
use tokio::time::{Instant, sleep, timeout};

use super::View;
use super::hand_over::{Lacking, Parts, staying};
use super::state::Cluster;
use crate::leaving::RefusedChange;
use crate::mesh::Channel;

/// Whether this node leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It does not, or has given up.
    Stays,
    /// Others take over.
    UnderWay,
    /// It may end.
    HandedOver,
}

/// Nobody was there for long who could take over.
struct NobodyStays;

/// What is to be handed over.
struct Held {
    partitions: PartitionSet,
    /// What was published before it left. Others read it without a sync behind each part, so they must have
    /// remembered that they have it; what comes later is as durable there as it is here.
    past: Seq,
}

impl Cluster {
    /// Says that this node leaves, so that others take over what it holds.
    pub(crate) fn begin_to_leave(self: &Arc<Self>) -> Result<(), RefusedChange> {
        let view = self.view();
        if view.others().next().is_none() {
            return Err(RefusedChange::Alone);
        }
        let begins = self.departure.send_if_modified(|departure| {
            let begins = *departure == Departure::Stays && self.somebody_stays(&view);
            if begins {
                *departure = Departure::UnderWay;
            }
            begins
        });
        if begins {
            tracing::info!("this node leaves its cluster once others hold what it holds");
            self.change_own(|own| own.state = MemberState::Leaving);
            let cluster = Arc::clone(self);
            self.spawn(async move { cluster.leave().await });
        }
        if *self.departure.borrow() == Departure::Stays {
            return Err(RefusedChange::NobodyStays);
        }
        Ok(())
    }

    fn somebody_stays(&self, view: &View) -> bool {
        staying(view).any(|id| self.liveness(id).is_live())
    }

    async fn leave(self: Arc<Self>) {
        let departure = match self.hand_over().await {
            Ok(()) => {
                tracing::info!("others hold what this node held: it goes");
                Departure::HandedOver
            }
            Err(NobodyStays) => {
                tracing::warn!(
                    "this node stays: all others leave as well, or are down, and nobody could take over"
                );
                // What it served until it was nearly gone, it copies what it missed of.
                self.change_own(|own| {
                    let none = own.serves.is_empty();
                    own.state = if none { MemberState::Joining } else { MemberState::Up };
                });
                Departure::Stays
            }
        };
        self.figures.has_to_hand_over(0);
        self.departure.send_replace(departure);
    }

    async fn hand_over(self: &Arc<Self>) -> Result<(), NobodyStays> {
        let held = self.view().own().map(|own| own.serves.clone()).unwrap_or_default();
        let held = Held { partitions: held, past: self.store.position().seq };
        let mut waiting = Waiting::new();
        loop {
            self.until_handed_over(&held, &mut waiting).await?;
            self.until_agreed(&mut waiting).await?;
            // Members may have come and gone meanwhile.
            if self.lacking(&held, 0).is_nothing() {
                break;
            }
        }
        self.change_own(|own| own.serves = PartitionSet::default());
        self.until_agreed(&mut waiting).await?;
        self.until_handed_over(&held, &mut waiting).await
    }

    /// Waits until others have what this node has published by then.
    async fn until_handed_over(
        self: &Arc<Self>,
        held: &Held,
        waiting: &mut Waiting,
    ) -> Result<(), NobodyStays> {
        // Not later ones as well: where links are slow, others never have what is written just now.
        let head = self.store.position().seq;
        loop {
            sleep(Duration::from_millis(LEAVE_LOOK_MILLIS)).await;
            let lacking = self.lacking(held, head);
            self.figures.has_to_hand_over(lacking.partitions.len().into());
            if lacking.is_nothing() {
                return Ok(());
            }
            waiting.look(self, || lacking.to_string())?;
        }
    }

    async fn until_agreed(self: &Arc<Self>, waiting: &mut Waiting) -> Result<(), NobodyStays> {
        while let Err(unsure) = self.agree().await {
            waiting.look(self, || format!("that {} know of it", listed(&unsure)))?;
            sleep(Duration::from_millis(LEAVE_LOOK_MILLIS)).await;
        }
        Ok(())
    }

    fn lacking(&self, held: &Held, head: Seq) -> Lacking {
        let epoch = self.store.position().epoch;
        let has_read = |id, partition| {
            self.acks.has_all(id, partition, head)
                && self.remembered.reaches(id, epoch, partition, held.past)
        };
        let is_live = |id| self.liveness(id).is_live();
        let view = self.view();
        let dropped = view.own().map(|own| own.dropped.clone()).unwrap_or_default();
        let parts = Parts {
            served: &held.partitions,
            empty: &dropped.difference(&self.moves.not_emptied(&dropped)),
        };
        Lacking::of(&view, parts, self.config.replication, is_live, has_read)
    }

    /// Waits until this node has handed over.
    pub(crate) async fn until_left(&self) {
        self.until_departure(|departure| departure == Departure::HandedOver).await;
    }

    /// Waits until this node has handed over, or has given up; tells which.
    pub(crate) async fn until_left_or_not(&self) -> bool {
        self.until_departure(|departure| departure != Departure::UnderWay).await
            == Departure::HandedOver
    }

    async fn until_departure(&self, is_it: impl Fn(Departure) -> bool) -> Departure {
        let mut departure = self.departure.subscribe();
        let departed = departure.wait_for(|departure| is_it(*departure)).await.map(|it| *it);
        match departed {
            Ok(departure) => departure,
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether this node goes by its own will: that it is gone is no failure then.
    pub(super) fn has_handed_over(&self) -> bool {
        *self.departure.borrow() == Departure::HandedOver
    }

    /// The last of a node that has handed over, when nothing runs any more: it is gone, and the others know.
    pub(crate) async fn go(self: &Arc<Self>) {
        if !self.has_handed_over() {
            return;
        }
        let patience = Duration::from_millis(GO_MILLIS_MAX);
        // What was begun before it served nothing, and ended after.
        if timeout(patience, self.until_all_have_all()).await.is_err() {
            tracing::info!("somebody lacks the last writes, which were acknowledged by others");
        }
        self.mark_gone(self.me);
        let links = || self.peers().into_iter().any(|peer| peer.link(Channel::Data).is_some());
        // Who hears of it ends its links.
        let heard = async {
            while links() {
                sleep(Duration::from_millis(LOOK_AGAIN_MILLIS)).await;
            }
        };
        if timeout(patience, heard).await.is_err() {
            tracing::warn!("not everybody heard that this node has left");
        }
        tracing::info!("this node has left its cluster");
    }
}

/// What is told of a wait, and when it is given up.
struct Waiting {
    told: Instant,
    alone_since: Option<Instant>,
}

impl Waiting {
    fn new() -> Self {
        Self { told: Instant::now(), alone_since: None }
    }

    fn look(
        &mut self,
        cluster: &Arc<Cluster>,
        what: impl FnOnce() -> String,
    ) -> Result<(), NobodyStays> {
        if cluster.somebody_stays(&cluster.view()) {
            self.alone_since = None;
        } else {
            let since = *self.alone_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= Duration::from_millis(LEAVE_ALONE_MILLIS_MAX) {
                return Err(NobodyStays);
            }
        }
        if self.told.elapsed() >= Duration::from_millis(LEAVE_SAY_MILLIS) {
            self.told = Instant::now();
            tracing::info!("still leaving: this node waits for {}", what());
        }
        Ok(())
    }
}

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} partitions", self.partitions.len())?;
        if !self.reading.is_empty() {
            write!(f, ", which {} copy or read", listed(&self.reading))?;
        }
        if !self.down.is_empty() {
            let down = listed(&self.down);
            write!(f, ", and for {down}, without which there are too few copies: down")?;
            write!(f, " (start it, or take it out with `DynaRust remove`)")?;
        }
        Ok(())
    }
}

fn listed<'a>(nodes: impl IntoIterator<Item = &'a NodeId>) -> String {
    let nodes: BTreeSet<String> = nodes.into_iter().map(|id| format!("node {id}")).collect();
    nodes.into_iter().collect::<Vec<_>>().join(", ")
}
