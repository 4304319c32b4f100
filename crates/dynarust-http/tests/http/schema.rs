//! JSON Schema, as far as the OpenAPI document uses it.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// Schemas, which refer to each other by their place in this document.
pub(crate) struct Schemas<'a>(pub(crate) &'a Value);

impl Schemas<'_> {
    /// What in the text breaks the schema. Values stay text until a schema speaks of them: those of
    /// records have numbers and depths that [`Value`] has no place for.
    pub(crate) fn check(&self, schema: &Value, text: &RawValue) -> Result<(), String> {
        if schema == &Value::Bool(true) {
            return Ok(());
        }
        let schema = schema.as_object().expect("a schema that is an object");
        for (keyword, says) in schema {
            let holding = |schemas: &Value| {
                let schemas = schemas.as_array().unwrap().iter();
                schemas.filter(|schema| self.check(schema, text).is_ok()).count()
            };
            let holds = match keyword.as_str() {
                "$ref" => {
                    let place = says.as_str().unwrap().trim_start_matches('#');
                    self.check(self.0.pointer(place).expect(place), text)?;
                    true
                }
                "allOf" => {
                    let mut schemas = says.as_array().unwrap().iter();
                    schemas.try_for_each(|schema| self.check(schema, text))?;
                    true
                }
                "anyOf" => holding(says) > 0,
                "oneOf" => holding(says) == 1,
                "type" => is_of_type(says, text),
                "const" => value(text).as_ref() == Some(says),
                "enum" => value(text).is_some_and(|it| says.as_array().unwrap().contains(&it)),
                "minimum" => number(text).is_none_or(|it| it >= says.as_f64().unwrap()),
                "maximum" => number(text).is_none_or(|it| it <= says.as_f64().unwrap()),
                "minLength" => length(text).is_none_or(|it| it >= says.as_u64().unwrap()),
                "maxLength" => length(text).is_none_or(|it| it <= says.as_u64().unwrap()),
                "required" => object(text).is_none_or(|members| {
                    let names = says.as_array().unwrap();
                    names.iter().all(|name| members.contains_key(name.as_str().unwrap()))
                }),
                "properties" => {
                    let members = object(text).unwrap_or_default();
                    for (name, schema) in says.as_object().unwrap() {
                        if let Some(member) = members.get(name) {
                            self.check(schema, member)?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let named = schema.get("properties").and_then(Value::as_object);
                    for (name, member) in object(text).unwrap_or_default() {
                        if named.is_none_or(|named| !named.contains_key(&name)) {
                            self.check(says, member)?;
                        }
                    }
                    true
                }
                "items" => {
                    let items: Vec<&RawValue> =
                        serde_json::from_str(text.get()).unwrap_or_default();
                    items.iter().try_for_each(|item| self.check(says, item))?;
                    true
                }
                // Not looked at.
                "description" | "format" | "pattern" | "uniqueItems" => true,
                _ => panic!("learn {keyword} of JSON Schema"),
            };
            if !holds {
                return Err(format!("{keyword} {says} does not hold for {text}"));
            }
        }
        Ok(())
    }
}

fn is_of_type(types: &Value, text: &RawValue) -> bool {
    let is = |name: &str| match name {
        "object" => text.get().starts_with('{'),
        "array" => text.get().starts_with('['),
        "string" => text.get().starts_with('"'),
        "null" => text.get() == "null",
        "boolean" => matches!(text.get(), "true" | "false"),
        "number" => number(text).is_some(),
        "integer" => number(text).is_some_and(|it| it.fract() == 0.0),
        _ => panic!("learn type {name} of JSON Schema"),
    };
    match types {
        Value::String(name) => is(name),
        names => names.as_array().unwrap().iter().any(|name| is(name.as_str().unwrap())),
    }
}

fn value(text: &RawValue) -> Option<Value> {
    serde_json::from_str(text.get()).ok()
}

fn number(text: &RawValue) -> Option<f64> {
    serde_json::from_str(text.get()).ok()
}

fn length(text: &RawValue) -> Option<u64> {
    let string: String = serde_json::from_str(text.get()).ok()?;
    u64::try_from(string.chars().count()).ok()
}

fn object(text: &RawValue) -> Option<HashMap<String, &RawValue>> {
    serde_json::from_str(text.get()).ok()
}
