#![expect(unsafe_code, reason = "the C library's functions are replaced: see UNSAFE.md")]
//! Randomness and time of a thread, from a seed: for all that asks the system, however deep it lies.
//!
//! `HashMap`'s keys, `tokio::select!`'s order, `rand::random`, `Instant::now` and `SystemTime::now` come from
//! the C library's `getrandom` and `clock_gettime` in the end. This program brings its own, which answer a
//! simulation's thread from its seed and its clock, and pass all others on to the kernel.
//!
//! Invariant: what a simulation's thread hears depends on the seed, on what it asked before, and on
//! [`set_now`]; on nothing else.

use std::cell::Cell;
use std::time::Duration;

use libc::{c_int, c_long, c_uint, c_void, clockid_t, size_t, ssize_t, timespec};

/// What the system's clock showed when every simulation began: the wall clock of a node that asks it past
/// its port.
const BEGINNING_SECONDS: i64 = 1_800_000_000;
/// What the clock that only rises showed then.
const UPTIME_SECONDS: i64 = 1_000;

thread_local! {
    /// The state of the generator, in a simulation.
    static RANDOM: Cell<Option<u64>> = const { Cell::new(None) };
    /// How long the simulation has run, in nanoseconds.
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// From now on this thread's randomness and time are those of a simulation with this seed. To be called before
/// the thread has asked for either: each simulation has a thread of its own.
pub(crate) fn begin(seed: u64) {
    RANDOM.set(Some(seed));
    NOW.set(0);
}

/// The simulation has run for so long.
pub(crate) fn set_now(since_beginning: Duration) {
    NOW.set(u64::try_from(since_beginning.as_nanos()).unwrap_or(u64::MAX));
}

/// The next of the generator: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, 2014).
fn next() -> Option<u64> {
    let state = RANDOM.get()?.wrapping_add(0x9e37_79b9_7f4a_7c15);
    RANDOM.set(Some(state));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Some(mixed ^ (mixed >> 31))
}

/// Fills the bytes; false where this thread is no simulation's.
///
/// # Safety
/// `buffer` is valid for writes of `length` bytes.
unsafe fn fill(buffer: *mut u8, length: usize) -> bool {
    let mut filled = 0;
    while filled < length {
        let Some(random) = next() else {
            return false;
        };
        let part = (length - filled).min(8);
        // SAFETY: `filled + part <= length`, and `part` bytes of `random` are there.
        unsafe { buffer.add(filled).copy_from_nonoverlapping(random.to_ne_bytes().as_ptr(), part) };
        filled += part;
    }
    RANDOM.get().is_some()
}

/// getrandom(2).
///
/// # Safety
/// As the system's: `buffer` is valid for writes of `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getrandom(
    buffer: *mut c_void,
    length: size_t,
    flags: c_uint,
) -> ssize_t {
    // SAFETY: the caller's promise.
    if unsafe { fill(buffer.cast(), length) } {
        return ssize_t::try_from(length).unwrap_or(ssize_t::MAX);
    }
    // SAFETY: the system call that this function stands for, with its arguments.
    let filled: c_long = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
    ssize_t::try_from(filled).unwrap_or(-1)
}

/// getentropy(3).
///
/// # Safety
/// As the system's: `buffer` is valid for writes of `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getentropy(buffer: *mut c_void, length: size_t) -> c_int {
    // SAFETY: the caller's promise.
    let filled = unsafe { getrandom(buffer, length, 0) };
    if usize::try_from(filled).is_ok_and(|filled| filled == length) { 0 } else { -1 }
}

/// clock_gettime(2).
///
/// # Safety
/// As the system's: `time` is valid for a write.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    if RANDOM.get().is_none() {
        // SAFETY: the system call that this function stands for, with its arguments.
        let outcome: c_long = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
        return c_int::try_from(outcome).unwrap_or(-1);
    }
    let beginning = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => BEGINNING_SECONDS,
        _ => UPTIME_SECONDS,
    };
    let now = NOW.get();
    let seconds = i64::try_from(now / 1_000_000_000).unwrap_or(0);
    let nanos = i64::try_from(now % 1_000_000_000).unwrap_or(0);
    // SAFETY: the caller's promise.
    unsafe { time.write(timespec { tv_sec: beginning + seconds, tv_nsec: nanos }) };
    0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::hash::BuildHasher;
    use std::time::{Instant, SystemTime};

    use super::*;

    fn heard(seed: u64) -> (u64, u64, Instant, SystemTime) {
        let thread = std::thread::spawn(move || {
            begin(seed);
            let keys = HashMap::<u8, u8>::new().hasher().hash_one(1);
            (keys, rand::random(), Instant::now(), SystemTime::now())
        });
        thread.join().unwrap()
    }

    #[test]
    fn one_seed_says_one_thing() {
        assert_eq!(heard(1), heard(1));
        let (one, other) = (heard(1), heard(2));
        assert_ne!((one.0, one.1), (other.0, other.1));
    }

    #[test]
    fn other_threads_hear_the_system() {
        let began = Instant::now();
        while Instant::now() == began {}
        assert_ne!(rand::random::<u128>(), rand::random::<u128>());
    }
}
