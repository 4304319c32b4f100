//! Who goes: this node by itself, or another that is not coming back (design section 5).

use dynarust_core::NodeId;

use crate::Node;

/// Why nobody goes. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedChange {
    /// There is nobody to hand anything over to, or to remove.
    #[error("this node is alone: stop it, or let others join first")]
    Alone,
    /// Nobody that stays is there to take over: the others leave as well, or are down.
    #[error(
        "nobody would take over: all other nodes leave themselves, or are down; stop this node, or wait for them"
    )]
    NobodyStays,
    /// No member has this id.
    #[error("there is no node {0} in the cluster: `/membership` lists those that there are")]
    NoSuchMember(NodeId),
    /// It answers. A node that lives hands over what it holds.
    #[error("node {0} is there: let it leave instead, with `DynaRust leave`")]
    Alive(NodeId),
}

impl Node {
    /// The node begins to leave its cluster: it hands over what would have too few copies without it.
    /// [`Node::left`] tells when it has. Where nobody is there any more to take over, it gives up after a
    /// while, and stays.
    ///
    /// # Errors
    /// [`RefusedChange`].
    pub async fn leave(&self) -> Result<(), RefusedChange> {
        self.cluster.begin_to_leave()
    }

    /// Waits until the node has handed over, and may end: [`Node::go`] is the last step.
    pub async fn left(&self) {
        self.cluster.until_left().await;
    }

    /// Waits until the node, which leaves, has handed over, or has given up; tells which.
    pub async fn left_or_not(&self) -> bool {
        self.cluster.until_left_or_not().await
    }

    /// Tells the others that the node is gone, where it has handed over; else it is only down for them. When
    /// no request runs any more, and before connections with them end.
    pub async fn go(&self) {
        self.cluster.go().await;
    }

    /// Takes a node that is down out of the cluster at once, for good: it can come back only as a new
    /// one.
    ///
    /// # Errors
    /// [`RefusedChange`].
    pub async fn remove(&self, node: NodeId) -> Result<(), RefusedChange> {
        self.cluster.remove(node)
    }
}
