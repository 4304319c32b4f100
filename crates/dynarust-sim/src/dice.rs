//! What is left to chance, each part by a generator of its own: so that what one part draws does not change
//! what another does.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Which part draws.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(crate) enum Part {
    /// What happens to the cluster.
    Plan = 1,
    /// How long things take on the network.
    Network,
    /// What the disks do.
    Disks,
    /// What clients ask for.
    Clients,
    /// What follows streams.
    Readers,
}

/// A generator of numbers, from a seed.
#[derive(Debug)]
pub(crate) struct Dice(StdRng);

impl Dice {
    /// The generator of that part, of the `nth` of its kind.
    pub(crate) fn of(seed: u64, part: Part, nth: u64) -> Self {
        let seed = seed ^ (part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (nth << 40);
        Self(StdRng::seed_from_u64(seed))
    }

    /// One of `from..to`; `from` where there is none.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        if from < to { self.0.random_range(from..to) } else { from }
    }

    /// One of `0..count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        if count > 0 { self.0.random_range(0..count) } else { 0 }
    }

    /// True so many times of a hundred.
    pub(crate) fn percent(&mut self, chance: u32) -> bool {
        self.0.random_range(0..100) < chance
    }

    /// One of those.
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).copied()
    }

    /// A seed for somebody else.
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.random()
    }
}
