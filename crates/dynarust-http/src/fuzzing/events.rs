//! Reads a live stream, strictly. What is wrong with it is a panic.

use dynarust_core::StreamCursor;
use serde_json::Value;

/// What a stream told, of either form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// `change`, or what the event is called.
    pub(super) event: String,
    pub(super) id: String,
}

const NAMES: [&str; 6] = ["change", "ready", "reset", "lagged", "closing", "cursor"];

/// The events of server-sent events, which are whole.
pub(super) fn of_events(text: &str) -> Vec<Told> {
    assert!(!text.contains('\r'));
    let blocks = text.strip_suffix("\n\n").map_or_else(Vec::new, |it| it.split("\n\n").collect());
    assert!(!blocks.is_empty() || text.is_empty(), "an event that is not whole");
    blocks.into_iter().filter_map(event).collect()
}

fn event(block: &str) -> Option<Told> {
    let mut told = Told { event: "change".to_owned(), id: String::new() };
    let mut data = Vec::new();
    for line in block.split('\n') {
        match line.split_once(": ") {
            Some(("event", event)) => told.event = event.to_owned(),
            Some(("id", id)) => told.id = id.to_owned(),
            Some(("data", part)) => data.push(part),
            Some(("retry", millis)) => assert!(millis.parse::<u64>().is_ok()),
            _ => assert_eq!(line, ":", "no line of an event"),
        }
    }
    if data.is_empty() {
        return None;
    }
    let data: Value = serde_json::from_str(&data.join("\n")).unwrap();
    assert!(data.is_object());
    Some(checked(told))
}

/// The events of lines of JSON, which are whole.
pub(super) fn of_lines(text: &str) -> Vec<Told> {
    let lines = text.strip_suffix('\n').map_or_else(Vec::new, |it| it.split('\n').collect());
    assert!(!lines.is_empty() || text.is_empty(), "a line that is not whole");
    lines.into_iter().filter(|line| !line.is_empty()).map(line).collect()
}

fn line(line: &str) -> Told {
    let told: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    checked(Told { event: text("event"), id: text("id") })
}

fn checked(told: Told) -> Told {
    assert!(NAMES.contains(&&*told.event), "{told:?}");
    // "0" leads to `reset`.
    assert!(told.id == "0" || StreamCursor::decode(&told.id).is_some(), "{told:?}");
    told
}
