//! What must hold of a folder, whatever became of its bytes: a function a target of `fuzz/`, each panics
//! where its property is broken. The tests here go through the inputs that are kept in `fuzz/seeds`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests and fuzz targets have this module"
)]

mod folder;
mod journal;
mod rot;
#[cfg(test)]
#[path = "../../../../fuzz/seeds.rs"]
mod seeds;

pub use folder::folder;
pub use journal::journal;

#[cfg(test)]
mod tests {
    use super::seeds;

    #[test]
    fn seeds_of_journals_stand() {
        seeds::go_through("journal", super::journal);
    }

    #[test]
    fn seeds_of_folders_stand() {
        seeds::go_through("folder", super::folder);
    }
}
