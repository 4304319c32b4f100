//! Renewing: a folder is made that of a new node, with all that it holds. A node that its cluster gave up
//! never comes back under its id; its records may (design section 5).
//!
//! ```text
//! FORMAT: node new, formerly old ─▶ base: new ─▶ CLUSTER: new ─▶ FORMAT: node new
//!         from here on the folder is the new node's; each opening goes on from where it is
//! ```
//!
//! Invariants:
//! - whenever it is cut short, the folder is wholly the former node's, or is wholly the new one's once it is
//!   opened;
//! - records, tombstones, answers, clock, seqs and the count of starts go on, and what the former node noted
//!   is handed over: the node above tells by it that it is another now.

use std::path::Path;

use dynarust_core::NodeId;

use crate::base::OpenBase;
use crate::config;
use crate::folder::{Folder, Identity};
use crate::journal::disk::RealDisk;
use crate::note;
use crate::open::{bring_over, open_base};
use crate::open_error::OpenError;

/// Makes the folder of a stopped node that of a new one, and returns which.
///
/// # Errors
/// [`OpenError`]: the folder is the former node's, or, where the last steps failed, the new one's; any
/// opening tells.
pub fn renew(path: &Path) -> Result<NodeId, OpenError> {
    let folder = Folder::lock_existing(path)?;
    let base = bring_over(&folder, open_base(&folder, &RealDisk, &config::random())?)?;
    let former = base.meta.node;
    note::read(&folder, |node| node == former)
        .map_err(|error| OpenError::note(folder.note(), error))?;
    let node = NodeId(rand::random());
    folder.set_identity(node, Some(former))?;
    if let Some(identity) = folder.identity()? {
        settle(&folder, base, identity)?;
    }
    Ok(node)
}

/// Sees to it that all of the folder is the node's that `FORMAT` names.
///
/// # Errors
/// [`OpenError`] where the base is another's than `FORMAT` says; nothing was changed.
pub(crate) fn settle(
    folder: &Folder,
    base: OpenBase,
    identity: Identity,
) -> Result<OpenBase, OpenError> {
    let Identity { node, formerly, .. } = identity;
    let path = base.path.clone();
    if !identity.is_of(base.meta.node) {
        let reason =
            format!("the folder is node {node}'s, the base is {}'s", base.meta.node).into();
        return Err(OpenError::Base { path, reason });
    }
    let Some(former) = formerly else {
        return Ok(base);
    };
    let base = if base.meta.node == node {
        base
    } else {
        base.hand_over(node).map_err(|error| OpenError::base(&path, error))?
    };
    note::hand_over(folder, former, node).map_err(|error| OpenError::note(folder.note(), error))?;
    folder.set_identity(node, None)?;
    Ok(base)
}
