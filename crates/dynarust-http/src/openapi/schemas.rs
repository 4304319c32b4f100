//! What bodies hold: derived from the types that the handlers read and write, or written here for what
//! they print by hand.

use dynarust_core::limits::MANY_KEYS_MAX;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::parts;
use crate::figures::StatsText;
use crate::json::PutBody;
use crate::node_state::{HealthText, MembershipText};
use crate::operator::NodeText;
use crate::problem::{Code, ProblemText};
use crate::record::WrittenText;

const AT: &str = "#/components/schemas/";

/// All schemas, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut schemas = derived();
    schemas.extend(printed());
    if let Some(code) = schemas.get_mut("Problem").and_then(|it| it.pointer_mut("/properties/code"))
    {
        *code = codes();
    }
    schemas
}

fn derived() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    generator.subschema_for::<PutBody<'_>>();
    generator.subschema_for::<WrittenText>();
    generator.subschema_for::<MembershipText>();
    generator.subschema_for::<HealthText>();
    generator.subschema_for::<NodeText>();
    generator.subschema_for::<StatsText>();
    generator.subschema_for::<ProblemText<'_>>();
    let named = generator.take_definitions(true).into_iter();
    named.map(|(name, schema)| (without_suffix(&name).to_owned(), renamed(schema))).collect()
}

/// `StatsText` is a type's name; to others it is `Stats`.
fn without_suffix(name: &str) -> &str {
    name.strip_suffix("Text").unwrap_or(name)
}

fn renamed(schema: Value) -> Value {
    match schema {
        Value::String(text) if text.starts_with(AT) => without_suffix(&text).into(),
        Value::Array(items) => items.into_iter().map(renamed).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, renamed(member))).collect()
        }
        other => other,
    }
}

fn printed() -> Map<String, Value> {
    let records =
        json!({ "type": "object", "description": "Values by key.", "additionalProperties": true });
    let list = [
        (
            "Value",
            json!({
                "type": "object",
                "properties": { "value": { "description": "The value, byte for byte as it was given." } },
                "required": ["value"],
            }),
        ),
        ("Records", records),
        ("Keys", json!({ "type": "array", "items": parts::key(), "uniqueItems": true })),
        ("TableNames", json!({ "type": "array", "items": parts::table(), "uniqueItems": true })),
        ("KeyList", json!({ "type": "array", "items": parts::key(), "maxItems": MANY_KEYS_MAX })),
        (
            "Change",
            json!({
                "type": "object",
                "description": "What an event without a name holds: a record that was written or deleted.",
                "properties": {
                    "table": parts::table(),
                    "key": parts::key(),
                    "value": { "description": "Its value, where it was written." },
                    "deleted": { "const": true },
                    "expired": { "const": true, "description": "It was deleted since its time was over." },
                    "version": { "type": "string" },
                },
                "required": ["table", "key", "version"],
            }),
        ),
        (
            "EventStream",
            json!({
                "type": "string",
                "description": "Server-sent events (WHATWG HTML, section 9.2). An event without a name holds a \
                                `Change`; `ready`, `reset`, `lagged` and `closing` hold `{}`. Each has an `id`.",
            }),
        ),
        (
            "EventLines",
            json!({
                "type": "string",
                "description": "The same events, a JSON object a line: `event` (`change`, `ready`, `reset`, `lagged`, \
                                `closing`, or `cursor` for an id alone), `id`, and the members of a `Change`.",
            }),
        ),
        ("BatchItems", batch_items()),
        ("BatchAnswers", batch_answers()),
        (
            "Lines",
            json!({ "type": "string", "description": "A JSON text a line, of what an array would hold." }),
        ),
        ("MergePatch", json!({ "description": "A merge patch (RFC 7396): any JSON." })),
        ("JsonPatch", json_patch()),
        ("Text", json!({ "type": "string" })),
        (
            "Document",
            json!({ "type": "object", "required": ["openapi", "info", "paths", "components"] }),
        ),
    ];
    list.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect()
}

