//! Selections: what a live stream follows (API.md section 4).
//!
//! Invariants of a [`Selection`]:
//! - its parts are sorted by name and disjoint, so that a record is in at most one of them and the
//!   state goes out in table and key order;
//! - two requests that follow the same have equal selections, whatever their order or repetitions.

use twox_hash::XxHash3_64;

use crate::limits::SELECTORS_MAX;
use crate::range::KeyRange;
use crate::{RecordName, TableName};

/// One thing to follow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// The keys of the table that begin with the prefix; the whole table for the empty one.
    Prefix(TableName, String),
    /// One record.
    Key(RecordName),
}

/// All that one stream follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Parts);

/// Most follow one thing, and there are thousands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Parts {
    One(Selector),
    /// Never one.
    Many(Vec<Selector>),
}

/// More selectors than [`SELECTORS_MAX`], or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stream follows 1 to {SELECTORS_MAX} keys, prefixes and tables")]
pub struct SelectorCount;

impl Selector {
    /// The keys that it follows.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        match self {
            Self::Prefix(table, prefix) => KeyRange::prefix(table.clone(), prefix),
            Self::Key(name) => KeyRange::record(name),
        }
    }

    /// Whether it follows this record.
    #[must_use]
    pub fn matches(&self, name: &RecordName) -> bool {
        match self {
            Self::Prefix(table, prefix) => {
                name.table() == table.as_str() && name.key().starts_with(prefix)
            }
            Self::Key(only) => only == name,
        }
    }

    /// What it sorts by: where its range begins.
    fn order(&self) -> (&str, &str) {
        match self {
            Self::Prefix(table, prefix) => (table.as_str(), prefix),
            Self::Key(name) => (name.table(), name.key()),
        }
    }

    /// Whether all that `other` follows is followed by this.
    fn covers(&self, other: &Self) -> bool {
        match self {
            Self::Prefix(table, prefix) => {
                let (other_table, within) = other.order();
                table.as_str() == other_table && within.starts_with(prefix.as_str())
            }
            Self::Key(..) => self == other,
        }
    }
}

impl Selection {
    /// Sorts the selectors and drops those that another covers.
    ///
    /// # Errors
    /// [`SelectorCount`] where there are none, or too many.
    pub fn new(mut selectors: Vec<Selector>) -> Result<Self, SelectorCount> {
        if selectors.is_empty() || selectors.len() > SELECTORS_MAX {
            return Err(SelectorCount);
        }
        // A prefix stands before a key that equals it, and both before what they might cover.
        selectors.sort_by(|a, b| a.order().cmp(&b.order()).then_with(|| a.cmp(b)));
        let mut kept: Vec<Selector> = Vec::with_capacity(selectors.len());
        for selector in selectors {
            if !kept.last().is_some_and(|last| last.covers(&selector)) {
                kept.push(selector);
            }
        }
        Ok(Self(match <[Selector; 1]>::try_from(kept) {
            Ok([only]) => Parts::One(only),
            Err(several) => Parts::Many(several),
        }))
    }

    /// Its parts, in order, disjoint.
    #[must_use]
    pub fn selectors(&self) -> &[Selector] {
        match &self.0 {
            Parts::One(only) => std::slice::from_ref(only),
            Parts::Many(several) => several,
        }
    }

    /// The one record that is followed, where it is no more than one.
    #[must_use]
    pub fn only_record(&self) -> Option<RecordName> {
        match self.selectors() {
            [Selector::Key(name)] => Some(name.clone()),
            _ => None,
        }
    }

    /// Whether the record is followed.
    #[must_use]
    pub fn matches(&self, name: &RecordName) -> bool {
        // The parts are disjoint and sorted: only the last that begins at or before the name can match.
        let parts = self.selectors();
        let at = parts.partition_point(|part| part.order() <= (name.table(), name.key()));
        at.checked_sub(1).and_then(|at| parts.get(at)).is_some_and(|part| part.matches(name))
    }

    /// Tells one selection from another; goes into cursors, so that an id is not resumed by a stream
    /// that follows something else.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        let mut text = Vec::new();
        for part in self.selectors() {
            let (table, within) = part.order();
            let kind = match part {
                Selector::Prefix(..) => b'p',
                Selector::Key(..) => b'k',
            };
            text.push(kind);
            for part in [table, within] {
                text.extend((part.len() as u64).to_le_bytes());
                text.extend(part.as_bytes());
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "32 of 64 bits are enough to tell")]
        {
            XxHash3_64::oneshot(&text) as u32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(table: &str, text: &str) -> Selector {
        Selector::Prefix(TableName::parse(table).unwrap(), text.to_owned())
    }

    fn key(table: &str, text: &str) -> Selector {
        Selector::Key(RecordName::parse(table, text).unwrap())
    }

    #[test]
    fn covered_parts_are_dropped_and_the_rest_sorted() {
        let parts = vec![
            key("b", "x"),
            prefix("a", "xy"),
            key("a", "xyz"),
            prefix("a", "x"),
            key("a", "w"),
        ];
        let selection = Selection::new(parts).unwrap();
        assert_eq!(selection.selectors(), [key("a", "w"), prefix("a", "x"), key("b", "x")]);
    }

    #[test]
    fn neither_none_nor_too_many() {
        assert_eq!(Selection::new(vec![]), Err(SelectorCount));
        assert_eq!(Selection::new(vec![key("a", "x"); SELECTORS_MAX + 1]), Err(SelectorCount));
    }

    #[test]
    fn fingerprints_tell_kinds_apart() {
        let of = |part| Selection::new(vec![part]).unwrap().fingerprint();
        assert_ne!(of(prefix("a", "x")), of(key("a", "x")));
        assert_ne!(of(key("a", "xy")), of(key("ax", "y")));
    }

    fn selector() -> impl Strategy<Value = Selector> {
        ("[ab]", "[ab]{0,3}", any::<bool>()).prop_map(|(table, text, is_key)| {
            if is_key && !text.is_empty() { key(&table, &text) } else { prefix(&table, &text) }
        })
    }

    proptest! {
        #[test]
        fn follows_what_any_part_follows(
            parts in prop::collection::vec(selector(), 1..6), table in "[ab]", text in "[ab]{1,4}"
        ) {
            let name = RecordName::parse(&table, &text).unwrap();
            let selection = Selection::new(parts.clone()).unwrap();
            prop_assert_eq!(selection.matches(&name), parts.iter().any(|part| part.matches(&name)));
            let once = selection.selectors().iter().filter(|part| part.range().contains(&name)).count();
            prop_assert_eq!(once, usize::from(selection.matches(&name)));
            let mut turned = parts;
            turned.reverse();
            turned.extend(turned.clone());
            prop_assert_eq!(Selection::new(turned).unwrap(), selection);
        }
    }
}
