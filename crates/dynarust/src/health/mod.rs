//! The command `health`: asks the running nodes of a folder, or of an address, whether they are ready.
//!
//! ```text
//! address ─────────────────────────────┐
//! --data-dir ─▶ its ADDRESS ───────────┼─▶ whom to ask ─▶ GET /readyz of each ─▶ one line, 0 or 1
//! else ─▶ every ADDRESS in storage.db/ ┘
//! ```
//!
//! It opens no store and takes no lock, so it never stands in a node's way.

mod ask;
mod whom;

use std::io::{self, Write as _};
use std::time::Duration;

use crate::health::whom::Whom;
pub(crate) use crate::health::whom::{Target, WhomError};

/// How long a node has for its whole answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the answer is not that all is well. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HealthError {
    /// Nobody could be asked.
    #[error(transparent)]
    Whom(#[from] WhomError),
    /// Of those who were asked, some are not ready.
    #[error("{0}")]
    Unwell(String),
}

/// Asks each node that is meant, and prints one line where all are ready.
///
/// # Errors
/// [`HealthError`].
pub(crate) fn health(target: &Target) -> Result<(), HealthError> {
    let nodes = target.nodes()?;
    let unwell: Vec<String> = nodes.iter().filter_map(complaint).collect();
    if !unwell.is_empty() {
        return Err(HealthError::Unwell(unwell.join("; ")));
    }
    let names: Vec<&str> = nodes.iter().map(|node| node.address.as_str()).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    // A closed pipe is no reason to complain.
    let _ = writeln!(io::stdout(), "{} {verb} ready", names.join(", "));
    Ok(())
}

/// What is wrong with this node, if anything.
fn complaint(node: &Whom) -> Option<String> {
    let error = ask::ready(&node.address, ANSWER_TIMEOUT).err()?;
    Some(match &node.folder {
        Some(folder) if error.is_nobody() => {
            format!("the node of {} does not run: {error}", folder.display())
        }
        Some(folder) => format!("the node of {} is not well: {error}", folder.display()),
        None => error.to_string(),
    })
}
