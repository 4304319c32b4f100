//! A stream as server-sent events (WHATWG HTML, section 9.2 "Server-sent events").
//!
//! Invariant: a value arrives as equal JSON. Its text may hold line ends between its tokens, each of
//! which would end a `data:` line; so it goes out as several, and the reader joins them with `\n`,
//! which between tokens means the same.

use dynarust_core::Stored;
use dynarust_node::streams::{Event, Item};

use super::change;
use super::text::{Shape, Text};

/// Keeps the way open.
pub(super) const HEARTBEAT: &[u8] = b":\n";

/// The first words of every stream: how long a reader waits before it comes back, and what it came with. A reader
/// that takes each connection for a new source, as the standard allows, would have no id until the first event; and
/// one that is cut before that would come back with none, and keep what is gone.
pub(super) fn opening(resumes: Option<&str>) -> Vec<u8> {
    match resumes {
        Some(id) => ["retry: 2000\nid: ", id, "\n\n"].concat().into_bytes(),
        None => b"retry: 2000\n\n".to_vec(),
    }
}

/// Appends some events.
pub(super) fn print(text: &mut Text, items: &[Item]) {
    for item in items {
        match &item.event {
            Event::Change(stored) => {
                text.push(&["id: ", &item.id, "\n"]);
                text.push_record(stored, Shape::Data, push_data);
            }
            Event::Ready => push_named(text, "ready", &item.id),
            Event::Reset => push_named(text, "reset", &item.id),
            Event::Lagged => push_named(text, "lagged", &item.id),
            Event::Closing { retry } => {
                text.push(&["retry: ", &retry.as_millis().to_string(), "\n"]);
                push_named(text, "closing", &item.id);
            }
        }
    }
}

/// Moves the reader's last id, and is no event.
pub(super) fn id_alone(id: &str) -> Vec<u8> {
    ["id: ", id, "\n\n"].concat().into_bytes()
}

fn push_named(text: &mut Text, event: &str, id: &str) {
    text.push(&["event: ", event, "\nid: ", id, "\ndata: {}\n\n"]);
}

fn push_data(text: &mut Vec<u8>, stored: &Stored) {
    text.extend_from_slice(b"data: {");
    change::push_members(text, stored, push_lines);
    text.extend_from_slice(b"}\n\n");
}

/// Each line end of `value` begins another `data:` line.
fn push_lines(text: &mut Vec<u8>, value: &[u8]) {
    for (nth, line) in value.split(|byte| matches!(byte, b'\r' | b'\n')).enumerate() {
        if nth > 0 {
            text.extend_from_slice(b"\ndata: ");
        }
        text.extend_from_slice(line);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::change::{SAMPLE_VERSION as VERSION, sample};
    use super::*;

    fn change(value: &'static str, tombstone: bool, expired: bool) -> Item {
        sample("my\nkey", value, tombstone, expired)
    }

    fn print(items: &[Item]) -> String {
        let mut text = Text::new(true);
        super::print(&mut text, items);
        String::from_utf8(text.into_pieces().concat()).unwrap()
    }

    #[test]
    fn a_change_tells_the_record() {
        let live = print(&[change("\"mydata\"", false, false)]);
        let expected = format!(
            "id: c1\ndata: {{\"table\":\"t\",\"key\":\"my\\nkey\",\"value\":\"mydata\",\
             \"version\":\"{VERSION}\"}}\n\n"
        );
        assert_eq!(live, expected);
        let deleted = print(&[change("", true, false)]);
        assert!(deleted.contains(&format!("\"deleted\":true,\"version\":\"{VERSION}\"")));
        let expired = print(&[change("1", false, true)]);
        assert!(expired.contains("\"deleted\":true,\"expired\":true,\"version\""));
    }

    #[test]
    fn line_ends_in_a_value_don_t_end_the_event() {
        let text = print(&[change("[1,\n2,\r3,\r\n\r\n4]", false, false)]);
        assert!(!text.contains('\r'));
        let event = text.strip_suffix("\n\n").unwrap();
        assert!(!event.contains("\n\n"));
        let lines = event.lines().filter_map(|line| line.strip_prefix("data: "));
        let data = lines.collect::<Vec<_>>().join("\n");
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(data["value"], serde_json::json!([1, 2, 3, 4]));
    }

    #[test]
    fn named_events_have_data() {
        let item = |event| Item { event, id: "c2".to_owned() };
        let ready = print(&[item(Event::Ready)]);
        assert_eq!(ready, "event: ready\nid: c2\ndata: {}\n\n");
        let retry = Duration::from_millis(1500);
        let closing = print(&[item(Event::Closing { retry })]);
        assert_eq!(closing, "retry: 1500\nevent: closing\nid: c2\ndata: {}\n\n");
    }
}
