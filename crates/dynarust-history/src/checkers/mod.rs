//! The laws, one file each: from a history to what is wrong with it.
//!
//! | checker | promise |
//! | --- | --- |
//! | [`linearizable`] | each key is one register |
//! | [`indeterminate`] | refused is refused, and a version is one write |
//! | [`whole`] | no value is a mixture of two |

use crate::circumstances::Circumstances;
use crate::history::History;
use crate::violation::Violation;

pub mod indeterminate;
pub mod linearizable;
pub mod whole;

/// A law: what a history shows of its breaking, where the circumstances let it hold.
pub type Checker = fn(&History, &dyn Circumstances) -> Vec<Violation>;

/// All of them, by name.
pub const ALL: &[(&str, Checker)] = &[
    ("linearizable", linearizable::check),
    ("indeterminate", indeterminate::check),
    ("whole", whole::check),
];

/// What is wrong with a history, by all laws.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    ALL.iter().flat_map(|(_, checker)| checker(history, circumstances)).collect()
}
