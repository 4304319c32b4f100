//! Simulated time: tokio's, paused, which moves when nothing is left to do; and a wall clock a node.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dynarust_core::UnixMillis;
use dynarust_store::WallClock;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::seeded;

thread_local! {
    static BEGAN: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
}

/// What all wall clocks show when a simulation begins, that are not off.
pub(crate) const BEGINNING: UnixMillis = 1_800_000_000_000;

/// The simulation of this thread begins.
pub(crate) fn begin() {
    BEGAN.set(Some(Instant::now()));
}

/// How long the simulation has run.
pub(crate) fn now() -> Duration {
    BEGAN.get().map_or(Duration::ZERO, |began| began.elapsed())
}

/// The same in nanoseconds.
pub(crate) fn nanos() -> u64 {
    u64::try_from(now().as_nanos()).unwrap_or(u64::MAX)
}

/// Has the system's clocks show this moment to the thread.
pub(crate) fn tell_thread() {
    seeded::set_now(now());
}

/// A node's wall clock: right, or off by some, or too fast or slow.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Milliseconds ahead of what is right; behind where negative.
    ahead: AtomicI64,
    drift: Mutex<Drift>,
}

/// It gains so many millionths since that moment.
#[derive(Debug, Default, Clone, Copy)]
struct Drift {
    millionths: i64,
    since: Duration,
}

impl Drift {
    fn gained(self) -> i64 {
        let passed = now().saturating_sub(self.since).as_millis();
        i64::try_from(passed).unwrap_or(0).saturating_mul(self.millionths) / 1_000_000
    }
}

impl Clock {
    /// It steps by so many milliseconds.
    pub(crate) fn step(&self, millis: i64) {
        self.ahead.fetch_add(millis, Ordering::Relaxed);
    }

    /// It gains so many millionths from now on, or loses them.
    pub(crate) fn set_drift(&self, millionths: i64) {
        let mut drift = self.drift.lock();
        self.step(drift.gained());
        *drift = Drift { millionths, since: now() };
    }

    /// It is right from now on.
    pub(crate) fn set_right(&self) {
        *self.drift.lock() = Drift::default();
        self.ahead.store(0, Ordering::Relaxed);
    }

    /// By how much it is ahead, in milliseconds.
    pub(crate) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed) + self.drift.lock().gained()
    }
}

impl WallClock for Clock {
    fn now(&self) -> UnixMillis {
        let passed = u64::try_from(now().as_millis()).unwrap_or(0);
        (BEGINNING + passed).saturating_add_signed(self.ahead())
    }

    /// Nobody sleeps on the thread of a simulation.
    fn sleep(&self, _: Duration) {}
}
