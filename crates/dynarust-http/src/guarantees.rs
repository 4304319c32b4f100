//! What a request asks of the answer: how consistent, how durable (API.md section 2).

use dynarust_core::{Condition, Consistency};
use dynarust_store::Durability;

use crate::problem::Problem;
use crate::query::Query;

/// Takes `consistency` from the query: that of a read, or of a write ([`of_write`]) that does not say.
///
/// # Errors
/// `invalid_parameter`.
pub(crate) fn consistency(query: &mut Query<'_>) -> Result<Option<Consistency>, Problem> {
    query.take_as("consistency", "`one`, `available`, `quorum` or `all`")
}

/// The consistency of a write. Where a condition is to hold, and nothing was said, a majority of all
/// owners must agree that it does.
pub(crate) fn of_write(given: Option<Consistency>, condition: &Condition) -> Consistency {
    let conditional = condition.if_match.is_some() || condition.if_none_match.is_some();
    given.unwrap_or(if conditional { Consistency::Quorum } else { Consistency::Available })
}

/// Takes `durability` from the query.
///
/// # Errors
/// `invalid_parameter`.
pub(crate) fn durability(
    query: &mut Query<'_>,
    default: Durability,
) -> Result<Durability, Problem> {
    match query.take("durability")?.as_deref() {
        None => Ok(default),
        Some("sync") => Ok(Durability::Sync),
        Some("relaxed") => Ok(Durability::Relaxed),
        Some(_) => Err(crate::query::invalid("`durability` takes `sync` or `relaxed`".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use dynarust_core::EntityTags;

    use super::*;

    #[test]
    fn a_condition_asks_for_a_quorum_unless_told() {
        let plain = Condition::default();
        let if_match = Condition { if_match: Some(EntityTags::Any), if_none_match: None };
        let if_none_match = Condition { if_match: None, if_none_match: Some(EntityTags::Any) };
        assert_eq!(of_write(None, &plain), Consistency::Available);
        for condition in [if_match, if_none_match] {
            assert_eq!(of_write(None, &condition), Consistency::Quorum);
            assert_eq!(of_write(Some(Consistency::One), &condition), Consistency::One);
        }
        assert_eq!(of_write(Some(Consistency::All), &plain), Consistency::All);
    }
}
