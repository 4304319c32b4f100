//! Exercises with inputs of its own making, for as long as is asked for.
//!
//! A minute of it: `DYNARUST_FUZZ_SECONDS=60 cargo test --release -p dynarust-http fuzzing -- --nocapture`.
//! An hour: 3600. `DYNARUST_SEED` repeats a run; a finding is written to `target/`, and belongs, once its cause is
//! mended, among the seeds in `fuzz/seeds/door`, which every run goes through first.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::exercise::exercise;
use super::mutation;

/// In a run of all tests.
const SECONDS_DEFAULT: u64 = 3;
/// The memory of the process: all that one connection may take, many times over.
const RESIDENT_BYTES_MAX: u64 = 1 << 30;
/// What was long and passed is worth being changed again.
const SEEDS_MAX: usize = 4000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/door")
}

fn seeds() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Panics with all that is needed to repeat it.
fn must_stand(input: &[u8], cuts: u64) {
    let outcome = std::panic::catch_unwind(|| exercise(input, cuts));
    let wrong = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(wrong)) => wrong,
        Err(_) => "a check panicked".to_owned(),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz-finding");
    std::fs::write(&path, input).unwrap();
    let shown = input.get(..2000).unwrap_or(input).escape_ascii();
    panic!("{wrong}\ncuts {cuts}, {} bytes, in {}:\n{shown}", input.len(), path.display());
}

#[test]
fn the_seeds_stand() {
    for seed in seeds() {
        for cuts in 0..20 {
            must_stand(&seed, cuts);
        }
    }
}

#[test]
fn the_front_door_stands() {
    let mut seeds = seeds();
    let kept = seeds.len();
    let seed = number("DYNARUST_SEED").unwrap_or_else(rand::random);
    let seconds = number("DYNARUST_FUZZ_SECONDS").unwrap_or(SECONDS_DEFAULT);
    eprintln!("DYNARUST_SEED={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let began = Instant::now();
    let mut inputs = 0_u64;
    while began.elapsed() < Duration::from_secs(seconds) {
        let input = mutation::make(&seeds, &mut dice);
        let cuts = if dice.random_ratio(1, 2) { 0 } else { dice.random_range(1..1000) };
        must_stand(&input, cuts);
        inputs += 1;
        if input.len() < 2000 && dice.random_ratio(1, 20) {
            let at = if seeds.len() < SEEDS_MAX {
                seeds.len()
            } else {
                dice.random_range(kept..SEEDS_MAX)
            };
            seeds.splice(at..(at + 1).min(seeds.len()), [input]);
        }
        if inputs.is_multiple_of(10_000) {
            let resident = resident_bytes();
            eprintln!("{inputs} inputs, {:?}, {} MiB", began.elapsed(), resident >> 20);
            assert!(resident < RESIDENT_BYTES_MAX);
        }
    }
    eprintln!("{inputs} inputs in {:?}", began.elapsed());
}
