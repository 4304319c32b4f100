//! The sweep: one task has idle streams look around, so that none needs a timer. When the cluster changes, each may
//! have to be told by somebody else; and every few seconds it may be time to tell its reader that it is still there.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::STREAM_SWEEP_SECONDS;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::register::Register;

/// A part of the streams each second, so that thousands are not woken at once. `changes` are the cluster's.
pub(super) async fn sweep(register: Arc<Register>, mut changes: watch::Receiver<u64>) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0_u64;
    loop {
        tokio::select! {
            Ok(()) = changes.changed() => register.touch(|_| true),
            _ = seconds.tick() => {
                turn = (turn + 1) % STREAM_SWEEP_SECONDS;
                register.touch(|id| id.0 % STREAM_SWEEP_SECONDS == turn);
            }
        }
    }
}
