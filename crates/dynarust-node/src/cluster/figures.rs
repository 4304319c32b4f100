//! What a node did for and with others, by number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::state::Cluster;
use crate::mesh::{Channel, Traffic, TrafficFigures};

/// A node among others, in numbers. Of a node alone all are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClusterStats {
    /// Records that the live follower which is furthest behind has not acknowledged.
    pub lag_records: u64,
    /// How long ago it acknowledged anything, where it is behind.
    pub lag: Duration,
    /// Partitions that differed from another owner's, and were compared record by record.
    pub partitions_compared: u64,
    /// Records that were given to owners which a reader found to lag, or taken anew where this node's were damaged.
    pub records_repaired: u64,
    /// Records that a comparison showed to be missing here, and that were taken in.
    pub repair_records_received: u64,
    /// Partitions that this node is to own, and does not serve yet.
    pub partitions_waiting: u64,
    /// Members whose feed this node has not read to where it stood when they met, those that are down among
    /// them: it may have missed what they have.
    pub feeds_behind: u64,
    /// Partitions that this node serves, and is to own no more.
    pub partitions_surplus: u64,
    /// Partitions that it has dropped, or never served and does not want, and of which there may be records left.
    pub partitions_dropping: u64,
    /// Records that went with copies which were dropped.
    pub records_dropped: u64,
    /// Records that were taken in to become as new as others.
    pub catch_up_records_received: u64,
    /// Bytes of copies, catching up and comparing that were sent and received, before they were compressed.
    pub background_bytes: u64,
    /// How long those were put off, for the sake of clients.
    pub background_waited: Duration,
    /// What went over the connections for what clients wait for.
    pub data_traffic: TrafficFigures,
    /// What went over those for what moves much.
    pub bulk_traffic: TrafficFigures,
    /// Partitions that this node, which leaves, has still to hand over.
    pub partitions_to_hand_over: u64,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct ClusterFigures {
    records_repaired: AtomicU64,
    partitions_compared: AtomicU64,
    repair_records_received: AtomicU64,
    catch_up_records_received: AtomicU64,
    pub(super) traffic: Arc<Traffic>,
    records_dropped: AtomicU64,
    partitions_to_hand_over: AtomicU64,
}

impl ClusterFigures {
    /// An owner that a reader found to lag is given what it lacks, or this node what it has damaged.
    pub(crate) fn repaired_on_read(&self) {
        self.records_repaired.fetch_add(1, Ordering::Relaxed);
    }

    /// So many records were taken in that a comparison of copies had shown to be missing.
    pub(crate) fn repaired(&self, records: u64) {
        self.repair_records_received.fetch_add(records, Ordering::Relaxed);
    }

    /// So many records were taken in to become as new as others.
    pub(crate) fn caught_up(&self, records: u64) {
        self.catch_up_records_received.fetch_add(records, Ordering::Relaxed);
    }

    /// So many records went with copies that were dropped.
    pub(crate) fn dropped(&self, records: u64) {
        self.records_dropped.fetch_add(records, Ordering::Relaxed);
    }

    /// So many partitions are still to be handed over.
    pub(crate) fn has_to_hand_over(&self, partitions: u64) {
        self.partitions_to_hand_over.store(partitions, Ordering::Relaxed);
    }

    /// So many partitions differed from a peer's, and were compared.
    pub(crate) fn compared(&self, partitions: u64) {
        self.partitions_compared.fetch_add(partitions, Ordering::Relaxed);
    }
}

impl Cluster {
    /// This node among the others, in numbers.
    pub(crate) fn stats(&self) -> ClusterStats {
        let view = self.view();
        let serves = view.own().map(|own| own.serves.clone()).unwrap_or_default();
        let dropped = view.own().map(|own| own.dropped.clone()).unwrap_or_default();
        let owned = view.placement.owned(self.me);
        let waiting = owned.difference(&serves).len();
        let dropping = self.moves.not_emptied(&dropped).union(&self.left_over(&view));
        let (lag_records, lag) = self.acks.lag(self);
        let figures = &self.figures;
        let (background_bytes, background_waited) = self.budget.figures();
        ClusterStats {
            lag_records,
            lag,
            partitions_compared: figures.partitions_compared.load(Ordering::Relaxed),
            records_repaired: figures.records_repaired.load(Ordering::Relaxed),
            repair_records_received: figures.repair_records_received.load(Ordering::Relaxed),
            partitions_waiting: waiting.into(),
            feeds_behind: self.feeds_behind() as u64,
            partitions_surplus: serves.difference(&owned).len().into(),
            partitions_dropping: dropping.len().into(),
            records_dropped: figures.records_dropped.load(Ordering::Relaxed),
            catch_up_records_received: figures.catch_up_records_received.load(Ordering::Relaxed),
            background_bytes,
            background_waited,
            data_traffic: figures.traffic.figures(Channel::Data),
            bulk_traffic: figures.traffic.figures(Channel::Bulk),
            partitions_to_hand_over: figures.partitions_to_hand_over.load(Ordering::Relaxed),
        }
    }
}
