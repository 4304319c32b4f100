//! Handing over: what others lack of what a node holds that leaves (design section 5).
//!
//! What it serves must stand, on stable storage and to the end of its feed, at all live members that are to
//! own it, and at as many of them as `replication` says, or as are there; and they must say that they serve
//! it. A member that is down is not waited for, but where its copy is needed for that.

use std::collections::BTreeSet;

use dynarust_core::{NodeId, Partition, PartitionSet};

use super::View;

/// What others lack.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lacking {
    /// What is not handed over.
    pub(super) partitions: PartitionSet,
    /// Those that are there and read, or copy.
    pub(super) reading: BTreeSet<NodeId>,
    /// Those that are down, and without whom there are too few.
    pub(super) down: BTreeSet<NodeId>,
}

/// Of the node that leaves.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    /// What it served when it began to leave.
    pub(super) served: &'a PartitionSet,
    /// Of which it has nothing. Of all other partitions it may: from before it joined, or dropped lately.
    pub(super) empty: &'a PartitionSet,
}

impl Lacking {
    /// What others lack. `is_live` tells who is there, and `has_read` who has read of a partition all that
    /// this node's feed has of it.
    pub(super) fn of(
        view: &View,
        parts: Parts<'_>,
        replication: u8,
        is_live: impl Fn(NodeId) -> bool,
        has_read: impl Fn(NodeId, Partition) -> bool,
    ) -> Self {
        let live: BTreeSet<NodeId> = staying(view).filter(|id| is_live(*id)).collect();
        let enough = live.len().min(usize::from(replication)).max(1);
        let mut lacking = Self::default();
        for partition in Partition::all() {
            let is_served = parts.served.contains(partition);
            if !is_served && parts.empty.contains(partition) {
                continue;
            }
            let has = |id: &NodeId| {
                let serves = || view.registry.get(*id).is_some_and(|it| it.serves(partition));
                has_read(*id, partition) && (!is_served || serves())
            };
            let owners = view.placement.owners(partition).iter();
            let (there, down): (Vec<NodeId>, Vec<NodeId>) =
                owners.partition(|id| live.contains(id));
            // What it does not serve counts among no copies: one who has it gives it to the others.
            let too_few = there.len() < if is_served { enough } else { 1 };
            let reading: Vec<NodeId> = there.into_iter().filter(|id| !has(id)).collect();
            if too_few || !reading.is_empty() {
                lacking.partitions.insert(partition);
            }
            if too_few {
                lacking.down.extend(down);
            }
            lacking.reading.extend(reading);
        }
        lacking
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.partitions.is_empty()
    }
}

/// Those that are to own what this node gives away.
pub(super) fn staying(view: &View) -> impl Iterator<Item = NodeId> {
    view.others().filter(|member| member.is_desired()).map(|member| member.id)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dynarust_core::limits::WEIGHT_DEFAULT;
    use dynarust_core::placement::Placement;
    use dynarust_core::{ClusterId, Incarnation, Member, MemberState, Registry};

    use super::*;

    const REPLICATION: u8 = 3;
    /// It leaves.
    const ME: NodeId = NodeId(1);

    fn member(id: u64) -> Member {
        Member {
            id: NodeId(id),
            incarnation: Incarnation(1),
            revision: 1,
            address: format!("host-{id}:6660").into(),
            zone: None,
            weight: WEIGHT_DEFAULT,
            state: if NodeId(id) == ME { MemberState::Leaving } else { MemberState::Up },
            serves: PartitionSet::all(),
            dropped: PartitionSet::default(),
        }
    }

    fn view(members: impl IntoIterator<Item = Member>) -> View {
        let registry: Registry = members.into_iter().collect();
        let placement = Arc::new(Placement::of(&registry, REPLICATION));
        View { me: ME, cluster: Some(ClusterId(1)), registry, placement }
    }

    fn lacking(view: &View, down: &[u64], unread: &[u64]) -> Lacking {
        Lacking::of(
            view,
            Parts { served: &PartitionSet::all(), empty: &PartitionSet::default() },
            REPLICATION,
            |id| !down.contains(&id.0),
            |id, _| !unread.contains(&id.0),
        )
    }

    fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn all_live_owners_must_have_read_it_and_say_that_they_serve_it() {
        let four = view((1..=4).map(member));
        assert!(lacking(&four, &[], &[]).is_nothing());
        let one_reads = lacking(&four, &[], &[3]);
        assert_eq!((one_reads.partitions.len(), one_reads.reading), (1024, ids(&[3])));
        let copies = |id| Member { serves: PartitionSet::default(), ..member(id) };
        let one_copies = lacking(&view([member(1), member(2), copies(3), member(4)]), &[], &[]);
        assert_eq!((one_copies.partitions.len(), one_copies.reading), (1024, ids(&[3])));
    }

    #[test]
    fn one_that_is_down_is_waited_for_where_there_are_too_few_without_it() {
        // Two are left, and both have all.
        assert!(lacking(&view((1..=4).map(member)), &[4], &[]).is_nothing());
        // Four could hold three copies of each; of what the one that is down is to own there are two.
        let six = view((1..=6).map(member));
        let waits = lacking(&six, &[5], &[]);
        assert_eq!((waits.down, waits.reading), (ids(&[5]), ids(&[])));
        assert_eq!(waits.partitions, six.placement.owned(NodeId(5)));
    }

    #[test]
    fn nobody_is_no_owner() {
        for all_down in [&[2, 3][..], &[3, 2, 4]] {
            let three = lacking(&view((1..=3).map(member)), all_down, &[]);
            assert_eq!((three.partitions.len(), three.down), (1024, ids(&[2, 3])));
        }
        let leaves = |id| Member { state: MemberState::Leaving, ..member(id) };
        let nobody_stays = lacking(&view([member(1), leaves(2)]), &[], &[]);
        assert_eq!((nobody_stays.partitions.len(), nobody_stays.down), (1024, ids(&[])));
    }

    #[test]
    fn what_it_does_not_serve_is_read_too_where_it_may_hold_something() {
        let four = view((1..=4).map(member));
        let lacks = |empty: &PartitionSet| {
            let parts = Parts { served: &PartitionSet::default(), empty };
            Lacking::of(&four, parts, REPLICATION, |_| true, |id, _| id.0 != 2)
        };
        assert_eq!(lacks(&PartitionSet::default()).reading, ids(&[2]));
        assert!(lacks(&PartitionSet::all()).is_nothing());
    }
}
