//! Whether this node's wall clock agrees with the others' (design section 2).
//!
//! Each link measures how far the two clocks are apart. A node that a majority of all members contradicts
//! is fenced: it stamps nothing, answers nothing, expires nothing and forgets no tombstones, until its clock
//! is set. So it is, too, from its start until it has compared its clock.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::PING_MILLIS;
use dynarust_core::skew::{self, Verdict};
use tokio::time::sleep;

use super::state::Cluster;
use crate::mesh::Channel;

impl Cluster {
    /// Judges the own clock, again and again.
    pub(super) async fn watch_clock(self: Arc<Self>) {
        loop {
            self.judge_clock();
            sleep(Duration::from_millis(PING_MILLIS)).await;
        }
    }

    /// Every link that is there has measured it.
    pub(super) fn clocks_are_compared(&self) -> bool {
        self.peers()
            .iter()
            .filter_map(|peer| peer.link(Channel::Data))
            .all(|link| link.clock_ahead_millis().is_some())
    }

    /// Some clock is off, its own or another's, and those who could tell which are not all met.
    pub(super) fn may_be_fenced(&self) -> bool {
        let (verdict, _) = self.compare_clocks();
        let is_met = |id| self.peer(id).is_some_and(|peer| peer.link(Channel::Data).is_some());
        verdict == Verdict::Unsure && !self.view().others().all(|member| is_met(member.id))
    }

    /// The verdict on this node's clock, and how far it is ahead of the others'.
    fn compare_clocks(&self) -> (Verdict, Vec<i64>) {
        let view = self.view();
        let ahead = |id| self.peer(id)?.link(Channel::Data)?.clock_ahead_millis();
        let offsets: Vec<i64> = view.others().filter_map(|member| ahead(member.id)).collect();
        (skew::verdict(view.members().count(), offsets.iter().copied()), offsets)
    }

    /// It has had the time to compare its clock with all that are there.
    fn knows_others_clocks(&self) -> bool {
        self.is_alone() || self.is_ready() && self.clocks_are_compared()
    }

    pub(super) fn judge_clock(&self) {
        let (verdict, offsets) = self.compare_clocks();
        self.store.trust_clock(verdict != Verdict::Fenced && self.knows_others_clocks());
        let before = std::mem::replace(&mut *self.clock_verdict.lock(), verdict);
        if verdict == before {
            return;
        }
        match verdict {
            Verdict::Fine => tracing::info!("this node's clock agrees with the others' again"),
            Verdict::Unsure => tracing::warn!(
                ?offsets,
                "this node's clock and another's are more than half a second apart, and no majority \
                 tells which is off: set the clocks"
            ),
            Verdict::Fenced => tracing::error!(
                ?offsets,
                "this node's clock is more than half a second off from a majority's: it answers nothing \
                 until it is set"
            ),
        }
    }

    /// This node's clock is off: it stamps nothing, and answers no client.
    pub(crate) fn is_fenced(&self) -> bool {
        self.clock_verdict() == Verdict::Fenced
    }

    pub(crate) fn clock_verdict(&self) -> Verdict {
        *self.clock_verdict.lock()
    }
}
