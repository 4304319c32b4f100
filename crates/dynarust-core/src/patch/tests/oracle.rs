//! Against the crate `json-patch`, over values that both can hold.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{json as patch_json, merge};

/// Few names and small arrays, so that paths often lead somewhere.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        "[a~/\"é]{0,2}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 24, 4, |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inside, 0..4)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "0", "1", "", "-", "a/b", "~", "~1", "é\n"])
        .prop_map(str::to_owned)
}

fn pointer() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 0..4).prop_map(|names| {
        let escape = |name: &String| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        names.iter().map(escape).collect()
    })
}

fn operation() -> impl Strategy<Value = Value> {
    prop_oneof![
        (pointer(), value())
            .prop_map(|(path, value)| json!({"op": "add", "path": path, "value": value})),
        (pointer(), value())
            .prop_map(|(path, value)| json!({"op": "replace", "path": path, "value": value})),
        (pointer(), value())
            .prop_map(|(path, value)| json!({"op": "test", "path": path, "value": value})),
        pointer().prop_map(|path| json!({"op": "remove", "path": path})),
        (pointer(), pointer())
            .prop_map(|(from, path)| json!({"op": "move", "from": from, "path": path})),
        (pointer(), pointer())
            .prop_map(|(from, path)| json!({"op": "copy", "from": from, "path": path})),
    ]
}

/// A pointer to a place in the value, so that most operations work.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(elements) => {
            for (nth, element) in elements.iter().enumerate() {
                places(element, &format!("{at}/{nth}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(member, &format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

/// What the RFC leaves open: the whole value cannot be removed here, and nothing is moved into itself;
/// where it is moved to itself, nothing happens.
fn is_ours(operation: &Value) -> bool {
    let text = |name: &str| operation[name].as_str().unwrap_or("none");
    match text("op") {
        "remove" => text("path").is_empty(),
        "move" => format!("{}/", text("path")).starts_with(&format!("{}/", text("from"))),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn merge_patches_agree(original in value(), patch in value()) {
        let mut expected = original.clone();
        json_patch::merge(&mut expected, &patch);
        let patched = merge(&original.to_string(), &patch.to_string()).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&patched).unwrap(), expected);
    }

    #[test]
    fn json_patches_agree(
        original in value(),
        operations in prop::collection::vec((operation(), any::<prop::sample::Index>(), any::<bool>()), 1..4),
    ) {
        let mut found = Vec::new();
        places(&original, "", &mut found);
        let operations: Vec<Value> = operations
            .into_iter()
            .map(|(mut operation, place, aim)| {
                if aim {
                    let name = if operation.get("from").is_some() { "from" } else { "path" };
                    operation[name] = place.get(&found).clone().into();
                }
                if aim && operation["op"] == "test" {
                    operation["value"] = original.pointer(place.get::<String>(&found)).unwrap().clone();
                }
                operation
            })
            .filter(|operation| !is_ours(operation))
            .collect();
        let patch: json_patch::Patch = serde_json::from_value(operations.clone().into()).unwrap();
        let mut expected = original.clone();
        // The other one panics where it cannot undo.
        let worked = json_patch::patch_unsafe(&mut expected, &patch).is_ok();
        let patched = patch_json(&original.to_string(), &Value::from(operations).to_string());
        match patched {
            Ok(patched) => {
                prop_assert!(worked, "{}", patched);
                prop_assert_eq!(serde_json::from_str::<Value>(&patched).unwrap(), expected);
            }
            Err(error) => prop_assert!(!worked, "{}", error),
        }
    }

    #[test]
    fn nothing_panics(value in value(), text in "[\\[\\]{}\":,0a~/\\\\ ]{0,20}") {
        let _ = merge(&text, &value.to_string());
        let _ = merge(&value.to_string(), &text);
        let _ = patch_json(&text, r#"[{"op":"add","path":"/0","value":1}]"#);
        let _ = patch_json(&value.to_string(), &text);
    }
}
