//! When requests are due, where there is a rate: connections take turns.
//!
//! Tokio's own timers tick in milliseconds, which is more than what is measured here takes.

use std::io;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The due times of one of several connections that share a rate.
#[derive(Debug)]
pub(crate) struct Pace {
    next: Instant,
    interval: Duration,
    timer: AsyncFd<OwnedFd>,
}

impl Pace {
    /// The times of connection `number` of so many, with `rate` requests a second over all of them.
    ///
    /// # Errors
    /// The system gives no timer.
    pub(crate) fn new(
        began: Instant,
        rate: f64,
        number: usize,
        connections: usize,
    ) -> io::Result<Pace> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for handles that may be closed \
                                       elsewhere; an OwnedFd is closed by its owner alone"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Pace {
            next: began + Duration::from_secs_f64(number as f64 / rate),
            interval: Duration::from_secs_f64(connections as f64 / rate),
            timer,
        })
    }

    /// Waits until the next request is due, and gives the moment from which its latency counts: when
    /// it was due, where the answer before it came too late for that; else now. (A late answer makes
    /// the next request late, and that is the node's; a late timer is ours.)
    pub(crate) async fn wait(&mut self) -> io::Result<Instant> {
        let due = self.next;
        self.next += self.interval;
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(due);
        }
        let time = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time)?;
        loop {
            let mut ready = self.timer.readable().await?;
            let rang = ready.try_io(|timer| {
                let mut times = [0; size_of::<u64>()];
                Ok(rustix::io::read(timer, &mut times)?)
            });
            if let Ok(rang) = rang {
                rang?;
                return Ok(Instant::now());
            }
        }
    }

    /// When the next request is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_sent_before_it_is_due_and_what_was_missed_counts_from_then() {
        let began = Instant::now();
        let mut pace = Pace::new(began, 100.0, 1, 2).unwrap();
        let first = pace.wait().await.unwrap();
        assert!(first >= began + Duration::from_millis(10));
        // The next is due 20 ms behind it; a slow answer lasts longer.
        std::thread::sleep(Duration::from_millis(50));
        let missed = pace.wait().await.unwrap();
        assert_eq!(missed, began + Duration::from_millis(30));
        assert_eq!(pace.next(), began + Duration::from_millis(50));
    }
}
