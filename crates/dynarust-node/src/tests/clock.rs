//! A node's wall clock: paused time, and as far off as a test says.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dynarust_core::UnixMillis;
use dynarust_store::WallClock;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// What all clocks show when a test begins, that are not off.
const BEGINNING: UnixMillis = 1_800_000_000_000;

/// See the module.
pub(super) struct TestClock {
    runtime: Handle,
    began: Instant,
    /// Milliseconds.
    ahead: AtomicI64,
}

impl TestClock {
    pub(super) fn starting_now() -> Self {
        Self { runtime: Handle::current(), began: Instant::now(), ahead: AtomicI64::new(0) }
    }

    /// It is so far ahead of the others from now on; behind them where that is negative.
    pub(super) fn set_ahead(&self, millis: i64) {
        self.ahead.store(millis, Ordering::Relaxed);
    }
}

impl WallClock for TestClock {
    fn now(&self) -> UnixMillis {
        // The store's threads ask, too, and know no paused time by themselves.
        let _inside = self.runtime.enter();
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        (BEGINNING + passed).saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }

    /// Paused time does not pass by waiting for it on a thread.
    fn sleep(&self, _: Duration) {}
}
