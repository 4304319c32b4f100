//! What was measured: how many, how fast, how evenly.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Latencies in microseconds, up to an hour, to three digits.
const MICROS_MAX: u64 = 3_600_000_000;
const DIGITS: u8 = 3;

/// Latencies of what succeeded.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    latencies: Histogram<u64>,
}

/// A tally's figures.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    pub(crate) max: u64,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        #[expect(clippy::expect_used, reason = "it takes any number of digits up to 5")]
        let latencies = Histogram::new(DIGITS).expect("three digits");
        Tally { latencies }
    }

    /// What began then ends now.
    pub(crate) fn record(&mut self, began: Instant) {
        self.record_time(began.elapsed());
    }

    pub(crate) fn record_time(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(MICROS_MAX);
        // It grows as it must, so nothing up to an hour is too large for it.
        let _always = self.latencies.record(micros.min(MICROS_MAX));
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        let _always = self.latencies.add(&other.latencies);
    }

    pub(crate) fn count(&self) -> u64 {
        self.latencies.len()
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.latencies.value_at_quantile(quantile);
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: self.latencies.max(),
        }
    }
}
