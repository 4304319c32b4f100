//! A number of bytes that all requests share: who takes some waits for its turn, in order.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::MEMORY_WAIT_MILLIS_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::{Code, Problem};

/// How long a request waits for memory before it is refused.
const PATIENCE: Duration = Duration::from_millis(MEMORY_WAIT_MILLIS_MAX);

#[derive(Debug)]
pub(crate) struct Budget {
    /// All that there is.
    bytes: usize,
    left: Arc<Semaphore>,
}

/// Bytes taken from a [`Budget`], given back when dropped.
#[derive(Debug)]
pub(crate) struct Share(OwnedSemaphorePermit);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self { bytes, left: Arc::new(Semaphore::new(bytes)) }
    }

    /// Takes `bytes`, if they are there at once.
    ///
    /// # Errors
    /// `overloaded` where others hold too much.
    pub(crate) fn take_now(&self, bytes: usize) -> Result<Share, Problem> {
        let permits = u32::try_from(bytes).map_err(|_| overloaded())?;
        let acquired = Arc::clone(&self.left).try_acquire_many_owned(permits);
        acquired.map(Share).map_err(|_| overloaded())
    }

    /// Takes `bytes`.
    ///
    /// # Errors
    /// `overloaded` where others held too much for too long, or there are never so many.
    pub(crate) async fn take(&self, bytes: usize) -> Result<Share, Problem> {
        if bytes > self.bytes {
            let detail = "this node has too little memory for a request so large: split it";
            return Err(Problem::new(Code::Overloaded, detail));
        }
        let permits = u32::try_from(bytes).map_err(|_| overloaded())?;
        let acquired = Arc::clone(&self.left).acquire_many_owned(permits);
        match timeout(PATIENCE, acquired).await {
            Ok(Ok(permit)) => Ok(Share(permit)),
            _ => Err(overloaded()),
        }
    }
}

fn overloaded() -> Problem {
    Problem::new(Code::Overloaded, "too many large requests at a time: try again later")
}

impl Share {
    /// Takes more, so that it is `bytes` in all.
    ///
    /// # Errors
    /// As [`Budget::take`]; what it has it keeps.
    pub(crate) async fn grow_to(&mut self, bytes: usize, budget: &Budget) -> Result<(), Problem> {
        let missing = bytes.saturating_sub(self.0.num_permits());
        if missing > 0 {
            self.0.merge(budget.take(missing).await?.0);
        }
        Ok(())
    }

    /// Gives back all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.0.num_permits().saturating_sub(bytes);
        drop(self.0.split(surplus));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_is_missing_until_given_back() {
        let budget = Budget::new(10);
        let mut share = budget.take(8).await.unwrap();
        assert!(budget.take(3).await.is_err());
        share.shrink_to(7);
        assert!(budget.take_now(4).is_err());
        let rest = budget.take_now(3).unwrap();
        drop((share, rest));
        assert!(budget.take(10).await.is_ok());
        // Nobody waits for what never comes.
        let began = tokio::time::Instant::now();
        assert!(budget.take(11).await.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
