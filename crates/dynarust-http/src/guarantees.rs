//! What a request asks of the answer: how consistent, how durable (API.md section 2).

use dynarust_core::Consistency;
use dynarust_store::Durability;

use crate::problem::Problem;
use crate::query::Query;

/// Takes `consistency` from the query.
///
/// # Errors
/// `invalid_parameter`.
pub(crate) fn consistency(query: &mut Query<'_>) -> Result<Consistency, Problem> {
    let given = query.take_as("consistency", "`one`, `available`, `quorum` or `all`")?;
    Ok(given.unwrap_or_default())
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
