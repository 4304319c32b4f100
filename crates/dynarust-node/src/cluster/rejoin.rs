//! Rejoining: a node whose id is gone comes back under a new one; with its records, where it was not away for
//! too long (design section 5).
//!
//! ```text
//! gone ─▶ recent? ─▶ the folder is made a new node's ─▶ joins ─▶ still, by the host's clock? ─▶ member
//!           │ no        (`dynarust_store::renew`)                    │ no
//!           └───────────▶ the folder is put aside, an empty one joins ◀──┘
//! ```
//!
//! What was deleted elsewhere meanwhile must find its tombstone there. Those are kept for `--tombstone-age`
//! once nobody waits for the node that is gone. So what counts is until when the node had missed nothing of
//! any other member, and not when it was stopped: it is *complete until* then.
//!
//! Invariants:
//! - that time is never later than is true: it is looked at before the note that has it, and what it speaks
//!   of is on stable storage before that;
//! - a time that is not known, or is yet to come by either clock, counts as too long ago;
//! - that goes for the partitions that it served. Where there are records of others, all stays behind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dynarust_core::limits::{COMPLETE_PAUSE_MILLIS, REJOIN_ALLOWANCE_MILLIS};
use dynarust_core::skew::Verdict;
use dynarust_core::{ClusterId, Member, Partition, PartitionSet, UnixMillis};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::ClusterError;
use super::note::Note;
use super::state::Cluster;
use crate::mesh::{Channel, Refusal};

/// What the folder of a node that is gone holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Holdings {
    /// Whoever deleted one of its records still knows: they come along.
    #[error("it was away for {} s, which is within --rejoin-max", away.as_secs())]
    Recent {
        /// For how long it may have missed what others have.
        away: Duration,
    },
    /// Deletes that it missed may be forgotten.
    #[error("it was away for {} s, which is not within --rejoin-max", away.as_secs())]
    Old {
        /// For how long it may have missed what others have.
        away: Duration,
    },
    /// For how long it was away cannot be told: it had not caught up yet, or a clock is off.
    #[error("for how long it was away cannot be told")]
    Unknown,
    /// It has records of partitions that it did not serve: it had not taken them in whole yet, or was about
    /// to drop them.
    #[error("it has records of partitions that it did not serve")]
    Partial,
}

/// Until when this node has missed nothing of any other member; 0 where that is not known.
#[derive(Debug, Default)]
pub(super) struct Completeness {
    until: AtomicU64,
    /// How many members were gone, and when one more was found to be.
    gone: Mutex<(usize, Option<Instant>)>,
}

impl Completeness {
    pub(super) fn until(time: UnixMillis) -> Self {
        Self { until: AtomicU64::new(time), ..Self::default() }
    }

    /// Whether a member was given up a moment ago. It may have given up this node at the same time, and then
    /// this node is to have missed nothing of it, either: until that would have been heard, nothing new counts.
    fn is_uncertain(&self, gone: usize) -> bool {
        let mut known = self.gone.lock();
        if known.0 != gone {
            *known = (gone, Some(Instant::now()));
        }
        let pause = Duration::from_millis(COMPLETE_PAUSE_MILLIS);
        known.1.is_some_and(|since| since.elapsed() < pause)
    }

    fn reaches(&self, until: UnixMillis) -> UnixMillis {
        self.until.fetch_max(until, Ordering::Relaxed).max(until)
    }
}

/// A member that is gone, whose folder is this node's now.
#[derive(Debug)]
pub(super) struct Former {
    pub(super) cluster: ClusterId,
    /// Where the others were.
    pub(super) addresses: Vec<String>,
    /// What it served: that is here.
    served: PartitionSet,
}

impl Former {
    /// By what it had noted.
    pub(super) fn of(note: &Note) -> Self {
        let others = note.registry.members().filter(|member| member.id != note.by);
        let addresses = others.map(|member| member.address.to_string()).collect();
        Self { cluster: note.cluster, addresses, served: note.served.clone() }
    }
}

impl Cluster {
    /// Whether this node has brought the partition along from a former life.
    pub(crate) fn has_brought(&self, partition: Partition) -> bool {
        self.former.as_ref().is_some_and(|former| former.served.contains(partition))
    }

