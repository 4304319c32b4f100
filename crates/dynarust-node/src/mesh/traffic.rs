//! How much goes over the links of this node, by channel: what a join moves can be read off it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Channel;

/// Bytes that went over all links of a channel, frames' heads among them, since the node started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrafficFigures {
    /// To other nodes.
    pub sent_bytes: u64,
    /// From other nodes.
    pub received_bytes: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    data: Counts,
    bulk: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

impl Traffic {
    pub(super) fn sent(&self, channel: Channel, bytes: usize) {
        self.of(channel).sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, channel: Channel, bytes: usize) {
        self.of(channel).received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self, channel: Channel) -> TrafficFigures {
        let counts = self.of(channel);
        TrafficFigures {
            sent_bytes: counts.sent_bytes.load(Ordering::Relaxed),
            received_bytes: counts.received_bytes.load(Ordering::Relaxed),
        }
    }

    fn of(&self, channel: Channel) -> &Counts {
        match channel {
            Channel::Data => &self.data,
            Channel::Bulk => &self.bulk,
        }
    }
}
