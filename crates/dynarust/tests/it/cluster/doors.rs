//! The nodes that a cluster's clients know of, at this moment.

use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};

/// A list of addresses that grows and shrinks while clients go through it.
#[derive(Debug)]
pub(crate) struct Doors(RwLock<Vec<SocketAddr>>);

impl Doors {
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Doors {
        Doors(RwLock::new(addresses))
    }

    /// The one with this number, counted round and round.
    pub(crate) fn pick(&self, number: usize) -> SocketAddr {
        let doors = self.0.read().unwrap_or_else(PoisonError::into_inner);
        doors[number % doors.len()]
    }

    pub(crate) fn open(&self, address: SocketAddr) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(address);
    }

    pub(crate) fn close(&self, address: SocketAddr) {
        let mut doors = self.0.write().unwrap_or_else(PoisonError::into_inner);
        doors.retain(|it| *it != address);
        assert!(!doors.is_empty(), "the last door");
    }
}
