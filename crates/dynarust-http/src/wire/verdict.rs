//! What the guard of a connection and the service behind hyper tell each other.
//!
//! A head that is refused never reaches hyper. In its place the guard writes [`sentinel`]: a request that
//! no client can get past the guard. So the refusal is answered behind all requests before it, as HTTP
//! wants it, and by the one file that makes problems.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

use http::{Method, Request};
use parking_lot::Mutex;

use super::fault::Fault;

/// The target `*` is for OPTIONS only; the guard sees to that.
const SENTINEL_GET: &[u8] = b"GET * HTTP/1.1\r\nconnection: close\r\n\r\n";
const SENTINEL_HEAD: &[u8] = b"HEAD * HTTP/1.1\r\nconnection: close\r\n\r\n";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    refusal: OnceLock<Fault>,
    upgrade: AtomicU8,
    waiting: Mutex<Option<Waker>>,
}

/// Values of [`Verdict::upgrade`].
const NOT_ASKED: u8 = 0;
const ASKED: u8 = 1;
const DECLINED: u8 = 2;
const UPGRADED: u8 = 3;

/// The request that stands for a refused one.
pub(super) fn sentinel(answered_without_body: bool) -> &'static [u8] {
    if answered_without_body { SENTINEL_HEAD } else { SENTINEL_GET }
}

impl Verdict {
    /// Why this request is refused, if it is the one that stands for a refused one.
    pub(crate) fn refusal_of<B>(&self, request: &Request<B>) -> Option<Fault> {
        let fault = self.refusal.get()?;
        let sentinel = request.uri() == "*" && request.method() != Method::OPTIONS;
        sentinel.then_some(*fault)
    }

    /// Whether a request waits to hear what becomes of its upgrade.
    pub(crate) fn awaits_decision(&self) -> bool {
        self.upgrade.load(Ordering::Acquire) == ASKED
    }

    /// Tells what becomes of the upgrade.
    pub(crate) fn decide(&self, upgraded: bool) {
        let decision = if upgraded { UPGRADED } else { DECLINED };
        self.upgrade.store(decision, Ordering::Release);
        if let Some(waker) = self.waiting.lock().take() {
            waker.wake();
        }
    }

    pub(super) fn refuse(&self, fault: Fault) {
        // Only the first counts: nothing passes behind it.
        let _ = self.refusal.set(fault);
    }

    /// Asks, unless what was asked before has not been heard yet.
    pub(super) fn ask(&self) {
        let _ =
            self.upgrade.compare_exchange(NOT_ASKED, ASKED, Ordering::AcqRel, Ordering::Relaxed);
    }

    pub(super) fn poll_decision(&self, context: &mut Context<'_>) -> Poll<bool> {
        *self.waiting.lock() = Some(context.waker().clone());
        match self.upgrade.load(Ordering::Acquire) {
            ASKED => Poll::Pending,
            decision => {
                self.upgrade.store(NOT_ASKED, Ordering::Release);
                Poll::Ready(decision == UPGRADED)
            }
        }
    }
}
