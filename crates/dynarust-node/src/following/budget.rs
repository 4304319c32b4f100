//! The budget of background work: while clients are served, copies, catching up and comparing move no more
//! than so many bytes a second, all together, so that clients hardly notice them.
//!
//! Each page has a moment from which on it may go; the next one's lies as much later as the page's bytes take
//! at that rate. Source and follower pay for a page, each out of its own budget: so neither many followers nor
//! many sources take more of a node than one.
//!
//! Clients are there for a while after each of their requests, here or at the source of a page; a change that
//! is shipped is a client's, too. Without any there is another, high rate.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dynarust_core::limits::{BACKGROUND_IDLE_BYTES_PER_SECOND, CLIENTS_GONE_MILLIS};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// See the module.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_per_second: u64,
    /// A client was served since somebody last looked. Requests only raise it, so that they don't contend.
    served: AtomicBool,
    state: Mutex<State>,
    moved_bytes: AtomicU64,
    waited_micros: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// From when on the next page may go.
    free: Instant,
    clients_until: Instant,
}

/// What a page is reckoned at, until it is there.
#[must_use]
pub(crate) struct Reckoned {
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        let now = Instant::now();
        Self {
            bytes_per_second: bytes_per_second.max(1),
            served: AtomicBool::new(false),
            state: Mutex::new(State { free: now, clients_until: now }),
            moved_bytes: AtomicU64::new(0),
            waited_micros: AtomicU64::new(0),
        }
    }

    /// A client is served.
    pub(crate) fn clients_are_there(&self) {
        if !self.served.load(Ordering::Relaxed) {
            self.served.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a client was served a while ago.
    pub(super) fn has_clients(&self) -> bool {
        self.look(&mut self.state.lock(), Instant::now())
    }

    /// Waits until a page of about so many bytes may go.
    pub(super) async fn wait_for(&self, bytes: usize) -> Reckoned {
        let asked = Instant::now();
        let turn = {
            let mut state = self.state.lock();
            let turn = asked.max(state.free);
            state.free = turn + self.time_of(&mut state, bytes);
            turn
        };
        if turn > asked {
            sleep_until(turn).await;
            let waited = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.waited_micros.fetch_add(waited, Ordering::Relaxed);
        }
        Reckoned { bytes }
    }

    /// The page had so many.
    pub(super) fn settle(&self, reckoned: Reckoned, bytes: usize) {
        self.moved_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut state = self.state.lock();
        let spared = self.time_of(&mut state, reckoned.bytes.saturating_sub(bytes));
        let more = self.time_of(&mut state, bytes.saturating_sub(reckoned.bytes));
        state.free = state.free.checked_sub(spared).unwrap_or(state.free) + more;
    }

    /// So many went that nothing waited for: what follows does.
    pub(super) fn moved(&self, bytes: usize) {
        self.settle(Reckoned { bytes: 0 }, bytes);
    }

    /// Bytes that were moved, and how long that was put off, since the start.
    pub(crate) fn figures(&self) -> (u64, Duration) {
        let waited = Duration::from_micros(self.waited_micros.load(Ordering::Relaxed));
        (self.moved_bytes.load(Ordering::Relaxed), waited)
    }

    fn time_of(&self, state: &mut State, bytes: usize) -> Duration {
        let rate = if self.look(state, Instant::now()) {
            self.bytes_per_second
        } else {
            self.bytes_per_second.max(BACKGROUND_IDLE_BYTES_PER_SECOND)
        };
        Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / rate)
    }

    fn look(&self, state: &mut State, now: Instant) -> bool {
        if self.served.swap(false, Ordering::Relaxed) {
            state.clients_until = now + Duration::from_millis(CLIENTS_GONE_MILLIS);
        }
        now < state.clients_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1_000_000;

    /// How long a hundred pages of a hundredth of the rate take, each reckoned at so much.
    async fn second_s_worth(budget: &Budget, reckoned: usize, clients: bool) -> Duration {
        let began = Instant::now();
        for _ in 0..=100 {
            if clients {
                budget.clients_are_there();
            }
            let reckoned = budget.wait_for(reckoned).await;
            budget.settle(reckoned, 10_000);
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn while_clients_are_served_no_more_moves_than_was_said() {
        for reckoned in [0, 10_000, 20_000] {
            let took = second_s_worth(&Budget::new(RATE), reckoned, true).await;
            assert!((990..1200).contains(&took.as_millis()), "{reckoned}: {took:?}");
        }
        let budget = Budget::new(RATE);
        let (one, other) = tokio::join!(
            second_s_worth(&budget, 10_000, true),
            second_s_worth(&budget, 10_000, true)
        );
        assert!(one.max(other) >= Duration::from_millis(1980), "together: {one:?}, {other:?}");
        assert_eq!(budget.figures().0, 2 * 101 * 10_000);
        assert!(budget.figures().1 > Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn once_they_have_gone_it_is_faster() {
        let budget = Budget::new(RATE);
        budget.clients_are_there();
        assert!(budget.has_clients());
        tokio::time::sleep(Duration::from_millis(CLIENTS_GONE_MILLIS + 1)).await;
        assert!(!budget.has_clients());
        assert!(second_s_worth(&budget, 10_000, false).await < Duration::from_millis(200));
    }
}
