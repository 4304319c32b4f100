//! The two links of a pair of nodes.

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Channel {
    /// What clients wait for: ships, reads, forwarded writes, pings.
    Data,
    /// What moves much: catching up, copies, scans. So it never delays a write.
    Bulk,
}

impl Channel {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Data, Self::Bulk];

    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Data => 1,
            Self::Bulk => 2,
        }
    }

    pub(crate) fn of_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.number() == number)
    }
}
