//! What a change tells of its record, in every form of a stream.

use dynarust_core::Stored;

use crate::json;

/// Appends the members of a change's data: `"table":…,"key":…`, then the value (by `push_value`) or
/// what became of it, then the version. A record that is due is told as gone once the node has marked it so, at
/// most a second later: clocks differ, and who hears of it elsewhere next is not to see it come back.
pub(super) fn push_members(
    text: &mut Vec<u8>,
    stored: &Stored,
    push_value: impl FnOnce(&mut Vec<u8>, &[u8]),
) {
    text.extend_from_slice(b"\"table\":");
    json::push_string(text, stored.name.table());
    text.extend_from_slice(b",\"key\":");
    json::push_string(text, stored.name.key());
    let record = &stored.record;
    if record.holds_value() {
        text.extend_from_slice(b",\"value\":");
        push_value(text, &record.value);
    } else if record.tombstone {
        text.extend_from_slice(b",\"deleted\":true");
    } else {
        text.extend_from_slice(b",\"deleted\":true,\"expired\":true");
    }
    text.extend_from_slice(b",\"version\":\"");
    text.extend_from_slice(record.version.to_string().as_bytes());
    text.push(b'"');
}

/// A change of a record of table `t` with this key, for tests: its version is [`SAMPLE_VERSION`], its id
/// `c1`.
#[cfg(test)]
pub(super) fn sample(
    key: &str,
    value: &'static str,
    tombstone: bool,
    expired: bool,
) -> dynarust_node::streams::Item {
    use bytes::Bytes;
    use dynarust_core::{NodeId, Record, RecordName, Version};
    use dynarust_node::streams::{Event, Item};

    let record = Record {
        version: Version { hlc: 1, node: NodeId(2) },
        previous: None,
        expiry: None,
        tombstone,
        expired,
        value: Bytes::from_static(value.as_bytes()),
    };
    let name = RecordName::parse("t", key).unwrap();
    let stored = Stored { name, seq: 1, record };
    Item { event: Event::Change(std::sync::Arc::new(stored)), id: "c1".to_owned() }
}

#[cfg(test)]
pub(super) const SAMPLE_VERSION: &str = "00000000000000010000000000000002";
