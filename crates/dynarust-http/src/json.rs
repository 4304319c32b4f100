//! JSON from clients (RFC 8259): checked to the last byte, and never printed anew.
//!
//! Nothing here recurses as deep as a client's text does, and nothing builds a tree of it.

use std::fmt;

use dynarust_core::json_text;
use dynarust_core::limits::{MANY_KEYS_MAX, VALUE_DEPTH_MAX};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::problem::{Code, Problem};

const PUT_SHAPE: &str = r#"the body of a PUT is {"value": <any JSON>}, and nothing else"#;
const KEYS_SHAPE: &str = r#"the body is an array of keys: ["key1", "key2"]"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutBody<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The text of the value in a PUT's body, as it came.
///
/// # Errors
/// `invalid_json`, `invalid_body`.
pub(crate) fn put_value(body: &[u8]) -> Result<&str, Problem> {
    let text = utf8(body)?;
    // A derived reader would take an array of its members too.
    if !text.trim_ascii_start().starts_with('{') {
        let _: IgnoredAny = read(text, PUT_SHAPE)?;
        return Err(Problem::new(Code::InvalidBody, PUT_SHAPE));
    }
    let body: PutBody<'_> = read(text, PUT_SHAPE)?;
    let value = body.value.get();
    check_depth(value)?;
    Ok(value)
}

/// The strings in the array that is the body.
///
/// # Errors
/// `invalid_json`, `invalid_body`, `too_many_keys`.
pub(crate) fn many_keys(body: &[u8]) -> Result<Vec<String>, Problem> {
    let keys: ManyKeys = read(utf8(body)?, KEYS_SHAPE)?;
    if keys.more {
        let detail = format!("one request takes at most {MANY_KEYS_MAX} keys: split it");
        return Err(Problem::new(Code::TooManyKeys, detail));
    }
    Ok(keys.keys)
}

/// The body's text, whatever JSON it is.
///
/// # Errors
/// `invalid_json`.
pub(crate) fn any(body: &[u8]) -> Result<&str, Problem> {
    let text = utf8(body)?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(text),
        Err(error) => Err(no_json(&error)),
    }
}

/// Appends `string` as a JSON string.
pub(crate) fn push_string(text: &mut Vec<u8>, string: &str) {
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(text, string);
}

fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body)
        .map_err(|error| Problem::new(Code::InvalidJson, format!("JSON is UTF-8: {error}")))
}

fn read<'a, T: Deserialize<'a>>(text: &'a str, shape: &str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| {
        // A reader stops where the shape is wrong; what comes behind may not even be JSON.
        let shaped_wrong = error.classify() == Category::Data;
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) if shaped_wrong => Problem::new(Code::InvalidBody, format!("{error}: {shape}")),
            Ok(_) => no_json(&error),
            Err(error) => no_json(&error),
        }
    })
}

fn no_json(error: &serde_json::Error) -> Problem {
    Problem::new(Code::InvalidJson, format!("the body is no JSON: {error}"))
}

/// The text must be valid JSON.
fn check_depth(value: &str) -> Result<(), Problem> {
    if json_text::depth(value) <= VALUE_DEPTH_MAX {
        return Ok(());
    }
    let detail = format!("a value nests at most {VALUE_DEPTH_MAX} arrays and objects");
    Err(Problem::new(Code::InvalidJson, detail))
}

/// An array of strings, of which no more are kept than there may be.
struct ManyKeys {
    keys: Vec<String>,
    more: bool,
}

impl<'de> Deserialize<'de> for ManyKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ManyKeysVisitor)
    }
}

struct ManyKeysVisitor;

impl<'de> Visitor<'de> for ManyKeysVisitor {
    type Value = ManyKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<ManyKeys, A::Error> {
        let mut keys = Vec::new();
        while keys.len() < MANY_KEYS_MAX {
            match array.next_element()? {
                Some(key) => keys.push(key),
                None => return Ok(ManyKeys { keys, more: false }),
            }
        }
        let mut more = false;
        while array.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(ManyKeys { keys, more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(body: &str) -> Code {
        put_value(body.as_bytes()).unwrap_err().code()
    }

    #[test]
    fn a_value_comes_as_it_stood() {
        let cases = [
            (r#"{"value":1}"#, "1"),
            ("\t{ \"value\" :\r\n 1.0e+2 } \n", "1.0e+2"),
            (r#"{"value":{"a":1,"a":2}}"#, r#"{"a":1,"a":2}"#),
            (r#"{"v\u0061lue":null}"#, "null"),
            (r#"{"value":"\ud800"}"#, r#""\ud800""#),
        ];
        for (body, value) in cases {
            assert_eq!(put_value(body.as_bytes()), Ok(value), "{body}");
        }
    }

    #[test]
    fn another_shape_is_an_invalid_body() {
        let cases = [
            "{}",
            r#"{"values":1}"#,
            r#"{"value":1,"ttl":2}"#,
            r#"{"value":1,"value":1}"#,
            "[1]",
            r#"["value"]"#,
            "null",
            "\"value\"",
        ];
        for body in cases {
            assert_eq!(code_of(body), Code::InvalidBody, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for body in
            ["", "{", r#"{"value":}"#, r#"{"value":1,}"#, r#"{"value":1}x"#, "[1", "\u{feff}{}"]
        {
            assert_eq!(code_of(body), Code::InvalidJson, "{body}");
        }
        assert_eq!(put_value(b"{\"value\":\"\xFF\"}").unwrap_err().code(), Code::InvalidJson);
    }

    #[test]
    fn a_value_nests_as_deep_as_it_may_and_no_deeper() {
        let nested =
            |levels: usize| format!("{{\"value\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(put_value(nested(VALUE_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(code_of(&nested(VALUE_DEPTH_MAX + 1)), Code::InvalidJson);
        assert_eq!(code_of(&nested(1_000_000)), Code::InvalidJson);
    }

    #[test]
    fn keys_are_strings_and_bounded() {
        assert_eq!(many_keys(br#"["a","\u0062"]"#).unwrap(), ["a", "b"]);
        assert!(many_keys(b"[]").unwrap().is_empty());
        let code = |body: &str| many_keys(body.as_bytes()).unwrap_err().code();
        assert_eq!(code("[1]"), Code::InvalidBody);
        assert_eq!(code("{}"), Code::InvalidBody);
        assert_eq!(code("[\"a\""), Code::InvalidJson);
        let many = vec!["\"k\""; MANY_KEYS_MAX].join(",");
        assert_eq!(many_keys(format!("[{many}]").as_bytes()).unwrap().len(), MANY_KEYS_MAX);
        assert_eq!(code(&format!("[{many},\"k\"]")), Code::TooManyKeys);
    }
}
