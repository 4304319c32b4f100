//! What every handler works with: the node, the settings, and the budgets that they share.

use std::sync::Arc;

use dynarust_core::UnixMillis;
use dynarust_core::limits::{
    BODIES_BYTES_MAX, CONNECTIONS_MAX, KEY_LISTS_BYTES_MAX, LISTING_BYTES, LISTINGS_BYTES_MAX,
    MANY_KEYS_BODY_BYTES_MAX, MEMORY_PART, MESH_CONNECTIONS_MAX, PAGE_BYTES_MAX, PAGES_BYTES_MAX,
    PUT_ENVELOPE_BYTES_MAX, STREAMS_MAX, VALUE_BYTES_DEFAULT, VALUES_SENT_BYTES_MAX,
};
use dynarust_node::Node;
use dynarust_store::Durability;
use tokio::sync::Semaphore;

use crate::budget::Budget;
use crate::cors::CorsOrigins;
use crate::counts::Counts;
use crate::door_counts::DoorCounts;
use crate::live::Followers;
use crate::proof::Challenges;

/// What an operator can set of the front door.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Bytes in a value's JSON text. Higher: larger records; more memory a request.
    pub value_bytes_max: usize,
    /// The durability of writes that don't ask for one.
    pub durability: Durability,
    /// Connections at a time; more are answered 503. Must leave file handles for the store.
    pub connections_max: usize,
    /// Bytes of memory that the machine, or the container, has. Lower: fewer large requests at a time.
    pub memory_bytes: usize,
    /// Live streams at a time of one client address; more are answered 503.
    pub streams_per_address_max: usize,
    /// The origins whose web pages may read answers.
    pub cors: CorsOrigins,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            value_bytes_max: VALUE_BYTES_DEFAULT,
            durability: Durability::Sync,
            connections_max: CONNECTIONS_MAX,
            memory_bytes: usize::MAX,
            streams_per_address_max: STREAMS_MAX,
            cors: CorsOrigins::None,
        }
    }
}

impl HttpConfig {
    /// Bytes of records' bodies, of all connections.
    pub(crate) fn bodies_bytes_max(&self) -> usize {
        self.part_of_memory(BODIES_BYTES_MAX, self.value_bytes_max + PUT_ENVELOPE_BYTES_MAX)
    }

    /// Bytes of bodies of requests for many keys, of all connections.
    pub(crate) fn key_lists_bytes_max(&self) -> usize {
        self.part_of_memory(KEY_LISTS_BYTES_MAX, self.value_bytes_max + PUT_ENVELOPE_BYTES_MAX)
    }

    /// Bytes of the body of one request for many keys.
    pub(crate) fn many_keys_body_bytes_max(&self) -> usize {
        self.key_lists_bytes_max().min(MANY_KEYS_BODY_BYTES_MAX)
    }

    /// Bytes of answers with large values, of all connections.
    pub(crate) fn values_sent_bytes_max(&self) -> usize {
        self.part_of_memory(VALUES_SENT_BYTES_MAX, self.value_bytes_max + PUT_ENVELOPE_BYTES_MAX)
    }

    /// Bytes of pages, of all connections.
    pub(crate) fn pages_bytes_max(&self) -> usize {
        let one = PAGE_BYTES_MAX.max(self.value_bytes_max + PUT_ENVELOPE_BYTES_MAX);
        self.part_of_memory(PAGES_BYTES_MAX, one)
    }

    /// Bytes of streamed answers, of all connections.
    pub(crate) fn listings_bytes_max(&self) -> usize {
        self.part_of_memory(LISTINGS_BYTES_MAX, LISTING_BYTES)
    }

    /// Whether it is so little that limits follow it.
    pub(crate) fn memory_is_small(&self) -> bool {
        self.memory_bytes / MEMORY_PART < BODIES_BYTES_MAX
    }

    /// A part of a small machine's memory, but enough for one request; in a large one `most`.
    fn part_of_memory(&self, most: usize, one: usize) -> usize {
        (self.memory_bytes / MEMORY_PART).max(one).min(most)
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
    /// What operators prove.
    pub(crate) challenges: Challenges,
    /// For connections of peers.
    pub(crate) mesh_places: Arc<Semaphore>,
    /// Who follows from where.
    pub(crate) followers: Followers,
    /// Bytes of records' bodies in memory.
    pub(crate) bodies: Budget,
    /// Bytes of lists of keys in memory: apart, so that they never keep a write waiting.
    pub(crate) key_lists: Budget,
    /// Bytes of answers with large values in memory.
    pub(crate) values: Budget,
    /// Bytes of listed pages in memory.
    pub(crate) pages: Budget,
    /// Bytes of streamed answers in memory.
    pub(crate) listings: Budget,
}

impl Backend {
    pub(crate) fn new(node: Arc<Node>, config: HttpConfig) -> Self {
        Self {
            started: node.now(),
            counts: Arc::new(Counts::new()),
            door: Arc::default(),
            challenges: Challenges::new(),
            followers: Followers::new(config.streams_per_address_max),
            mesh_places: Arc::new(Semaphore::new(MESH_CONNECTIONS_MAX)),
            bodies: Budget::new(config.bodies_bytes_max()),
            key_lists: Budget::new(config.key_lists_bytes_max()),
            values: Budget::new(config.values_sent_bytes_max()),
            pages: Budget::new(config.pages_bytes_max()),
            listings: Budget::new(config.listings_bytes_max()),
            node,
            config,
        }
    }
}
