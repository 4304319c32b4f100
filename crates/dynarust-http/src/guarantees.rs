//! What a request asks of the answer: how consistent, how durable (API.md section 2).

use std::str::FromStr;

use dynarust_store::Durability;

use crate::problem::Problem;
use crate::query::Query;

/// How many owners must stand behind an answer. On a node that owns all alone each is met by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// One owner.
    One,
    /// A majority of the owners that are alive.
    Available,
    /// A majority of all owners.
    Quorum,
    /// All owners.
    All,
}

impl FromStr for Consistency {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "one" => Ok(Self::One),
            "available" => Ok(Self::Available),
            "quorum" => Ok(Self::Quorum),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

/// Takes `consistency` from the query.
///
/// # Errors
/// `invalid_parameter`.
pub(crate) fn consistency(query: &mut Query<'_>) -> Result<Consistency, Problem> {
    let given = query.take_as("consistency", "`one`, `available`, `quorum` or `all`")?;
    Ok(given.unwrap_or(Consistency::Available))
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
