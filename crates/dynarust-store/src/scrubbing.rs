//! Scrubbing: what the applier does about what it finds rotten in the base.
//!
//! ```text
//! rotten name   ─▶ the index has it: written anew
//! rotten record ─▶ recent? ─▶ the next round writes it anew
//!               ─▶ in the cache? ─▶ written anew from there
//!               ─▶ else the node is told its name: others may have it
//! rotten index  ─▶ made anew
//! ```

use dynarust_core::RecordName;

use crate::applier::Applier;
use crate::base::{BaseError, Bounds, Rot};

/// What is scrubbed each time: some milliseconds' work.
const SCRUB: Bounds = Bounds { records: 2000, bytes: 4 << 20 };

impl Applier {
    /// Looks at some more records of the base, says which are corrupt, and mends what it can.
    pub(crate) fn scrub(&mut self) -> Result<Vec<Rot>, BaseError> {
        let found = self.base.scrub(&mut self.scrubbed, SCRUB)?;
        if !found.is_empty() {
            self.truncated = false;
        }
        for rot in &found {
            match rot {
                Rot::Record { row, name } => {
                    let mended = match name {
                        Some(name) if self.base.rename_rotten(*row, name)? => true,
                        Some(name) => self.write_anew(name)?,
                        None => false,
                    };
                    tell(*row, name.as_ref(), mended);
                }
                Rot::Index(name) => tracing::error!(?name, "the index does not find a record"),
            }
        }
        if found.iter().any(|rot| matches!(rot, Rot::Index(_))) {
            if self.base.rebuild_indexes()? {
                tracing::warn!("the indexes of the base were damaged and have been made anew");
            } else {
                tracing::error!(
                    "records and indexes are damaged: bring the folder back from a copy"
                );
            }
        }
        Ok(found)
    }

    /// Whether the record is written anew from memory. Else the node is told that it is damaged.
    fn write_anew(&mut self, name: &RecordName) -> Result<bool, BaseError> {
        // Only rounds of this thread take anything out of there.
        if self.shared.recent.read().seq(name).is_some() {
            return Ok(true);
        }
        let applied = self.base.meta().applied_seq;
        match self.shared.cache.get(name) {
            Some(stored) if stored.seq <= applied => {
                self.base.apply(&[stored])?;
                while !self.base.bring_feed()? {}
                Ok(true)
            }
            // It was published this moment: a round brings it, once it is on stable storage.
            Some(_) => Ok(true),
            None => {
                self.shared.damaged.add(name);
                Ok(false)
            }
        }
    }
}

fn tell(row: i64, name: Option<&RecordName>, mended: bool) {
    if mended {
        tracing::warn!(row, ?name, "a record was damaged on disk: it is written anew");
    } else {
        tracing::error!(
            row,
            ?name,
            "a record is damaged on disk: write or delete it, or restore it from a copy"
        );
    }
}
