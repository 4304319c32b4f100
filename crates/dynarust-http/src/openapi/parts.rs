//! The parts that operations share, each under its name: parameters, headers, media types.

use dynarust_core::limits::{KEY_BYTES_MAX, PAGE_RECORDS_MAX, SELECTORS_MAX, TABLE_BYTES_MAX};
use serde_json::{Map, Value, json};

pub(super) const JSON: &str = "application/json";
pub(super) const NDJSON: &str = "application/x-ndjson";
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(super) const JSON_PATCH: &str = "application/json-patch+json";
pub(super) const PROBLEM: &str = "application/problem+json";
pub(super) const EVENTS: &str = "text/event-stream";
pub(super) const METRICS: &str = "text/plain";

/// Of seconds, minutes and hours a little less than there may be: the number of digits decides.
pub(super) const TTL: &str = "^0*([1-9][0-9]{0,7}s|[1-9][0-9]{0,5}m|[1-9][0-9]{0,3}h|\
                   ([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|36[0-4][0-9]|365[0-3])d)$";

/// A reference to a schema.
pub(super) fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A reference to a part of this kind.
pub(super) fn part(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// Media types, and what each holds.
pub(super) fn content(media_types: &[(&str, Value)]) -> Value {
    let each = media_types.iter();
    each.map(|(name, holds)| ((*name).to_owned(), json!({ "schema": holds })))
        .collect::<Map<_, _>>()
        .into()
}

/// The name of a table.
pub(super) fn table() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": TABLE_BYTES_MAX,
        "pattern": "^[A-Za-z0-9-][A-Za-z0-9_.-]*$",
    })
}

/// A key. Its limit is one of bytes, which a schema cannot say: what is longer in bytes than in
/// characters is refused earlier than `maxLength` tells.
pub(super) fn key() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": KEY_BYTES_MAX,
        "description": format!("1 to {KEY_BYTES_MAX} bytes of UTF-8."),
    })
}

