//! Paused time stands still while a store works: as long as a blocking task runs, tokio does not move it.
//!
//! A store that has done its work holds time up no more, though nobody may look at once: who waits for
//! several things may wait for one of them, and for time, first.

use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

/// Work of a store, from when it is first waited for to when it is done, or given up.
pub(super) struct Standstill<'a, T> {
    work: BoxFuture<'a, T>,
    alarm: Option<Arc<Alarm>>,
}

/// Wakes who waits, and lets time pass.
struct Alarm {
    waits: Waker,
    stop: Mutex<Option<Stop>>,
}

/// Time stands still until this is dropped.
struct Stop(#[expect(dead_code, reason = "it is dropped")] mpsc::Sender<()>);

impl Stop {
    fn here() -> Self {
        let (stop, ends) = mpsc::channel();
        tokio::task::spawn_blocking(move || {
            // An error: the sender was dropped.
            let _ = ends.recv();
        });
        Self(stop)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        // First: time moves only when nobody is left to run.
        self.waits.wake_by_ref();
        self.stop.lock().take();
    }
}

impl<'a, T> Standstill<'a, T> {
    pub(super) fn during(work: BoxFuture<'a, T>) -> Self {
        Self { work, alarm: None }
    }

    fn end(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            alarm.stop.lock().take();
        }
    }
}

impl<T> Future for Standstill<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let alarm = Arc::new(Alarm {
            waits: context.waker().clone(),
            stop: Mutex::new(Some(Stop::here())),
        });
        self.end();
        self.alarm = Some(Arc::clone(&alarm));
        let waker = Waker::from(alarm);
        let polled = self.work.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            self.end();
        }
        polled
    }
}

impl<T> Drop for Standstill<'_, T> {
    fn drop(&mut self) {
        self.end();
    }
}
