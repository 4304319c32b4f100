//! Where a test's randomness comes from: a seed that is printed, and can be given.

use std::env;
use std::fmt::Display;
use std::str::FromStr;

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The generator of this run. The line it prints repeats the run, as far as a kill at a random moment
/// can be repeated.
pub(crate) fn dice(test: &str) -> StdRng {
    let seed = setting("DYNARUST_SEED", rand::random::<u32>());
    eprintln!("{test}: DYNARUST_SEED={seed}");
    StdRng::seed_from_u64(u64::from(seed))
}

/// How many rounds to run: the short form, or what the environment asks for.
pub(crate) fn rounds(variable: &str, short_form: u32) -> u32 {
    setting(variable, short_form)
}

fn setting<T: FromStr + Display>(variable: &str, otherwise: T) -> T {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
        Err(_) => otherwise,
    }
}
