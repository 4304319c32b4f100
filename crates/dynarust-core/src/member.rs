//! Members: what a node says of itself to all others (design sections 4 and 5).
//!
//! Only the member itself changes what it says, and raises its revision with it ([`Member::revise`]);
//! one thing others may say: that it is gone ([`Member::gone`]). Of two sayings of one member the later
//! one is known without any clock:
//! - gone comes last, whatever incarnation: a member that is gone comes back under a new node id;
//! - then the higher incarnation, so that a restarted member needs nothing that it said before;
//! - then the higher revision.
//!
//! What comes behind that in the order is never needed: two that differ, with the same incarnation and
//! revision, are two nodes with one id, which is refused where they meet. It is there so that the order
//! is total, and all copies of a registry are equal even then.

use std::sync::Arc;

use crate::limits::{ADDRESS_BYTES_MAX, WEIGHT_MAX, ZONE_BYTES_MAX};
use crate::{NodeId, Partition, PartitionSet};

/// How many times a node has started. The first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// Where a member is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberState {
    /// It came in, and copies what it is to own.
    Joining,
    /// It serves what it owns.
    Up,
    /// It hands over what it owns, and goes then.
    Leaving,
    /// It left, or was removed or evicted. Final for this node id.
    Gone,
}

/// A node of the cluster, as it was last heard to describe itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, born with its data folder.
    pub id: NodeId,
    /// The start of which this tells.
    pub incarnation: Incarnation,
    /// The how-many-th saying of this start. The first is 1.
    pub revision: u64,
    /// Where others reach it: host and port.
    pub address: Arc<str>,
    /// What may fail as a whole with it: a room, a rack. Copies are spread over zones.
    pub zone: Option<Arc<str>>,
    /// How much of the data it takes, against others. See [`crate::limits::WEIGHT_DEFAULT`].
    pub weight: u16,
    /// Where it is in its life.
    pub state: MemberState,
    /// The partitions that it holds in full, and answers for.
    pub serves: PartitionSet,
    /// The partitions of which it holds nothing, and will take nothing in before it takes them out of
    /// this set. A new, empty member has dropped all.
    pub dropped: PartitionSet,
}

/// What is wrong with a member that somebody tells of; it is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// Empty, too long, or other than visible ASCII.
    #[error("an address is 1 to {ADDRESS_BYTES_MAX} bytes of visible ASCII")]
    Address,
    /// Empty, too long, or other than visible ASCII.
    #[error("a zone is 1 to {ZONE_BYTES_MAX} bytes of visible ASCII")]
    Zone,
    /// None, or too much.
    #[error("a weight is 1 to {WEIGHT_MAX}")]
    Weight,
}

impl Member {
    /// Whether what it says keeps the limits.
    ///
    /// # Errors
    /// The first [`MemberError`] that is found.
    pub fn check(&self) -> Result<(), MemberError> {
        if !is_visible(&self.address, ADDRESS_BYTES_MAX) {
            return Err(MemberError::Address);
        }
        if self.zone.as_ref().is_some_and(|zone| !is_visible(zone, ZONE_BYTES_MAX)) {
            return Err(MemberError::Zone);
        }
        if !(1..=WEIGHT_MAX).contains(&self.weight) {
            return Err(MemberError::Weight);
        }
        Ok(())
    }

    /// Whether it is to own partitions: it came in, and does not go.
    #[must_use]
    pub fn is_desired(&self) -> bool {
        matches!(self.state, MemberState::Joining | MemberState::Up)
    }

    /// Whether it is gone for good.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.state == MemberState::Gone
    }

    /// Whether it says that it holds the partition in full.
    #[must_use]
    pub fn serves(&self, partition: Partition) -> bool {
        !self.is_gone() && self.serves.contains(partition)
    }

    /// Whether it may hold records of the partition: tombstones wait for it.
    #[must_use]
    pub fn may_hold(&self, partition: Partition) -> bool {
        !self.is_gone() && !self.dropped.contains(partition)
    }

    /// What it says next. Only the member itself calls this.
    #[must_use]
    pub fn revise(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        let Self { id, incarnation, revision, .. } = *self;
        Self { id, incarnation, revision: revision.saturating_add(1), ..next }
    }

    /// The member once it is gone: where it was and which it was, and no partition.
    #[must_use]
    pub fn gone(mut self) -> Self {
        self.state = MemberState::Gone;
        self.serves = PartitionSet::default();
        self.dropped = PartitionSet::all();
        self
    }

    /// Whether this one is the later of two sayings of one member.
    #[must_use]
    pub fn is_later_than(&self, other: &Self) -> bool {
        self.order() > other.order()
    }

    fn order(&self) -> impl Ord + '_ {
        (
            (self.is_gone(), self.incarnation, self.revision),
            (&self.address, &self.zone, self.weight, self.state, &self.serves, &self.dropped),
        )
    }
}

