//! What was measured: how many, how fast, how evenly.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::connection::BenchError;

/// Latencies in microseconds, to three digits.
#[derive(Debug)]
pub(crate) struct Tally {
    latencies: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Result<Tally, BenchError> {
        let latencies = Histogram::new(3).map_err(unmeasurable)?;
        Ok(Tally { latencies })
    }

    /// What began then ends now.
    pub(crate) fn record(&mut self, began: Instant) -> Result<(), BenchError> {
        self.record_micros(began.elapsed().as_micros())
    }

    pub(crate) fn record_micros(&mut self, micros: u128) -> Result<(), BenchError> {
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.latencies.record(micros).map_err(unmeasurable)
    }

    pub(crate) fn add(&mut self, other: &Tally) -> Result<(), BenchError> {
        self.latencies.add(&other.latencies).map_err(unmeasurable)
    }

    pub(crate) fn count(&self) -> u64 {
        self.latencies.len()
    }

    /// One line: the rate over this time, and the latencies.
    pub(crate) fn report(&self, what: &str, time: Duration) -> String {
        let at = |quantile| self.latencies.value_at_quantile(quantile);
        format!(
            "{what}: {} in {:.1} s, {:.0}/s; p50 {} µs, p99 {} µs, p99.9 {} µs, max {} µs",
            self.count(),
            time.as_secs_f64(),
            self.count() as f64 / time.as_secs_f64(),
            at(0.5),
            at(0.99),
            at(0.999),
            self.latencies.max()
        )
    }
}

fn unmeasurable(error: impl std::fmt::Debug) -> BenchError {
    BenchError::Unmeasurable(format!("{error:?}"))
}
