//! The wall clock, as a port: a simulator brings its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynarust_core::UnixMillis;

/// Tells the time of day.
pub trait WallClock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z. May step either way.
    fn now(&self) -> UnixMillis;

    /// Blocks the thread for so long.
    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
