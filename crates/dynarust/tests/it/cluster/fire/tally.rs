//! What all readers went through, and which laws were broken.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::causes::Causes;
use crate::cluster::nodes::Cluster;

const VIOLATIONS_SHOWN: usize = 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) hops: AtomicU64,
    pub(super) events: AtomicU64,
    /// Hops behind which it was looked that nothing acknowledged was missing.
    pub(super) complete: AtomicU64,
    pub(super) lagged: AtomicU64,
    /// Resets by their causes.
    resets: Mutex<BTreeMap<String, u64>>,
    violations: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One more.
pub(super) fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    pub(super) fn count_reset(&self, cause: String) {
        *lock(&self.resets).entry(cause).or_default() += 1;
    }

    /// A law was broken.
    pub(super) fn complain(&self, wrong: String) {
        let mut violations = lock(&self.violations);
        if violations.len() < VIOLATIONS_SHOWN {
            eprintln!("!! {wrong}");
        }
        violations.push(wrong);
    }

    pub(super) fn print(&self, causes: &Causes) {
        let [hops, events, complete, lagged] =
            [&self.hops, &self.events, &self.complete, &self.lagged]
                .map(|count| count.load(Ordering::Relaxed));
        eprintln!("nodes were {:?}", causes.counted());
        eprintln!("{hops} hops, {complete} of them looked at, {events} events, {lagged} lagged");
        eprintln!("resets with cause: {:?}", lock(&self.resets));
    }

    /// Panics where any law was broken.
    #[track_caller]
    pub(super) fn assert_kept(&self, cluster: &Cluster) {
        let violations = lock(&self.violations);
        if !violations.is_empty() {
            cluster.dump();
            let shown = &violations[..violations.len().min(VIOLATIONS_SHOWN)];
            panic!("{} laws broken: {shown:#?}", violations.len());
        }
    }
}
