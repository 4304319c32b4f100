//! Consistency: what a request asks of those who own its key (API.md section 2).
//!
//! [`crate::quorum`] turns it into a number. On a node that owns all alone, each is met by that node.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many owners of a key must stand behind an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// One owner, whichever is nearest. What it answers may be older than what another acknowledged.
    One,
    /// A majority of the owners that are alive: two nodes go on serving when one is lost. An answer that
    /// fewer than a majority of all owners stand behind says so.
    #[default]
    Available,
    /// A majority of all owners, alive or not; refused rather than degraded. Any two such answers have
    /// an owner in common.
    Quorum,
    /// All owners; refused where one is not there.
    All,
}

/// The text was not `one`, `available`, `quorum` or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a consistency: `one`, `available`, `quorum` or `all`")]
pub struct NotAConsistency;

impl FromStr for Consistency {
    type Err = NotAConsistency;

    fn from_str(text: &str) -> Result<Self, NotAConsistency> {
        match text {
            "one" => Ok(Self::One),
            "available" => Ok(Self::Available),
            "quorum" => Ok(Self::Quorum),
            "all" => Ok(Self::All),
            _ => Err(NotAConsistency),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_a_consistency() {
        assert_eq!("one".parse(), Ok(Consistency::One));
        assert_eq!("available".parse(), Ok(Consistency::Available));
        assert_eq!("quorum".parse(), Ok(Consistency::Quorum));
        assert_eq!("all".parse(), Ok(Consistency::All));
        for text in ["", "One", "quorum ", "two", "1"] {
            assert_eq!(text.parse::<Consistency>(), Err(NotAConsistency), "{text:?}");
        }
    }
}
