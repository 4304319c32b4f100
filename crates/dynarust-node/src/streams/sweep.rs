//! The sweep: one task has idle streams look around, so that none needs a timer. When the cluster changes, each may
//! have to be told by somebody else; and every few seconds it may be time to tell its reader that it is still there.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::STREAM_SWEEP_SECONDS;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval};

use super::mailbox::Mailbox;
use super::register::EndsWithIt;

/// Streams that are woken before the task gives way: others have something to do.
const TURN_MAX: usize = 128;

/// How often some are woken, and how many parts of all that makes.
const PART_MILLIS: u64 = 100;
const PARTS: u64 = STREAM_SWEEP_SECONDS * 1000 / PART_MILLIS;

/// A part of the streams at a time, so that what else is to be done waits for few. `changes` are the cluster's.
/// However it ends, every stream ends with it.
pub(super) async fn sweep(register: EndsWithIt, mut changes: watch::Receiver<u64>) {
    let mut ticks = interval(Duration::from_millis(PART_MILLIS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut part = 0;
    loop {
        tokio::select! {
            Ok(()) = changes.changed() => touch(register.of(|_| true)).await,
            _ = ticks.tick() => {
                part = (part + 1) % PARTS;
                touch(register.of(|id| id.0 % PARTS == part)).await;
            }
        }
    }
}

async fn touch(mailboxes: Vec<Arc<Mailbox>>) {
    for few in mailboxes.chunks(TURN_MAX) {
        few.iter().for_each(|mailbox| mailbox.touch());
        yield_now().await;
    }
}
