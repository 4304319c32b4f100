//! What a change tells of its record, in every form of a stream.

use dynarust_core::{Stored, UnixMillis};

use crate::json;

/// Appends the members of a change's data: `"table":…,"key":…`, then the value (by `push_value`) or
/// what became of it, then the version. What has expired is told from what was deleted by `now`.
pub(super) fn push_members(
    text: &mut Vec<u8>,
    stored: &Stored,
    now: UnixMillis,
    push_value: impl FnOnce(&mut Vec<u8>, &[u8]),
) {
    text.extend_from_slice(b"\"table\":");
    json::push_string(text, stored.name.table());
    text.extend_from_slice(b",\"key\":");
    json::push_string(text, stored.name.key());
    let record = &stored.record;
    if record.is_live(now) {
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
