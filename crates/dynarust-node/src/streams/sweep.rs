//! The sweep: one task has idle streams look around, so that none needs a timer. When the cluster changes, each may
//! have to be told by somebody else; and every few seconds it may be time to tell its reader that it is still there.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::STREAM_SWEEP_SECONDS;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval};

use super::mailbox::Mailbox;
use super::register::Register;

/// Streams that are woken before the task gives way: others have something to do.
const TURN_MAX: usize = 128;

/// A part of the streams each second, so that thousands are not woken at once. `changes` are the cluster's.
pub(super) async fn sweep(register: Arc<Register>, mut changes: watch::Receiver<u64>) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0_u64;
    loop {
        tokio::select! {
            Ok(()) = changes.changed() => touch(register.of(|_| true)).await,
            _ = seconds.tick() => {
                turn = (turn + 1) % STREAM_SWEEP_SECONDS;
                touch(register.of(|id| id.0 % STREAM_SWEEP_SECONDS == turn)).await;
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
