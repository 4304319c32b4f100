//! A deadline that moves with every request, without a timer for each.
//!
//! The timer is only moved where it would be too late, or went off too early.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use tokio::time::{Instant, Sleep, sleep_until};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Patience {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Whether it is `end` already; if not, the task is woken then.
    pub(super) fn is_over(&mut self, end: Instant, context: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= end {
                return true;
            }
            timer.as_mut().reset(end);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_moves_both_ways() {
        let begin = Instant::now();
        let mut patience = Patience::default();
        let ends = [75, 10, 100, 50].map(|seconds| begin + Duration::from_secs(seconds));
        for end in ends {
            poll_fn(|context| {
                assert!(!patience.is_over(end, context));
                Poll::Ready(())
            })
            .await;
        }
        let [_, _, last, _] = ends;
        let over = |context: &mut Context<'_>| match patience.is_over(last, context) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        };
        poll_fn(over).await;
        assert_eq!(begin.elapsed().as_secs(), 100);
    }
}
