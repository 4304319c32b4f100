//! A law that was broken: which, of what record, and by what.

use std::fmt;

/// What is wrong with a history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The checker that found it.
    pub law: &'static str,
    /// The record's name; of what is about no single one, empty.
    pub key: String,
    /// What was promised, and what was seen, with the operations that show it.
    pub text: String,
}

impl Violation {
    pub(crate) fn new(law: &'static str, key: &str, text: String) -> Self {
        Self { law, key: key.to_owned(), text }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.law, self.key, self.text)
    }
}
