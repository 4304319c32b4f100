//! Ranges of keys, as `store` and `keys` take them (API.md section 3).
//!
//! Both ends are strings, the lower one included and the upper one not. That is enough for every
//! range: the string right after `k` is `k` and a zero byte, and the string after all that begin
//! with `p` is `p` with its last character replaced by the next one. UTF-8 sorts by bytes as it does
//! by code points.

use crate::{RecordName, TableName};

/// The keys of one table from `lower` to before `upper`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The table.
    pub table: TableName,
    /// The first string that is in the range.
    pub lower: String,
    /// The first string behind it; without one the range goes on to the last key.
    pub upper: Option<String>,
}

impl KeyRange {
    /// All keys of a table.
    #[must_use]
    pub fn table(table: TableName) -> Self {
        Self { table, lower: String::new(), upper: None }
    }

    /// One key.
    #[must_use]
    pub fn record(name: &RecordName) -> Self {
        let (table, key) = (name.table_name(), name.key());
        Self { table, lower: key.to_owned(), upper: Some(after(key)) }
    }

    /// The keys that begin with `prefix`; all for the empty one.
    #[must_use]
    pub fn prefix(table: TableName, prefix: &str) -> Self {
        Self { table, lower: prefix.to_owned(), upper: after_prefix(prefix) }
    }

    /// What is left of it from `lower` on.
    #[must_use]
    pub fn starting_at(mut self, lower: &str) -> Self {
        if lower > self.lower.as_str() {
            lower.clone_into(&mut self.lower);
        }
        self
    }

    /// What is left of it behind `key`.
    #[must_use]
    pub fn starting_after(self, key: &str) -> Self {
        self.starting_at(&after(key))
    }

    /// What is left of it before `upper`.
    #[must_use]
    pub fn ending_before(mut self, upper: &str) -> Self {
        if self.upper.as_deref().is_none_or(|present| upper < present) {
            self.upper = Some(upper.to_owned());
        }
        self
    }

    /// Whether no string can be in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.upper.as_deref().is_some_and(|upper| upper <= self.lower.as_str())
    }

    /// Whether the record's name lies in it.
    #[must_use]
    pub fn contains(&self, name: &RecordName) -> bool {
        name.table() == self.table.as_str()
            && name.key() >= self.lower.as_str()
            && self.upper.as_deref().is_none_or(|upper| name.key() < upper)
    }
}

/// The string right behind `text`.
fn after(text: &str) -> String {
    format!("{text}\0")
}

/// The first string behind all that begin with `prefix`; none where those go on to the end.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        if let Some(next) = next_char(last) {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

fn next_char(character: char) -> Option<char> {
    match character {
        char::MAX => None,
        '\u{D7FF}' => Some('\u{E000}'),
        other => char::from_u32(u32::from(other) + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> TableName {
        TableName::parse("t").unwrap()
    }

    fn name(key: &str) -> RecordName {
        RecordName::parse("t", key).unwrap()
    }

    #[test]
    fn the_last_character_has_no_next_prefix() {
        assert_eq!(KeyRange::prefix(table(), "\u{10FFFF}").upper, None);
        assert_eq!(KeyRange::prefix(table(), "a\u{10FFFF}").upper.as_deref(), Some("b"));
        assert_eq!(KeyRange::prefix(table(), "\u{D7FF}").upper.as_deref(), Some("\u{E000}"));
    }

    #[test]
    fn another_table_is_outside() {
        assert!(!KeyRange::table(table()).contains(&RecordName::parse("u", "k").unwrap()));
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_just_what_begins_with_it(prefix in "\\PC{0,3}", key in "\\PC{1,5}") {
            let inside = KeyRange::prefix(table(), &prefix).contains(&name(&key));
            prop_assert_eq!(inside, key.starts_with(&prefix));
        }

        #[test]
        fn cuts_do_what_they_say(a in "[a-c\0]{1,3}", b in "[a-c\0]{1,3}", key in "[a-c\0]{1,3}") {
            let all = KeyRange::table(table());
            let name = name(&key);
            prop_assert_eq!(all.clone().starting_at(&a).contains(&name), key >= a);
            prop_assert_eq!(all.clone().starting_after(&a).contains(&name), key > a);
            prop_assert_eq!(all.clone().ending_before(&a).contains(&name), key < a);
            let both = all.starting_at(&a).ending_before(&b);
            prop_assert!(!both.is_empty() || !both.contains(&name));
            let one = KeyRange::record(&RecordName::parse(table().as_str(), &a).unwrap());
            prop_assert_eq!(one.contains(&name), key == a);
        }
    }
}
