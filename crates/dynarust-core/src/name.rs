//! Tables, keys, and the two in one (API.md section 1).
//!
//! A [`RecordName`] keeps `table`, a zero byte and `key` in one shared string. No table holds a zero
//! byte or anything below it, so the whole sorts as (table, key) does, hashes as one slice, and is
//! copied by counting.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::limits::{KEY_BYTES_MAX, TABLE_BYTES_MAX};

/// Stands between table and key in a [`RecordName`]; sorts before everything a table may hold.
const SEPARATOR: char = '\0';

/// A name that breaks the rules of API.md section 1; the text says which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, too long, a forbidden character, or a system name.
    #[error(
        "a table is 1 to {TABLE_BYTES_MAX} of A-Z a-z 0-9 _ . - and does not start with _ or . \
         (those are the system's)"
    )]
    Table,
    /// Empty or too long.
    #[error("a key is 1 to {KEY_BYTES_MAX} bytes of UTF-8, percent-encoded in the path")]
    Key,
}

/// The name of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(Arc<str>);

/// A key of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Table and key: the name of one record. Ordered by table, then key, byte for byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName(Arc<str>);

impl TableName {
    /// Checks the rules of API.md section 1.
    ///
    /// # Errors
    /// [`NameError::Table`] where one is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check_table(text)?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Key {
    /// Checks the rules of API.md section 1.
    ///
    /// # Errors
    /// [`NameError::Key`] where one is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check_key(text)?;
        Ok(Self(text.into()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RecordName {
    /// Checks both parts, and joins them.
    ///
    /// # Errors
    /// The [`NameError`] of the part that breaks a rule; the table's is told first.
    pub fn parse(table: &str, key: &str) -> Result<Self, NameError> {
        check_table(table)?;
        check_key(key)?;
        Ok(Self::join(table, key))
    }

    /// The name whose text, as [`RecordName::as_bytes`] gives it, this is.
    ///
    /// # Errors
    /// As [`RecordName::parse`]; a text without a table is one with a table that breaks a rule.
    pub fn from_text(text: &str) -> Result<Self, NameError> {
        let (table, key) = text.split_once(SEPARATOR).unwrap_or_default();
        check_table(table)?;
        check_key(key)?;
        Ok(Self(text.into()))
    }

    /// The name of `key` in `table`.
    #[must_use]
    pub fn new(table: &TableName, key: &Key) -> Self {
        Self::join(&table.0, &key.0)
    }

    /// Where the names of a range begin, in the text that names sort by.
    #[must_use]
    pub fn lower_bound(range: &crate::KeyRange) -> String {
        format!("{}{SEPARATOR}{}", range.table, range.lower)
    }

    /// Before where the names of a range end, in the text that names sort by.
    #[must_use]
    pub fn upper_bound(range: &crate::KeyRange) -> String {
        match &range.upper {
            Some(upper) => format!("{}{SEPARATOR}{upper}", range.table),
            None => format!("{}\u{1}", range.table),
        }
    }

    fn join(table: &str, key: &str) -> Self {
        let mut text = String::with_capacity(table.len() + 1 + key.len());
        text.push_str(table);
        text.push(SEPARATOR);
        text.push_str(key);
        Self(text.into())
    }

    /// The table's name as text.
    #[must_use]
    pub fn table(&self) -> &str {
        self.0.split_once(SEPARATOR).map_or("", |(table, _)| table)
    }

    /// The table's name, for itself.
    #[must_use]
    pub fn table_name(&self) -> TableName {
        TableName(self.table().into())
    }

    /// The key as text.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.split_once(SEPARATOR).map_or("", |(_, key)| key)
    }

    /// Both parts with the zero byte between them: what is hashed and summed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Sorts and hashes as its text does.
impl Borrow<str> for RecordName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.table(), self.key().escape_debug())
    }
}

impl fmt::Debug for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn check_table(text: &str) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let of_the_system = text.starts_with(['_', '.']);
    let fits = (1..=TABLE_BYTES_MAX).contains(&text.len());
    if fits && !of_the_system && text.bytes().all(allowed) { Ok(()) } else { Err(NameError::Table) }
}

fn check_key(text: &str) -> Result<(), NameError> {
    if (1..=KEY_BYTES_MAX).contains(&text.len()) { Ok(()) } else { Err(NameError::Key) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tables_keep_to_their_alphabet() {
        for good in ["a", "default", "A-Z.0_9", "9", "-", &"t".repeat(TABLE_BYTES_MAX)] {
            assert!(TableName::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "_a", ".a", "..", "a/b", "a b", "ä", "a\0", &"t".repeat(TABLE_BYTES_MAX + 1)]
        {
            assert_eq!(TableName::parse(bad), Err(NameError::Table), "{bad}");
        }
    }

    #[test]
    fn keys_are_bounded_in_bytes_and_otherwise_free() {
        for good in ["k", "/", "..", "\0", "ключ", " ", &"k".repeat(KEY_BYTES_MAX)] {
            assert!(Key::parse(good).is_ok(), "{good}");
        }
        for bad in ["", &"k".repeat(KEY_BYTES_MAX + 1), &"é".repeat(KEY_BYTES_MAX / 2 + 1)] {
            assert_eq!(Key::parse(bad), Err(NameError::Key), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_record_name_gives_back_its_parts_and_their_order(
            a in ("[A-Za-z0-9][A-Za-z0-9_.-]{0,5}", "\\PC{1,5}|\0"),
            b in ("[A-Za-z0-9][A-Za-z0-9_.-]{0,5}", "\\PC{1,5}|\0"),
        ) {
            let (x, y) = (RecordName::parse(&a.0, &a.1).unwrap(), RecordName::parse(&b.0, &b.1).unwrap());
            prop_assert_eq!((x.table(), x.key()), (a.0.as_str(), a.1.as_str()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(RecordName::from_text(std::str::from_utf8(x.as_bytes()).unwrap()), Ok(x));
        }
    }
}
