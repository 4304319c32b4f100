//! The laws, one file each: from a history to what is wrong with it.
//!
//! | checker | promise |
//! | --- | --- |
//! | [`linearizable`] | each key is one register |
//! | [`durable`] | what was acknowledged is there |
//! | [`no_resurrection`] | what is deleted, or over, stays so |
//! | [`fresh`] | whoever asks sees what was acknowledged before |
//! | [`monotonic`] | who has seen a record is not shown an older one |
//! | [`conditions`] | of those who hold one version one wins at most; no patch is lost |
//! | [`indeterminate`] | refused is refused, and a version is one write |
//! | [`convergent`] | at the end all nodes say the same, and the newest |
//! | [`whole`] | no value is a mixture of two |
//! | [`set`] | a list has all, once |
//! | [`stream`] | a stream reaches the final value, and never falls |
//! | [`told`] | a stream tells in time what was acknowledged |
//! | [`exactly_once`] | a request under an idempotency key counts once |

use crate::circumstances::Circumstances;
use crate::history::History;
use crate::violation::Violation;

pub mod conditions;
pub mod convergent;
pub mod durable;
pub mod exactly_once;
pub mod fresh;
pub mod indeterminate;
pub mod linearizable;
pub mod monotonic;
pub mod no_resurrection;
pub mod set;
pub mod stream;
pub mod told;
pub mod whole;

/// A law: what a history shows of its breaking, where the circumstances let it hold.
pub type Checker = fn(&History, &dyn Circumstances) -> Vec<Violation>;

/// All of them, by name.
pub const ALL: &[(&str, Checker)] = &[
    ("linearizable", linearizable::check),
    ("durable", durable::check),
    ("no_resurrection", no_resurrection::check),
    ("fresh", fresh::check),
    ("monotonic", monotonic::check),
    ("conditions", conditions::check),
    ("indeterminate", indeterminate::check),
    ("convergent", convergent::check),
    ("whole", whole::check),
    ("set", set::check),
    ("stream", stream::check),
    ("told", told::check),
    ("exactly_once", exactly_once::check),
];

/// What is wrong with a history, by all laws.
#[must_use]
pub fn check(history: &History, circumstances: &dyn Circumstances) -> Vec<Violation> {
    ALL.iter().flat_map(|(_, checker)| checker(history, circumstances)).collect()
}