/// All parameters, by the name that operations use.
pub(super) fn parameters() -> Map<String, Value> {
    let list = json!({ "type": "string", "pattern": r#"^(W/)?"[!#-~]+"(, *(W/)?"[!#-~]+")*$"# });
    let tags = json!({ "anyOf": [{ "const": "*" }, list] });
    let repeated = |pattern: &str| {
        let items = json!({ "type": "string", "pattern": pattern });
        json!({ "type": "array", "items": items, "maxItems": SELECTORS_MAX })
    };
    let of_table = "^[A-Za-z0-9-][A-Za-z0-9_.-]{0,127}";
    let list = [
        ("table", path("table", "The table.", table())),
        ("key", path("key", "The key; `%2F` is a slash inside it.", key())),
        (
            "node",
            path(
                "node",
                "A node's id, as `/membership` lists it.",
                json!({ "type": "string", "pattern": "^[0-9a-fA-F]{16}$" }),
            ),
        ),
        ("prefix", query("prefix", "Only keys that begin so.", text())),
        ("start", query("start", "Only keys from this one on.", text())),
        ("end", query("end", "Only keys before this one.", text())),
        (
            "limit",
            query(
                "limit",
                "A page of at most so many records.",
                json!({ "type": "integer", "minimum": 1, "maximum": PAGE_RECORDS_MAX }),
            ),
        ),
        ("reverse", query("reverse", "From the last to the first.", flag(false))),
        (
            "cursor",
            query("cursor", "Where a page begins: opaque, out of the `Link` before.", text()),
        ),
        (
            "consistency",
            query(
                "consistency",
                "How many owners must stand behind the answer: `available` is a majority of those that are there, \
                 `quorum` of all. A node alone meets each. Writes with a condition that do not say ask for `quorum`.",
                json!({ "enum": ["one", "available", "quorum", "all"], "default": "available" }),
            ),
        ),
        (
            "durability",
            query(
                "durability",
                "When to answer: once it is on stable storage, or before. The operator sets the default.",
                json!({ "enum": ["sync", "relaxed"] }),
            ),
        ),
        (
            "ttl",
            query(
                "ttl",
                "How long the record lives: seconds, minutes, hours or days, 1 s to 10 years.",
                json!({ "type": "string", "pattern": TTL, "examples": ["90s"] }),
            ),
        ),
        (
            "tables_after",
            query("tables_after", "Only tables behind this one, as `tables.next` told.", table()),
        ),
        ("state", query("state", "Whether the present state comes first.", flag(true))),
        (
            "last_event_id",
            query("last_event_id", "As the header, for those who cannot set one.", text()),
        ),
        (
            "follow_key",
            query("key", "A record, `table/key`; may repeat.", repeated(&format!("{of_table}/."))),
        ),
        (
            "follow_prefix",
            query(
                "prefix",
                "Records whose keys begin so, `table/prefix`; may repeat.",
                repeated(&format!("{of_table}/")),
            ),
        ),
        ("follow_table", query("table", "A table; may repeat.", repeated(&format!("{of_table}$")))),
        (
            "If-Match",
            header("If-Match", "Only over one of these versions; `*` for any.", tags.clone()),
        ),
        (
            "If-None-Match",
            header(
                "If-None-Match",
                "Only where none of these versions is; `*` for where nothing is.",
                tags,
            ),
        ),
        (
            "Idempotency-Key",
            header(
                "Idempotency-Key",
                "A repeat of the request under the same key within 10 minutes is answered as the first was, \
                 and changes nothing.",
                json!({ "type": "string", "pattern": IDEMPOTENCY_KEY }),
            ),
        ),
        (
            "Last-Event-ID",
            header(
                "Last-Event-ID",
                "The last id that was seen: the stream goes on behind it.",
                text(),
            ),
        ),
    ];
    list.map(|(name, parameter)| (name.to_owned(), parameter)).into_iter().collect()
}

/// Visible ASCII, bare or as a string of RFC 8941.
const IDEMPOTENCY_KEY: &str = r#"^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#;

/// All headers of answers, by name.
pub(super) fn headers() -> Map<String, Value> {
    let list = [
        ("ETag", "The record's version, as a strong entity tag.", r#"^"[0-9a-f]{32}"$"#),
        ("Last-Modified", "When the record was written.", "GMT$"),
        ("Cache-Control", "`no-cache` for a record, else `no-store`.", "^no-(cache|store)$"),
        ("Link", "`rel=\"next\"`: the next page, where more follows.", "^<.*>; rel=\"next\"$"),
        ("Accept-Patch", "The media types of patches.", "^application/"),
        ("Vary", "What the answer's form depends on.", "^Accept$"),
        (
            "DynaRust-Replicas",
            "Where fewer than a majority of all owners stand behind the answer: how many, of how many.",
            "^[0-9]+/[0-9]+$",
        ),
        ("Retry-After", "Seconds to wait before another try.", "^[0-9]+$"),
        ("WWW-Authenticate", "What a proof is to be made of.", "^DynaRust-HMAC nonce=[0-9a-f]+$"),
        ("Upgrade", "The protocol that nodes speak.", "^dynarust/1$"),
        ("X-Accel-Buffering", "`no`: a proxy in between hands on each event at once.", "^no$"),
    ];
    let header = |(name, description, pattern): (&str, &str, &str)| {
        let schema = json!({ "type": "string", "pattern": pattern });
        (name.to_owned(), json!({ "description": description, "schema": schema }))
    };
    list.map(header).into_iter().collect()
}

fn path(name: &str, description: &str, schema: Value) -> Value {
    let mut parameter = parameter("path", name, description, schema);
    parameter["required"] = true.into();
    parameter
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    parameter("query", name, description, schema)
}

fn header(name: &str, description: &str, schema: Value) -> Value {
    parameter("header", name, description, schema)
}

fn parameter(place: &str, name: &str, description: &str, schema: Value) -> Value {
    json!({ "in": place, "name": name, "description": description, "schema": schema })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn flag(default: bool) -> Value {
    json!({ "type": "boolean", "default": default })
}
