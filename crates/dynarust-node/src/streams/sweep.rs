//! The sweep: one task has idle streams look around, so that none needs a timer. When the cluster changes, each may
//! have to be told by somebody else; and every few seconds it may be time to tell its reader that it is still there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::STREAM_SWEEP_SECONDS;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::mailbox::Mailbox;
use super::register::{EndsWithIt, PARTS, Register};

/// Streams that are woken before the task gives way: others have something to do.
const TURN_MAX: usize = 128;

/// How often a part is woken.
const PART_MILLIS: u64 = STREAM_SWEEP_SECONDS * 1000 / PARTS as u64;

/// A part of the streams at a time, so that what else is to be done waits for few. `changes` are the cluster's.
/// However it ends, every stream ends with it.
pub(super) async fn sweep(register: EndsWithIt, mut changes: watch::Receiver<u64>) {
    let began = Instant::now();
    let mut ticks = interval(Duration::from_millis(PART_MILLIS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut woken = 0;
    loop {
        tokio::select! {
            Ok(()) = changes.changed() => touch_all(&register, 0..PARTS).await,
            _ = ticks.tick() => {
                // By the clock: a tick that comes late makes up for those before it.
                let due = usize::try_from(began.elapsed().as_millis()).unwrap_or(0) / PART_MILLIS as usize;
                touch_all(&register, woken.max(due.saturating_sub(PARTS))..due).await;
                woken = due;
            }
        }
    }
}

async fn touch_all(register: &Register, parts: Range<usize>) {
    for part in parts {
        touch(register.part(part % PARTS)).await;
    }
}

async fn touch(mailboxes: Vec<Arc<Mailbox>>) {
    for few in mailboxes.chunks(TURN_MAX) {
        few.iter().for_each(|mailbox| mailbox.touch());
        yield_now().await;
    }
}
