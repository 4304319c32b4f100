//! Many seeds, some at a time.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::run_apart;
use crate::report::{Sum, Summary};
use crate::settings::{Form, Settings};

/// Which seeds.
#[derive(Debug, Clone)]
pub struct Many {
    /// In this order.
    pub seeds: Range<u64>,
    /// How long each is.
    pub form: Form,
    /// Begins no further one after so long.
    pub within: Option<Duration>,
    /// How many at a time.
    pub at_a_time: usize,
    /// Begins no further one behind the first that fails.
    pub until_failure: bool,
}

impl Many {
    /// Simulates them; `tell` hears of each.
    pub fn run(&self, tell: impl Fn(&Summary) + Sync) -> Sum {
        let next = AtomicU64::new(self.seeds.start);
        let failed = AtomicBool::new(false);
        let sum = Mutex::new(Sum::default());
        let began = Instant::now();
        thread::scope(|scope| {
            for _ in 0..self.at_a_time.max(1) {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let over = self.within.is_some_and(|within| began.elapsed() > within)
                            || self.until_failure && failed.load(Ordering::Relaxed);
                        if seed >= self.seeds.end || over {
                            return;
                        }
                        let summary = run_apart(&Settings::of(seed, self.form));
                        failed.fetch_or(!summary.is_well(), Ordering::Relaxed);
                        tell(&summary);
                        sum.lock().unwrap_or_else(PoisonError::into_inner).add(&summary);
                    }
                });
            }
        });
        sum.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