    /// Looks until when this node has missed nothing.
    pub(super) fn look_how_complete(&self) -> UnixMillis {
        let view = self.view();
        let until = |member: &Member| {
            let peer = self.peer(member.id)?;
            let link = peer.link(Channel::Data).filter(|_| peer.taking.is_contiguous())?;
            link.heard_all_until()
        };
        let gone = view.registry.iter().count() - view.members().count();
        let all: Option<Vec<UnixMillis>> = match self.completeness.is_uncertain(gone) {
            true => None,
            false => view.others().map(until).collect(),
        };
        // With nobody left it stays as it was.
        self.completeness.reaches(all.and_then(|all| all.into_iter().min()).unwrap_or(0))
    }

    /// This node was removed, or evicted.
    pub(super) fn gone(&self) -> ClusterError {
        let view = self.view();
        let live = view.others().find(|it| self.liveness(it.id).is_live());
        let member = live.or_else(|| view.others().next()).map(|it| it.address.to_string());
        let holdings = match self.holdings(self.clock.now()) {
            Holdings::Recent { .. } if self.clock_verdict() == Verdict::Fenced => Holdings::Unknown,
            holdings => holdings,
        };
        ClusterError::Gone { member, holdings }
    }

    /// It cannot join that host with what it brought along from its former life.
    pub(super) fn is_too_old(&self, host: &str) -> ClusterError {
        let holdings = match self.holdings(self.clock.now()) {
            // Then it is by the host's clock, which differs.
            Holdings::Recent { .. } => Holdings::Unknown,
            holdings => holdings,
        };
        ClusterError::Gone { member: Some(host.to_owned()), holdings }
    }

    /// Whether it may join that cluster with what its folder holds from a former life, if it had one.
    pub(super) fn judge_return(&self, cluster: ClusterId, now: UnixMillis) -> Result<(), Refusal> {
        match &self.former {
            None => Ok(()),
            Some(former) if former.cluster != cluster => Err(Refusal::Cluster),
            Some(_) if self.held().is_none() => Err(Refusal::NotReady),
            Some(_) => match self.holdings_by_both(now) {
                Holdings::Recent { .. } => Ok(()),
                _ => Err(Refusal::Old),
            },
        }
    }

    /// The worse of what both clocks tell.
    fn holdings_by_both(&self, host_now: UnixMillis) -> Holdings {
        match self.holdings(self.clock.now()) {
            Holdings::Recent { .. } => self.holdings(host_now),
            worse => worse,
        }
    }

    /// What of the folder counts at this time.
    fn holdings(&self, now: UnixMillis) -> Holdings {
        let Some(away) = away(self.look_how_complete(), now) else {
            return Holdings::Unknown;
        };
        if !is_short(away, self.config.rejoin_max) {
            Holdings::Old { away }
        } else if self.holds_more_than_it_served() {
            Holdings::Partial
        } else {
            Holdings::Recent { away }
        }
    }

    /// Whether there are records of partitions that it did not serve, by its last note. It may have missed
    /// deletes of them however short it was away; and they may be the only copies.
    fn holds_more_than_it_served(&self) -> bool {
        let note = self.store.kept().and_then(|note| Note::read(&note));
        let served = note.map(|note| note.served).unwrap_or_default();
        // While it is not known what is held, nothing is refused: it is looked at again before it joins.
        self.held().is_some_and(|held| !held.difference(&served).is_empty())
    }
}

fn away(complete_until: UnixMillis, now: UnixMillis) -> Option<Duration> {
    let since = Some(complete_until).filter(|until| *until > 0)?;
    now.checked_sub(since).map(Duration::from_millis)
}

fn is_short(away: Duration, rejoin_max: Duration) -> bool {
    away + Duration::from_millis(REJOIN_ALLOWANCE_MILLIS) <= rejoin_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_told_is_too_long() {
        let millis = |away: Option<Duration>| away.map(|away| away.as_millis());
        assert_eq!(millis(away(1_000, 3_000)), Some(2_000));
        assert_eq!(millis(away(1_000, 1_000)), Some(0));
        assert_eq!(millis(away(0, 3_000)), None);
        assert_eq!(millis(away(3_001, 3_000)), None);
    }

    #[test]
    fn what_was_under_way_counts_as_missed() {
        let most = Duration::from_secs(60);
        let allowed = most - Duration::from_millis(REJOIN_ALLOWANCE_MILLIS);
        assert!(is_short(Duration::ZERO, most) && is_short(allowed, most));
        assert!(!is_short(allowed + Duration::from_millis(1), most));
        assert!(!is_short(Duration::ZERO, Duration::ZERO));
    }
}
