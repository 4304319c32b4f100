//! What a node is told of its writes: what stood in the way of them here, or what they took the place of without
//! having been written over it (`docs/adr/0021`).
//!
//! It goes out with the next acknowledgement. That may be lost with its link, and the records do not come a second
//! time; so what was told of late is told again over the next link, as long as somebody may wait to hear of it.

use std::collections::VecDeque;
use std::time::Duration;

use dynarust_core::limits::{COORDINATE_MILLIS_MAX, KEPT_TOLD_MAX};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::mesh::message::Kept;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ToTell(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Not told yet.
    waiting: VecDeque<Kept>,
    /// Told, and when.
    told: VecDeque<(Instant, Kept)>,
}

impl ToTell {
    /// These are to be told. Whoever still waits for one of many published it of late: the latest stay.
    pub(super) fn add(&self, kept: impl IntoIterator<Item = Kept>) {
        let mut state = self.0.lock();
        state.waiting.extend(kept);
        while state.waiting.len() > KEPT_TOLD_MAX {
            state.waiting.pop_front();
        }
    }

    /// All that is to be told, which is told with this.
    pub(super) fn take(&self) -> Vec<Kept> {
        let mut state = self.0.lock();
        let kept: Vec<Kept> = std::mem::take(&mut state.waiting).into();
        state.forget_old();
        let now = Instant::now();
        state.told.extend(kept.iter().map(|it| (now, it.clone())));
        while state.told.len() > KEPT_TOLD_MAX {
            state.told.pop_front();
        }
        kept
    }

    /// There is a new link: what was told over the one before may not have arrived.
    pub(super) fn tell_again(&self) {
        let mut state = self.0.lock();
        state.forget_old();
        let told = std::mem::take(&mut state.told);
        for (_, kept) in told.into_iter().rev() {
            state.waiting.push_front(kept);
        }
        while state.waiting.len() > KEPT_TOLD_MAX {
            state.waiting.pop_front();
        }
    }
}

impl State {
    /// Whose write that was, waits no more.
    fn forget_old(&mut self) {
        let waits = Duration::from_millis(COORDINATE_MILLIS_MAX);
        while self.told.front().is_some_and(|(at, _)| at.elapsed() > waits) {
            self.told.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name_hash: u64) -> Kept {
        Kept { name_hash, hlc: 1, node: 2 }
    }

    fn hashes(kept: Vec<Kept>) -> Vec<u64> {
        kept.into_iter().map(|it| it.name_hash).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_told_of_late_is_told_again_over_the_next_link() {
        let to_tell = ToTell::default();
        to_tell.add([kept(1)]);
        assert_eq!(hashes(to_tell.take()), [1]);
        tokio::time::advance(Duration::from_millis(COORDINATE_MILLIS_MAX / 2)).await;
        to_tell.add([kept(2)]);
        assert_eq!(hashes(to_tell.take()), [2]);
        to_tell.add([kept(3)]);
        to_tell.tell_again();
        assert_eq!(hashes(to_tell.take()), [1, 2, 3]);
        tokio::time::advance(Duration::from_millis(COORDINATE_MILLIS_MAX + 1)).await;
        to_tell.tell_again();
        assert!(to_tell.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_bounded_and_the_latest_stay() {
        let to_tell = ToTell::default();
        for nth in 0..3 {
            to_tell.add((0..KEPT_TOLD_MAX as u64).map(|it| kept(nth * KEPT_TOLD_MAX as u64 + it)));
            if nth != 1 {
                to_tell.take();
                to_tell.tell_again();
            }
        }
        let all = hashes(to_tell.take());
        assert_eq!(all.len(), KEPT_TOLD_MAX);
        assert_eq!(all.last(), Some(&(3 * KEPT_TOLD_MAX as u64 - 1)));
    }
}
