//! What a node is told of its cluster.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{
    BACKGROUND_BYTES_PER_SECOND_DEFAULT, DROP_AFTER_SECONDS_DEFAULT, EVICT_AFTER_SECONDS_DEFAULT,
    REJOIN_SECONDS_DEFAULT, REPLICATION_DEFAULT, WEIGHT_DEFAULT,
};
use zeroize::Zeroizing;

/// See the module.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// What all nodes of the cluster know. Without it the node runs alone, and refuses peers.
    pub secret: Option<Secret>,
    /// A node of the cluster to join: host and port. Without it the node founds a cluster of its own,
    /// or returns to the one that it remembers.
    pub join: Option<String>,
    /// Where others reach this node, where that is not where it listens: host and port.
    pub advertise: Option<String>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// How many nodes hold a record. More: more of them may be lost at a time. Less: less disk, and
    /// fewer nodes to wait for.
    pub replication: u8,
    /// What may fail as a whole with it: a room, a rack. Copies are spread over zones.
    pub zone: Option<Arc<str>>,
    /// How much of the data it takes, against others. More: more disk, and more requests.
    pub weight: u16,
    /// A member that is down for so long is evicted. More: less is copied for one that comes back.
    /// Less: what it held is copied sooner.
    pub evict_after: Duration,
    /// A node that is to own a partition no more drops its copy when everybody's ownership has stayed the same
    /// for so long. More: less is moved while nodes come and go. Less: disks are freed sooner.
    pub drop_after: Duration,
    /// A node that was evicted, and away for less, keeps its records when it comes back. More: less is
    /// copied. It must be less than tombstones are kept.
    pub rejoin_max: Duration,
    /// What copies, catching up and comparing may move in a second while clients are served. More: a new node
    /// serves sooner. Less: clients notice less of it.
    pub background_bytes_per_second: u64,
}

impl Default for ClusterConfig {
    /// A node alone.
    fn default() -> Self {
        Self {
            secret: None,
            join: None,
            advertise: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            replication: REPLICATION_DEFAULT,
            zone: None,
            weight: WEIGHT_DEFAULT,
            evict_after: Duration::from_secs(EVICT_AFTER_SECONDS_DEFAULT),
            drop_after: Duration::from_secs(DROP_AFTER_SECONDS_DEFAULT),
            rejoin_max: Duration::from_secs(REJOIN_SECONDS_DEFAULT),
            background_bytes_per_second: BACKGROUND_BYTES_PER_SECOND_DEFAULT,
        }
    }
}

/// What all nodes of a cluster know. It is never printed, and its memory is emptied when the last copy
/// is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<Box<[u8]>>>);

impl Secret {
    /// The secret of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::new(Zeroizing::new(text.as_bytes().into())))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let config =
            ClusterConfig { secret: Some(Secret::new("hush, hush")), ..ClusterConfig::default() };
        let printed = format!("{config:?} {config:#?}");
        assert!(printed.contains("Secret(…)") && !printed.contains("hush"), "{printed}");
    }
}
