//! What `verify` and `salvage` find wrong, and the way on.

use std::fmt;

/// Something that is wrong in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub part: Part,
    /// What, in one line.
    pub what: String,
}

/// A part of a folder, by how it is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// One record of the base. Writing or deleting its key mends it.
    Record,
    /// What is summed over the records: digests and counts. `DynaRust salvage` makes them anew.
    Sums,
    /// What the node knows of its cluster. `DynaRust salvage` puts it aside.
    Note,
    /// The journal. `DynaRust salvage` goes on without what is lost.
    Journal,
    /// The base or the folder as a whole. Only a copy brings it back.
    Base,
}

impl Finding {
    pub(crate) fn new(part: Part, what: impl Into<String>) -> Self {
        Self { part, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Record => "record",
            Part::Sums => "sums",
            Part::Note => "CLUSTER",
            Part::Journal => "journal",
            Part::Base => "base",
        };
        write!(f, "{part}: {}", self.what)
    }
}
