//! Quorums: how many owners must stand behind an answer, and how many do (API.md section 2, design
//! section 7).
//!
//! - A majority of n is `⌊n / 2⌋ + 1`: two of them always have an owner in common. So a read at `quorum`
//!   sees every write that was acknowledged at `quorum`; and with a stable liveness one at `available`
//!   sees every write at `available`.
//! - Where no owner is live there is no answer, at any consistency.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Consistency;

/// Fewer owners are live than must stand behind the answer: it is refused, and nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("needs {needed} of the key's owners, and {live} can be reached")]
pub struct NotEnough {
    /// How many must stand behind it.
    pub needed: usize,
    /// How many are live.
    pub live: usize,
}

/// How many of `owners`, of which `live` are live, must stand behind an answer.
///
/// # Errors
/// [`NotEnough`] where fewer are live.
pub fn needed(consistency: Consistency, owners: usize, live: usize) -> Result<usize, NotEnough> {
    let needed = match consistency {
        Consistency::One => 1,
        Consistency::Available => majority(live),
        Consistency::Quorum => majority(owners),
        // Where nobody owns it, nobody can answer.
        Consistency::All => owners.max(1),
    };
    if live < needed { Err(NotEnough { needed, live }) } else { Ok(needed) }
}

/// The least number of `all` that is more than the rest.
#[must_use]
pub fn majority(all: usize) -> usize {
    all / 2 + 1
}

/// What stood behind an answer; as text, `1/3` (the header `DynaRust-Replicas`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicas {
    /// How many owners did.
    pub stand: u16,
    /// How many there are.
    pub owners: u16,
}

impl Replicas {
    /// Whether fewer than a majority of all owners stood behind it, which the answer then says.
    #[must_use]
    pub fn is_few(self) -> bool {
        usize::from(self.stand) < majority(usize::from(self.owners))
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stand, self.owners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Consistency::{All, Available, One, Quorum};
    use proptest::prelude::*;

    #[test]
    fn as_api_md_has_it() {
        let refused = |needed, live| Err(NotEnough { needed, live });
        // Owners, live; then one, available, quorum, all.
        let cases = [
            (1, 1, [Ok(1), Ok(1), Ok(1), Ok(1)]),
            (2, 2, [Ok(1), Ok(2), Ok(2), Ok(2)]),
            (2, 1, [Ok(1), Ok(1), refused(2, 1), refused(2, 1)]),
            (3, 3, [Ok(1), Ok(2), Ok(2), Ok(3)]),
            (3, 2, [Ok(1), Ok(2), Ok(2), refused(3, 2)]),
            (3, 1, [Ok(1), Ok(1), refused(2, 1), refused(3, 1)]),
            (3, 0, [refused(1, 0), refused(1, 0), refused(2, 0), refused(3, 0)]),
            (5, 4, [Ok(1), Ok(3), Ok(3), refused(5, 4)]),
            (0, 0, [refused(1, 0), refused(1, 0), refused(1, 0), refused(1, 0)]),
        ];
        for (owners, live, expected) in cases {
            for (consistency, expected) in [One, Available, Quorum, All].into_iter().zip(expected) {
                let got = needed(consistency, owners, live);
                assert_eq!(got, expected, "{consistency:?} of {owners}, {live} live");
            }
        }
    }

    #[test]
    fn few_is_less_than_a_majority_of_all() {
        let few = |stand, owners| Replicas { stand, owners }.is_few();
        assert!(few(1, 3) && few(1, 2) && few(0, 1) && few(2, 4));
        assert!(!few(2, 3) && !few(2, 2) && !few(1, 1) && !few(3, 4));
        assert_eq!(Replicas { stand: 1, owners: 3 }.to_string(), "1/3");
    }

    proptest! {
        #[test]
        fn what_is_needed_is_there_and_quorums_meet(owners in 1..8usize, absent in 0..8usize) {
            let live = owners.saturating_sub(absent);
            for consistency in [One, Available, Quorum, All] {
                match needed(consistency, owners, live) {
                    Ok(needed) => prop_assert!((1..=live).contains(&needed)),
                    Err(NotEnough { needed, live: told }) => {
                        prop_assert!(needed > live);
                        prop_assert_eq!(told, live);
                    }
                }
            }
            if let Ok(quorum) = needed(Quorum, owners, live) {
                prop_assert!(2 * quorum > owners);
            }
            if let Ok(available) = needed(Available, owners, live) {
                prop_assert!(2 * available > live);
            }
        }
    }
}
