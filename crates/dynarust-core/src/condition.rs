//! Conditional writes (RFC 9110 section 13, as API.md section 2 uses it).

use crate::Version;

/// The operand of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`: any record that exists.
    Any,
    /// `"v", …`: a record with one of these versions. Tags that are no versions match nothing and
    /// are left out, so the list may be empty.
    Versions(Vec<Version>),
}

/// What must hold of a key for a write to go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// The key must match one of these.
    pub if_match: Option<EntityTags>,
    /// The key must match none of these.
    pub if_none_match: Option<EntityTags>,
}

impl EntityTags {
    /// Whether a key whose live version is `current` (none: absent) matches.
    #[must_use]
    pub fn matches(&self, current: Option<Version>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Versions(versions), Some(current)) => versions.contains(&current),
        }
    }
}

impl Condition {
    /// Whether a write may go on at a key whose live version is `current` (none: absent, deleted or
    /// expired).
    #[must_use]
    pub fn holds(&self, current: Option<Version>) -> bool {
        self.if_match.as_ref().is_none_or(|tags| tags.matches(current))
            && self.if_none_match.as_ref().is_none_or(|tags| !tags.matches(current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;

    const ONE: Version = Version { hlc: 1, node: NodeId(1) };
    const TWO: Version = Version { hlc: 2, node: NodeId(1) };

    fn if_match(tags: EntityTags) -> Condition {
        Condition { if_match: Some(tags), if_none_match: None }
    }

    fn if_none_match(tags: EntityTags) -> Condition {
        Condition { if_match: None, if_none_match: Some(tags) }
    }

    #[test]
    fn no_condition_always_holds() {
        assert!(Condition::default().holds(None));
        assert!(Condition::default().holds(Some(ONE)));
    }

    #[test]
    fn if_match_wants_that_version() {
        assert!(if_match(EntityTags::Versions(vec![TWO, ONE])).holds(Some(ONE)));
        assert!(!if_match(EntityTags::Versions(vec![ONE])).holds(Some(TWO)));
        assert!(!if_match(EntityTags::Versions(vec![ONE])).holds(None));
        assert!(if_match(EntityTags::Any).holds(Some(ONE)));
        assert!(!if_match(EntityTags::Any).holds(None));
    }

    #[test]
    fn if_none_match_wants_another_version_or_none() {
        assert!(if_none_match(EntityTags::Any).holds(None));
        assert!(!if_none_match(EntityTags::Any).holds(Some(ONE)));
        assert!(if_none_match(EntityTags::Versions(vec![ONE])).holds(Some(TWO)));
        assert!(!if_none_match(EntityTags::Versions(vec![ONE])).holds(Some(ONE)));
    }
}
