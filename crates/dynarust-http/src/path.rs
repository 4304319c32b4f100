//! Paths, as they came: never normalised, decoded segment by segment, strictly (RFC 3986).
//!
//! `%2F` is a slash inside a segment; `..` is a key like any other.

use std::borrow::Cow;

use dynarust_core::{Key, NameError, RecordName, TableName};
use percent_encoding::percent_decode_str;

/// The first segment of a path, still encoded.
pub(crate) fn first_segment(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').map_or(path, |(first, _)| first)
}

/// The table that an encoded segment names.
///
/// # Errors
/// [`NameError::Table`], for a wrong escape too.
pub(crate) fn table(segment: &str) -> Result<TableName, NameError> {
    TableName::parse(&decode(segment).ok_or(NameError::Table)?)
}

/// The key that an encoded segment names.
///
/// # Errors
/// [`NameError::Key`], for a wrong escape too.
pub(crate) fn key(segment: &str) -> Result<Key, NameError> {
    Key::parse(&decode(segment).ok_or(NameError::Key)?)
}

/// The record that two encoded segments name.
///
/// # Errors
/// The [`NameError`] of the one that is wrong.
pub(crate) fn record(table: &str, key: &str) -> Result<RecordName, NameError> {
    let table = decode(table).ok_or(NameError::Table)?;
    let key = decode(key).ok_or(NameError::Key)?;
    RecordName::parse(&table, &key)
}

/// Undoes percent-encoding; `None` where an escape is wrong or the result is no UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let well_formed = text
        .split('%')
        .skip(1)
        .all(|rest| matches!(rest.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()));
    if !well_formed {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict() {
        let good = [
            ("a", "a"),
            ("a%20b", "a b"),
            ("a%2Fb", "a/b"),
            ("%2e%2E", ".."),
            ("%C3%A9", "é"),
            ("a+b", "a+b"),
            ("%00", "\0"),
            ("%25", "%"),
        ];
        for (text, decoded) in good {
            assert_eq!(decode(text).as_deref(), Some(decoded), "{text}");
        }
        for bad in ["%", "%2", "a%2", "%zz", "%%20", "%2%20", "%FF", "%C3", "%ED%A0%80"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
