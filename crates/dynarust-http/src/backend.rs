//! What every handler works with: the node, the settings, and the budgets that they share.

use std::sync::Arc;

use dynarust_core::UnixMillis;
use dynarust_core::limits::{
    BODIES_BYTES_MAX, CONNECTIONS_MAX, KEY_LISTS_BYTES_MAX, PAGES_BYTES_MAX, VALUE_BYTES_DEFAULT,
    VALUES_SENT_BYTES_MAX,
};
use dynarust_node::Node;
use dynarust_store::Durability;

use crate::budget::Budget;
use crate::cors::CorsOrigins;
use crate::counts::Counts;
use crate::door_counts::DoorCounts;

/// What an operator can set of the front door.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Bytes in a value's JSON text. Higher: larger records; more memory a request.
    pub value_bytes_max: usize,
    /// The durability of writes that don't ask for one.
    pub durability: Durability,
    /// Connections at a time; more are answered 503. Must leave file handles for the store.
    pub connections_max: usize,
    /// The origins whose web pages may read answers.
    pub cors: CorsOrigins,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            value_bytes_max: VALUE_BYTES_DEFAULT,
            durability: Durability::Sync,
            connections_max: CONNECTIONS_MAX,
            cors: CorsOrigins::None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) node: Arc<Node>,
    pub(crate) config: HttpConfig,
    /// When this node started.
    pub(crate) started: UnixMillis,
    /// What was asked for, and how it was answered.
    pub(crate) counts: Arc<Counts>,
    /// Connections, and what the front door did with them.
    pub(crate) door: Arc<DoorCounts>,
    /// Bytes of records' bodies in memory.
    pub(crate) bodies: Budget,
    /// Bytes of lists of keys in memory: apart, so that they never keep a write waiting.
    pub(crate) key_lists: Budget,
    /// Bytes of answers with large values in memory.
    pub(crate) values: Budget,
    /// Bytes of listed pages in memory.
    pub(crate) pages: Budget,
}

impl Backend {
    pub(crate) fn new(node: Arc<Node>, config: HttpConfig) -> Self {
        Self {
            started: node.now(),
            node,
            config,
            counts: Arc::new(Counts::new()),
            door: Arc::default(),
            bodies: Budget::new(BODIES_BYTES_MAX),
            key_lists: Budget::new(KEY_LISTS_BYTES_MAX),
            values: Budget::new(VALUES_SENT_BYTES_MAX),
            pages: Budget::new(PAGES_BYTES_MAX),
        }
    }
}
