//! What a node knows of its cluster at one moment: an immutable snapshot, replaced whole when something
//! changes, so that who decides sees one state of affairs.

use std::sync::Arc;

use dynarust_core::placement::Placement;
use dynarust_core::{ClusterId, Member, MemberState, NodeId, Partition, PartitionSet, Registry};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) me: NodeId,
    /// None while the node waits to join.
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) registry: Registry,
    pub(crate) placement: Arc<Placement>,
}

impl View {
    /// As the registry makes it.
    pub(super) fn of(
        me: NodeId,
        cluster: Option<ClusterId>,
        registry: Registry,
        replication: u8,
    ) -> Self {
        let placement = Arc::new(Placement::of(&registry, replication));
        Self { me, cluster, registry, placement }
    }

    /// The members that are not gone, this node among them.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.registry.members()
    }

    /// The other members that are not gone.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Member> {
        self.members().filter(|member| member.id != self.me)
    }

    /// There is nobody else, and it waits for nobody: what is acknowledged here is acknowledged.
    pub(crate) fn is_alone(&self) -> bool {
        self.cluster.is_some() && self.others().next().is_none()
    }

    /// This node's own entry.
    pub(crate) fn own(&self) -> Option<&Member> {
        self.registry.get(self.me)
    }

    /// Who holds the partition in full and says so, in the order in which they are asked.
    pub(crate) fn serving(&self, partition: Partition) -> Vec<NodeId> {
        let serves = |id: &NodeId| {
            self.registry.get(*id).is_some_and(|member| {
                member.state != MemberState::Gone && member.serves.contains(partition)
            })
        };
        let desired = self.placement.owners(partition);
        let mut serving: Vec<NodeId> = desired.iter().copied().filter(serves).collect();
        // Those that hold it still, though others shall.
        let former = self.members().map(|member| member.id);
        serving.extend(former.filter(|id| !desired.contains(id) && serves(id)));
        serving
    }

    /// Whether this node holds the partition in full.
    pub(crate) fn serves(&self, partition: Partition) -> bool {
        self.own().is_some_and(|own| own.serves.contains(partition))
    }

    /// The partitions whose writes this node takes in.
    pub(crate) fn wants(&self) -> PartitionSet {
        self.own().map(|own| self.wanted_by(own)).unwrap_or_default()
    }

    /// The partitions whose writes a member takes in: those that it serves, and those that it is to own, but
    /// for what it has dropped and not emptied yet.
    pub(crate) fn wanted_by(&self, member: &Member) -> PartitionSet {
        wanted(&self.placement, member)
    }
}

/// As [`View::wanted_by`].
pub(super) fn wanted(placement: &Placement, member: &Member) -> PartitionSet {
    let desired = placement.owned(member.id);
    member.serves.union(&desired.difference(&member.dropped))
}
