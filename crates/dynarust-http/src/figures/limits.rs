//! The limits of this node, by name: those of the program, and those that its operator set.

use dynarust_core::limits;

use crate::backend::{Backend, HttpConfig};

/// Every limit, by its name in lower case. What was set stands in the place of what is built in.
pub(super) fn limits(backend: &Backend) -> Vec<(String, u64)> {
    let streams = backend.node.stats().streams;
    of(&backend.config, streams.queue_bytes_max)
}

fn of(config: &HttpConfig, stream_queue_bytes_max: usize) -> Vec<(String, u64)> {
    let set = [
        ("value_bytes_max", config.value_bytes_max),
        ("connections_max", config.connections_max),
        ("streams_per_address_max", config.streams_per_address_max),
        ("stream_queue_bytes_max", stream_queue_bytes_max),
        ("memory_bytes", config.memory_bytes),
        ("bodies_bytes_max", config.bodies_bytes_max()),
        ("key_lists_bytes_max", config.key_lists_bytes_max()),
        ("many_keys_body_bytes_max", config.many_keys_body_bytes_max()),
        ("values_sent_bytes_max", config.values_sent_bytes_max()),
        ("pages_bytes_max", config.pages_bytes_max()),
        ("listings_bytes_max", config.listings_bytes_max()),
    ];
    let set = set.map(|(name, value)| (name.to_owned(), value as u64));
    let mut all: Vec<_> =
        limits::ALL.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)).collect();
    all.retain(|(name, _)| set.iter().all(|(other, _)| other != name));
    all.extend(set);
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_limit_is_there_once_as_it_was_set() {
        let config = HttpConfig {
            value_bytes_max: 1,
            connections_max: 2,
            memory_bytes: 128 << 20,
            ..HttpConfig::default()
        };
        let all = of(&config, 3);
        let by_name: BTreeMap<_, _> = all.iter().cloned().collect();
        assert_eq!(by_name.len(), all.len());
        assert_eq!((by_name["value_bytes_max"], by_name["connections_max"]), (1, 2));
        assert_eq!(by_name["stream_queue_bytes_max"], 3);
        assert_eq!(by_name["many_keys_body_bytes_max"], 8 << 20);
        let source = include_str!("../../../dynarust-core/src/limits.rs");
        let constants = source.lines().filter_map(|line| line.trim().strip_prefix("pub const "));
        for name in constants.filter_map(|rest| rest.split_once(':')).map(|(name, _)| name) {
            let listed = name == "ALL" || by_name.contains_key(&name.to_ascii_lowercase());
            assert!(listed || name.starts_with('$'), "{name}");
        }
    }
}
