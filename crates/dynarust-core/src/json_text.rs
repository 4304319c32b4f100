//! JSON text (RFC 8259), taken apart one level at a time and never printed anew.
//!
//! All of it expects text that was found to be valid JSON; other text gives an error or nonsense, and
//! never a panic. Strings are compared by their characters, as WTF-8: a lone surrogate (`"\ud800"`),
//! which RFC 8259 lets pass, is a character like any other.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The elements of the array that `text` is.
///
/// # Errors
/// Where it is none.
pub fn elements(text: &str) -> Result<Vec<&str>, serde_json::Error> {
    let elements: Vec<&RawValue> = serde_json::from_str(text)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// The members of the object that `text` is, in order: each name in its quotes, and its value.
///
/// # Errors
/// Where it is none.
pub fn members(text: &str) -> Result<Vec<(&str, &str)>, serde_json::Error> {
    serde_json::from_str(text).map(|Members(members)| members)
}

/// The characters of the string that `text` is, as WTF-8.
///
/// # Errors
/// Where it is none.
pub fn characters(text: &str) -> Result<Cow<'_, [u8]>, serde_json::Error> {
    serde_json::from_str(text).map(|Characters(characters)| characters)
}

/// The string with these characters (WTF-8), as JSON text; the inverse of [`characters`].
#[must_use]
pub fn quoted(characters: &[u8]) -> String {
    let mut text = String::from("\"");
    let mut rest = characters;
    while !rest.is_empty() {
        let (sound, surrogate, behind) = split_at_surrogate(rest);
        // Lossy for what is no WTF-8 either, which nothing here makes.
        let sound = serde_json::to_string(&String::from_utf8_lossy(sound)).unwrap_or_default();
        text.push_str(sound.get(1..sound.len().saturating_sub(1)).unwrap_or_default());
        if let Some(unit) = surrogate {
            text.push_str(&format!("\\u{unit:04x}"));
        }
        rest = behind;
    }
    text.push('"');
    text
}

/// What stands before the first lone surrogate; that surrogate; what stands behind it.
fn split_at_surrogate(characters: &[u8]) -> (&[u8], Option<u16>, &[u8]) {
    let at = characters.windows(3).position(|it| matches!(it, [0xED, 0xA0..=0xBF, 0x80..=0xBF]));
    let parts = at.and_then(|at| Some((characters.get(..at)?, characters.get(at..)?)));
    match parts {
        Some((sound, [_, high, low, behind @ ..])) => {
            let unit = 0xD000 | u16::from(high & 0x3F) << 6 | u16::from(low & 0x3F);
            (sound, Some(unit), behind)
        }
        _ => (characters, None, &[]),
    }
}

/// How many arrays and objects are inside each other, the outermost being 1; 0 for a scalar.
#[must_use]
pub fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Goes on behind the quote that ends the string.
fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

struct Members<'a>(Vec<(&'a str, &'a str)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            members.push((name.get(), value.get()));
        }
        Ok(Members(members))
    }
}

struct Characters<'a>(Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Characters<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde_json gives strings that are asked for as bytes as WTF-8.
        deserializer.deserialize_bytes(CharactersVisitor)
    }
}

struct CharactersVisitor;

impl<'de> Visitor<'de> for CharactersVisitor {
    type Value = Characters<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Characters(Cow::Borrowed(bytes)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Characters(Cow::Owned(bytes.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_level_is_taken_apart_and_its_parts_stay_text() {
        assert_eq!(
            elements(" [ 1.0 ,{\"a\" : [ ]}, \"\\ud800\" ] ").unwrap(),
            ["1.0", "{\"a\" : [ ]}", "\"\\ud800\""]
        );
        let text = r#"{"a": 1, "\u0061" :2,"b":{ "c":1}}"#;
        let expected = [("\"a\"", "1"), ("\"\\u0061\"", "2"), ("\"b\"", "{ \"c\":1}")];
        assert_eq!(members(text).unwrap(), expected);
        assert!(members("[]").is_err() && elements("{}").is_err() && characters("[1]").is_err());
    }

    #[test]
    fn strings_are_compared_by_their_characters() {
        for (one, other) in [(r#""\u0061""#, "\"a\""), (r#""\ud83d\ude00""#, "\"😀\"")] {
            assert_eq!(characters(one).unwrap(), characters(other).unwrap());
        }
        assert_ne!(characters(r#""\ud800""#).unwrap(), characters(r#""\ud801""#).unwrap());
    }

    #[test]
    fn lone_surrogates_survive() {
        for text in [r#""\ud800""#, r#""a\udfffb\ud83dc""#, r#""\udc00\ud800""#, r#""\ud7ff""#] {
            let characters = characters(text).unwrap();
            let printed = quoted(&characters);
            assert_eq!(super::characters(&printed).unwrap(), characters, "{text} {printed}");
        }
        assert_eq!(quoted(&characters(r#""\ud800""#).unwrap()), r#""\ud800""#);
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        assert_eq!(depth("1"), 0);
        assert_eq!(depth(r#"[{"a":[]},[]]"#), 3);
        assert_eq!(depth(r#"["[[[\"[[\\"]"#), 1);
    }

    proptest! {
        #[test]
        fn quoting_is_undone(text in ".{0,12}") {
            let quoted = quoted(text.as_bytes());
            prop_assert_eq!(&*characters(&quoted).unwrap(), text.as_bytes());
        }

        #[test]
        fn nothing_panics(text in ".{0,12}", bytes: Vec<u8>) {
            let _ = (elements(&text), members(&text), characters(&text), depth(&text));
            let _ = quoted(&bytes);
        }
    }
}
