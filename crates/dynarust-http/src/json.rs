//! JSON from clients (RFC 8259): checked to the last byte, and never printed anew.
//!
//! Nothing here recurses as deep as a client's text does, and nothing builds a tree of it.

use std::fmt;
use std::marker::PhantomData;

use dynarust_core::json_text;
use dynarust_core::limits::{MANY_KEYS_MAX, VALUE_DEPTH_MAX};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::problem::{Code, Problem};

const PUT_SHAPE: &str = r#"the body of a PUT is {"value": <any JSON>}, and nothing else"#;
const BATCH_SHAPE: &str = r#"the body is an array of items: [{"key": "…", "value": …}, …]"#;
const KEYS_SHAPE: &str = r#"the body is an array of keys: ["key1", "key2"]"#;

/// How much of a reader's complaint a detail shows.
const ERROR_CHARS_MAX: usize = 200;

/// The body of a PUT.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PutBody<'a> {
    /// Any JSON.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    value: &'a RawValue,
}

/// The text of the value in a PUT's body, as it came.
///
/// # Errors
/// `invalid_json`, `invalid_body`.
pub(crate) fn put_value(body: &[u8]) -> Result<&str, Problem> {
    let body: PutBody<'_> = object(body, PUT_SHAPE)?;
    let value = body.value.get();
    check_depth(value)?;
    Ok(value)
}

/// The object that `text` is.
///
/// # Errors
/// `invalid_json`, `invalid_body`.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a [u8], shape: &str) -> Result<T, Problem> {
    let text = utf8(text)?;
    // A derived reader would take an array of its members too.
    if !text.trim_ascii_start().starts_with('{') {
        let _: IgnoredAny = read(text, shape)?;
        return Err(Problem::new(Code::InvalidBody, shape.to_owned()));
    }
    read(text, shape)
}

/// The value, if it keeps to the limits of one.
///
/// # Errors
/// `value_too_large`; `invalid_json` where it nests too deep.
pub(crate) fn within_limits(value: &str, bytes_max: usize) -> Result<&str, Problem> {
    if value.len() > bytes_max {
        let detail = format!("a value's JSON text has at most {bytes_max} bytes here");
        return Err(Problem::new(Code::ValueTooLarge, detail));
    }
    check_depth(value)?;
    Ok(value)
}

/// The texts of the elements of the array that is the body of a batch.
///
/// # Errors
/// `invalid_json`, `invalid_body`, `too_many_keys`.
pub(crate) fn batch_array(body: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let items: AtMost<&RawValue> = read(utf8(body)?, BATCH_SHAPE)?;
    Ok(items.all()?.into_iter().map(|item| item.get().as_bytes()).collect())
}

/// The lines of the body of a batch. Blank ones are none.
///
/// # Errors
/// `too_many_keys`; what a line holds is not looked at.
pub(crate) fn batch_lines(body: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut lines = lines.filter(|line| !line.is_empty());
    let items = lines.by_ref().take(MANY_KEYS_MAX).collect();
    AtMost { items, more: lines.next().is_some() }.all()
}

/// The strings in the array that is the body.
///
/// # Errors
/// `invalid_json`, `invalid_body`, `too_many_keys`.
pub(crate) fn many_keys(body: &[u8]) -> Result<Vec<String>, Problem> {
    read::<AtMost<String>>(utf8(body)?, KEYS_SHAPE)?.all()
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

/// Appends a value's text without line ends: they can only stand between its tokens, where a space means
/// the same.
pub(crate) fn push_on_one_line(text: &mut Vec<u8>, value: &[u8]) {
    let begun = text.len();
    text.extend_from_slice(value);
    for byte in text.iter_mut().skip(begun) {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
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
            Ok(_) if shaped_wrong => {
                // It may repeat what the client sent.
                let error: String = error.to_string().chars().take(ERROR_CHARS_MAX).collect();
                Problem::new(Code::InvalidBody, format!("{error}: {shape}"))
            }
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

/// An array of which no more is kept than one request may hold.
struct AtMost<T> {
    items: Vec<T>,
    more: bool,
}

impl<T> AtMost<T> {
    fn all(self) -> Result<Vec<T>, Problem> {
        if !self.more {
            return Ok(self.items);
        }
        let detail = format!("one request takes at most {MANY_KEYS_MAX} keys: split it");
        Err(Problem::new(Code::TooManyKeys, detail))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AtMost<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AtMostVisitor(PhantomData))
    }
}

struct AtMostVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtMostVisitor<T> {
    type Value = AtMost<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<AtMost<T>, A::Error> {
        let mut items = Vec::new();
        while items.len() < MANY_KEYS_MAX {
            match array.next_element()? {
                Some(item) => items.push(item),
                None => return Ok(AtMost { items, more: false }),
            }
        }
        let mut more = false;
        while array.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(AtMost { items, more })
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
