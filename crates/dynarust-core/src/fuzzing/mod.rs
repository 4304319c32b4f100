//! What must hold of any bytes that come from outside: a function a target of `fuzz/`, each panics where
//! its property is broken. The tests here go through the inputs that are kept in `fuzz/seeds`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests and fuzz targets have this module"
)]

mod cursor;
mod patch;
#[cfg(test)]
#[path = "../../../../fuzz/seeds.rs"]
mod seeds;

pub use cursor::cursor;
pub use patch::patch;

#[cfg(test)]
mod tests {
    use super::seeds;

    #[test]
    fn seeds_of_cursors_stand() {
        seeds::go_through("cursor", super::cursor);
    }

    #[test]
    fn seeds_of_patches_stand() {
        seeds::go_through("patch", super::patch);
    }
}