fn is_visible(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A member that serves nothing yet, of its first incarnation.
    pub(crate) fn member(id: u64) -> Member {
        Member {
            id: NodeId(id),
            incarnation: Incarnation(1),
            revision: 1,
            address: format!("host-{id}:6660").into(),
            zone: None,
            weight: crate::limits::WEIGHT_DEFAULT,
            state: MemberState::Up,
            serves: PartitionSet::default(),
            dropped: PartitionSet::all(),
        }
    }

    #[test]
    fn what_breaks_a_limit_is_told() {
        let checked = |change: fn(&mut Member)| {
            let mut member = member(1);
            change(&mut member);
            member.check()
        };
        assert_eq!(checked(|_| ()), Ok(()));
        assert_eq!(checked(|member| member.address = "[::1]:6660".into()), Ok(()));
        assert_eq!(checked(|member| member.address = "".into()), Err(MemberError::Address));
        assert_eq!(checked(|member| member.address = "a\nb".into()), Err(MemberError::Address));
        assert_eq!(
            checked(|member| member.address = "a".repeat(ADDRESS_BYTES_MAX + 1).into()),
            Err(MemberError::Address)
        );
        assert_eq!(checked(|member| member.zone = Some("eu-1".into())), Ok(()));
        assert_eq!(checked(|member| member.zone = Some("".into())), Err(MemberError::Zone));
        assert_eq!(
            checked(|member| member.zone = Some("z".repeat(ZONE_BYTES_MAX + 1).into())),
            Err(MemberError::Zone)
        );
        assert_eq!(checked(|member| member.weight = 0), Err(MemberError::Weight));
        assert_eq!(checked(|member| member.weight = WEIGHT_MAX + 1), Err(MemberError::Weight));
    }

    #[test]
    fn gone_comes_last_then_incarnation_then_revision() {
        let first = member(1);
        let second = first.revise(|next| next.zone = Some("b".into()));
        assert_eq!((second.revision, second.incarnation), (2, Incarnation(1)));
        let restarted = Member { incarnation: Incarnation(2), ..first.clone() };
        let rising =
            [&first, &second, &restarted, &first.clone().gone(), &restarted.clone().gone()];
        for (nth, earlier) in rising.iter().enumerate() {
            for later in rising.iter().skip(nth + 1) {
                assert!(later.is_later_than(earlier));
                assert!(!earlier.is_later_than(later));
            }
            assert!(!earlier.is_later_than(earlier));
        }
    }

    #[test]
    fn a_revision_never_changes_whose_it_is() {
        let next = member(1).revise(|next| {
            next.id = NodeId(2);
            next.incarnation = Incarnation(9);
            next.revision = 70;
        });
        assert_eq!(next, Member { revision: 2, ..member(1) });
    }

    #[test]
    fn who_is_gone_serves_and_holds_nothing() {
        let partition = Partition::new(7).unwrap();
        let mut member = member(1);
        assert!(!member.may_hold(partition) && !member.serves(partition));
        member.dropped.remove(partition);
        assert!(member.may_hold(partition) && !member.serves(partition));
        member.serves.insert(partition);
        assert!(member.may_hold(partition) && member.serves(partition));
        let gone = member.gone();
        assert!(!gone.may_hold(partition) && !gone.serves(partition));
    }

    #[test]
    fn who_leaves_or_is_gone_is_not_desired() {
        let desired = |state| Member { state, ..member(1) }.is_desired();
        assert!(desired(MemberState::Joining) && desired(MemberState::Up));
        assert!(!desired(MemberState::Leaving) && !desired(MemberState::Gone));
    }
}
