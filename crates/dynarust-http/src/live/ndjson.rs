//! A stream as lines of JSON: the same events as [`super::sse`], an object a line, and a blank line as
//! the heartbeat.
//!
//! Invariant: an event is one line. Line ends between the tokens of a value become spaces.

use dynarust_core::Stored;
use dynarust_node::streams::{Event, Item};

use super::change;
use super::text::{Shape, Text};
use crate::json;

/// Keeps the way open.
pub(super) const HEARTBEAT: &[u8] = b"\n";

/// Appends the lines of some events.
pub(super) fn print(text: &mut Text, items: &[Item]) {
    for item in items {
        match &item.event {
            Event::Change(stored) => {
                push_opening(text, "change", &item.id);
                text.push_record(stored, Shape::Members, push_rest);
                continue;
            }
            Event::Ready => push_opening(text, "ready", &item.id),
            Event::Reset => push_opening(text, "reset", &item.id),
            Event::Lagged => push_opening(text, "lagged", &item.id),
            Event::Closing { retry } => {
                push_opening(text, "closing", &item.id);
                text.push(&[",\"retry\":", &retry.as_millis().to_string()]);
            }
        }
        text.push(&["}\n"]);
    }
}

/// Moves the reader's last id, and tells nothing else.
pub(super) fn id_alone(id: &str) -> Vec<u8> {
    ["{\"event\":\"cursor\",\"id\":\"", id, "\"}\n"].concat().into_bytes()
}

/// Ids are URL-safe: nothing in them needs an escape.
fn push_opening(text: &mut Text, event: &str, id: &str) {
    text.push(&["{\"event\":\"", event, "\",\"id\":\"", id, "\""]);
}

fn push_rest(text: &mut Vec<u8>, stored: &Stored) {
    text.push(b',');
    change::push_members(text, stored, json::push_on_one_line);
    text.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::change::{SAMPLE_VERSION as VERSION, sample};
    use super::*;

    fn change(value: &'static str, tombstone: bool, expired: bool) -> Item {
        sample("a\n\"b", value, tombstone, expired)
    }

    fn line(item: Item) -> String {
        let mut text = Text::new(true);
        print(&mut text, &[item]);
        let text = String::from_utf8(text.into_pieces().concat()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let _: serde_json::Value = serde_json::from_str(&text).unwrap();
        text.trim_end().to_owned()
    }

    #[test]
    fn a_change_is_one_line_whatever_its_value() {
        let live = line(change("[1,\r\n\"x\\n\",\n\n2]", false, false));
        let members = r#""event":"change","id":"c1","table":"t","key":"a\n\"b""#;
        let expected = format!(r#"{{{members},"value":[1,  "x\n",  2],"version":"{VERSION}"}}"#);
        assert_eq!(live, expected);
        let deleted = line(change("", true, false));
        assert_eq!(deleted, format!(r#"{{{members},"deleted":true,"version":"{VERSION}"}}"#));
        let expired = line(change("1", false, true));
        assert!(expired.contains(r#""deleted":true,"expired":true,"version""#));
    }

    #[test]
    fn named_events_have_their_id() {
        let line = |event| line(Item { event, id: "c2".to_owned() });
        assert_eq!(line(Event::Ready), r#"{"event":"ready","id":"c2"}"#);
        assert_eq!(line(Event::Reset), r#"{"event":"reset","id":"c2"}"#);
        assert_eq!(line(Event::Lagged), r#"{"event":"lagged","id":"c2"}"#);
        let closing = line(Event::Closing { retry: Duration::from_millis(1500) });
        assert_eq!(closing, r#"{"event":"closing","id":"c2","retry":1500}"#);
        assert_eq!(id_alone("c3"), b"{\"event\":\"cursor\",\"id\":\"c3\"}\n");
    }
}
