//! Problems as answers: a status, with the codes that it may have. What the front door tells by itself
//! stands in the document once.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::parts::{self, PROBLEM, part};
use crate::problem::Code;

/// What may be told before it is looked at what is asked for: by the guard (see `wire::Fault`), by the
/// surface, and by a door with too many connections.
pub(super) const DOOR: [Code; 5] = [
    Code::RequestTimeout,
    Code::UriTooLong,
    Code::HeadTooLarge,
    Code::Overloaded,
    Code::VersionNotSupported,
];

/// What tells of a record, and so who stands behind that where they are few.
const OF_RECORDS: [Code; 5] = [
    Code::KeyNotFound,
    Code::VersionMismatch,
    Code::PatchFailed,
    // As others, of a patched value.
    Code::InvalidPatch,
    Code::ValueTooLarge,
];

/// The codes, by their statuses.
pub(super) fn by_status(codes: &[Code]) -> BTreeMap<StatusCode, BTreeSet<&'static str>> {
    let mut by_status = BTreeMap::<_, BTreeSet<_>>::new();
    for (status, name) in codes.iter().map(|code| code.row()) {
        by_status.entry(status).or_default().insert(name);
    }
    by_status
}

/// The answer, or a reference to one of [`shared`].
pub(super) fn response(status: StatusCode, codes: &BTreeSet<&str>, head: bool) -> Value {
    let shared = DOOR.iter().find(|code| codes.iter().eq([&code.row().1]));
    shared.map_or_else(|| whole(status, codes, head), |code| part("responses", &name(*code, head)))
}

/// All that stand once, by name.
pub(super) fn shared() -> Map<String, Value> {
    let each = DOOR.iter().flat_map(|code| [(*code, false), (*code, true)]);
    let each = each.map(|(code, head)| {
        let (status, codes) = (code.row().0, BTreeSet::from([code.row().1]));
        (name(code, head), whole(status, &codes, head))
    });
    each.collect()
}

fn name(code: Code, head: bool) -> String {
    format!("{}{}", code.row().1, if head { "_without_body" } else { "" })
}

fn whole(status: StatusCode, codes: &BTreeSet<&str>, head: bool) -> Value {
    let mut headers = vec!["Cache-Control"];
    match status {
        StatusCode::SERVICE_UNAVAILABLE => headers.push("Retry-After"),
        StatusCode::UNAUTHORIZED => headers.push("WWW-Authenticate"),
        StatusCode::UPGRADE_REQUIRED => headers.push("Upgrade"),
        StatusCode::PRECONDITION_FAILED => headers.push("ETag"),
        _ => {}
    }
    if OF_RECORDS.iter().any(|code| codes.contains(code.row().1)) {
        headers.push("DynaRust-Replicas");
    }
    let listed: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    let mut problem = json!({
        "description": format!("{}: {}.", status.canonical_reason().unwrap_or_default(), listed.join(", ")),
        "headers": headers.iter().map(|name| ((*name).to_owned(), part("headers", name))).collect::<Map<_, _>>(),
    });
    if !head {
        problem["content"] = parts::content(&[(PROBLEM, schema(status, codes))]);
    }
    problem
}

/// What such a problem holds.
pub(super) fn schema(status: StatusCode, codes: &BTreeSet<&str>) -> Value {
    let these = json!({ "properties": { "code": { "enum": codes }, "status": { "const": status.as_u16() } } });
    json!({ "allOf": [parts::schema("Problem"), these] })
}
