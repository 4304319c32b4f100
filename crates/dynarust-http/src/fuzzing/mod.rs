//! What must hold of whatever clients send: a function a target of `fuzz/`, each panics where its property
//! is broken. The tests here go through the inputs that are kept in `fuzz/seeds`.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `exercise` | any bytes, through guard, hyper and surface, over a pipe, with the store in memory and a clock that stands |
//! | `answers` | reads answers, strictly |
//! | `subscribe` | any parameters of a live stream, and the stream that they begin |
//! | `events` | reads streams, strictly |

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests and fuzz targets have this module"
)]

mod answers;
mod events;
mod exercise;
#[cfg(test)]
#[path = "../../../../fuzz/seeds.rs"]
mod seeds;
mod subscribe;

use twox_hash::XxHash3_64;

use exercise::exercise;
pub use subscribe::subscribe;

/// Any bytes on a connection of the front door; in what parts they come is chosen by what they are.
pub fn door(bytes: &[u8]) {
    let cuts = XxHash3_64::oneshot(bytes);
    stands(bytes, if cuts.is_multiple_of(2) { 0 } else { cuts % 1000 });
}

fn stands(bytes: &[u8], cuts: u64) {
    if let Err(wrong) = exercise(bytes, cuts) {
        let shown = bytes.get(..2000).unwrap_or(bytes).escape_ascii();
        panic!("{wrong}\ncuts {cuts}, {} bytes:\n{shown}", bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::{seeds, stands};

    #[test]
    fn seeds_of_the_front_door_stand_however_they_are_cut() {
        seeds::go_through("door", |seed| (0..4).for_each(|cuts| stands(seed, cuts)));
    }

    #[test]
    fn seeds_of_subscriptions_stand() {
        seeds::go_through("subscribe", super::subscribe);
    }
}
