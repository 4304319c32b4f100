//! Latencies, as a histogram that many threads fill without waiting for each other.
//!
//! Buckets are log-linear: exact up to 8 µs, then eight to each doubling, so that a bucket is at most
//! an eighth wider than it is high. What takes longer than a minute or so is in the last one.
//! Recording is three relaxed atomics; what is read meanwhile may be a request apart.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets to a doubling, as a power of two.
const FINENESS: u32 = 3;
const BUCKETS_A_DOUBLING: usize = 1 << FINENESS;
/// The highest doubling ends at 2^26 µs: 67 s.
const MICROS_END: u64 = 1 << 26;
const BUCKETS: usize = (26 - FINENESS as usize + 1) * BUCKETS_A_DOUBLING;

/// See the module.
#[derive(Debug)]
pub(crate) struct Latencies {
    buckets: [AtomicU64; BUCKETS],
    nanos_sum: AtomicU64,
    nanos_max: AtomicU64,
}

/// What was recorded up to a moment.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    buckets: Vec<u64>,
    pub(crate) count: u64,
    pub(crate) sum: Duration,
    pub(crate) max: Duration,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            nanos_sum: AtomicU64::new(0),
            nanos_max: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket(nanos / 1000)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos_sum.fetch_add(nanos, Ordering::Relaxed);
        // Rarely higher, so that it is mostly a read.
        if nanos > self.nanos_max.load(Ordering::Relaxed) {
            self.nanos_max.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub(crate) fn recorded(&self) -> Recorded {
        let buckets: Vec<u64> = self.buckets.iter().map(|it| it.load(Ordering::Relaxed)).collect();
        Recorded {
            count: buckets.iter().sum(),
            buckets,
            sum: Duration::from_nanos(self.nanos_sum.load(Ordering::Relaxed)),
            max: Duration::from_nanos(self.nanos_max.load(Ordering::Relaxed)),
        }
    }
}

impl Recorded {
    /// What this share of all latencies (0 to 1) was at or below; an eighth too high at most.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank of a count; exact below 2^53"
        )]
        let rank = (share * self.count as f64).ceil() as u64;
        let mut below = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank.max(1) {
                return Duration::from_micros(end(at)).min(self.max);
            }
        }
        self.max
    }

    /// How many latencies were below so many microseconds, a power of two.
    pub(crate) fn below(&self, micros: u64) -> u64 {
        self.buckets.iter().take(bucket(micros)).sum()
    }
}

/// The bucket that this latency falls into.
fn bucket(micros: u64) -> usize {
    let micros = micros.min(MICROS_END - 1);
    let doubling = (u64::BITS - micros.leading_zeros()).saturating_sub(FINENESS + 1);
    // Less than twice BUCKETS_A_DOUBLING.
    let within = (micros >> doubling) as usize;
    doubling as usize * BUCKETS_A_DOUBLING + within
}

/// The lowest number of microseconds above a bucket.
fn end(bucket: usize) -> u64 {
    let doubling = (bucket / BUCKETS_A_DOUBLING).saturating_sub(1);
    let within = bucket - doubling * BUCKETS_A_DOUBLING;
    (within as u64 + 1) << doubling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut next = 0;
        for at in 0..BUCKETS {
            assert_eq!(bucket(next), at);
            assert_eq!(bucket(end(at) - 1), at);
            next = end(at);
        }
        assert_eq!(next, MICROS_END);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_an_eighth_too_high_at_most() {
        let latencies = Latencies::new();
        for micros in 1..=1000 {
            latencies.record(Duration::from_micros(micros));
        }
        let recorded = latencies.recorded();
        assert_eq!((recorded.count, recorded.max), (1000, Duration::from_millis(1)));
        assert_eq!(recorded.sum, Duration::from_micros(500_500));
        for (share, exact) in [(0.0, 1), (0.5, 500), (0.9, 900), (0.99, 990), (1.0, 1000)] {
            let quantile = recorded.quantile(share).as_micros();
            assert!(quantile >= exact && quantile <= exact + exact / 8 + 1, "{share}: {quantile}");
        }
        assert_eq!((recorded.below(8), recorded.below(512)), (7, 511));
    }

    #[test]
    fn nothing_recorded_is_nothing_told() {
        let recorded = Latencies::new().recorded();
        assert_eq!((recorded.count, recorded.quantile(0.99)), (0, Duration::ZERO));
    }

    #[test]
    fn the_longest_are_in_the_last_bucket_and_keep_their_maximum() {
        let latencies = Latencies::new();
        latencies.record(Duration::from_secs(3600));
        assert_eq!(latencies.recorded().max, Duration::from_secs(3600));
        assert_eq!(latencies.recorded().below(MICROS_END / 2), 0);
    }
}