fn batch_items() -> Value {
    let item = json!({
        "type": "object",
        "description": "A key with its new value, or to be deleted.",
        "properties": {
            "key": parts::key(),
            "value": { "description": "Any JSON." },
            "deleted": { "const": true },
            "if_match": { "type": "string", "description": "Only over this version; `*` for any." },
            "ttl": { "type": "string", "pattern": parts::TTL, "description": "How long it lives." },
            "version": { "description": "Let pass, and ignored." },
        },
        "required": ["key"],
        "additionalProperties": false,
        "oneOf": [{ "required": ["value"] }, { "required": ["deleted"] }],
    });
    json!({ "type": "array", "items": item, "maxItems": MANY_KEYS_MAX })
}

fn batch_answers() -> Value {
    let answer = json!({
        "type": "object",
        "description": "What became of the item: its version, or the code and the detail of a problem.",
        "properties": {
            "key": { "type": ["string", "null"] },
            "status": { "type": "integer" },
            "version": { "type": "string" },
            "replicas": { "type": "string", "description": "How many owners stand behind it, of how many, where they are few." },
            "code": schema_of_codes(),
            "detail": { "type": "string" },
            "indeterminate": { "type": "boolean" },
        },
        "required": ["key", "status"],
        "anyOf": [{ "required": ["version"] }, { "required": ["code", "detail"] }],
    });
    json!({ "type": "array", "items": answer })
}

fn schema_of_codes() -> Value {
    json!({ "$ref": format!("{AT}Problem/properties/code") })
}

/// RFC 6902: operations in order, each with the members that it needs.
fn json_patch() -> Value {
    let pointer = json!({ "type": "string", "pattern": "^(/([^/~]|~[01])*)*$" });
    // The whole value stays where it is.
    let inside = json!({ "type": "string", "pattern": "^(/([^/~]|~[01])*)+$" });
    let operation = |names: &[&str], path: &Value, others: &[(&str, Value)]| {
        let mut properties = Map::from_iter([
            ("op".to_owned(), json!({ "enum": names })),
            ("path".to_owned(), path.clone()),
        ]);
        properties.extend(others.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())));
        let required: Vec<_> = properties.keys().cloned().collect();
        json!({ "type": "object", "properties": properties, "required": required })
    };
    let value = json!({ "description": "Any JSON." });
    let operations = [
        operation(&["add", "replace", "test"], &pointer, &[("value", value)]),
        operation(&["remove"], &inside, &[]),
        operation(&["move"], &inside, &[("from", inside.clone())]),
        operation(&["copy"], &pointer, &[("from", pointer.clone())]),
    ];
    json!({ "type": "array", "description": "A JSON patch (RFC 6902).", "items": { "oneOf": operations } })
}

/// Every code, with what it means, as the table in docs/api.md tells it.
fn codes() -> Value {
    let each = Code::ALL.iter().map(|code| {
        let (status, name) = code.row();
        let (documented, when) = documented(name);
        assert_eq!(documented, status.as_u16(), "docs/api.md tells another status of {name}");
        json!({ "const": name, "description": format!("{documented}: {when}") })
    });
    json!({ "type": "string", "oneOf": each.collect::<Vec<_>>() })
}

/// The row of a code in section 6 of docs/api.md: its status, and when it is told.
fn documented(code: &str) -> (u16, &'static str) {
    let quoted = format!("`{code}`");
    let table = include_str!("../../../../docs/api.md").split("\n## 6. Errors").nth(1).unwrap();
    let row = table.lines().find_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let (status, codes, when) = (cells.next()?, cells.next()?, cells.next()?);
        codes.contains(&quoted).then(|| (status.parse().unwrap(), when))
    });
    row.unwrap_or_else(|| panic!("docs/api.md, section 6, has no row for {code}"))
}
