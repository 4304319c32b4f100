//! Drives a node's store: each of its steps when its thread would take it, as long as the disk takes.

use std::sync::Arc;
use std::time::Duration;

use dynarust_store::Hands;
use tokio::time::{Instant, sleep, sleep_until};

use crate::disk::SimDisk;
use crate::time;
use crate::trace::{Trace, tell};

/// Runs until the store is closed.
pub(crate) async fn drive(mut hands: Hands, disk: Arc<SimDisk>, trace: Arc<Trace>, node: usize) {
    sleep(hands.clock_wait()).await;
    let mut apply_at = Instant::now() + hands.apply_interval();
    let mut expire_at = Instant::now() + hands.expire_interval();
    loop {
        if hands.is_closing() {
            tell!(trace, "node {node}: store closes");
            return hands.finish();
        }
        let flush_at = hands.flush_at().map(Instant::from_std);
        tokio::select! {
            biased;
            () = hands.wait_for_work() => {}
            () = until(flush_at) => {}
            () = sleep_until(expire_at) => {
                hands.expire();
                expire_at = Instant::now() + hands.expire_interval();
                continue;
            }
            () = sleep_until(apply_at) => {
                hands.end_behind(disk.applier_dies_behind());
                let again = hands.apply();
                if disk.applier_dies_behind().is_some() && hands.have_failed() {
                    return disk.applier_has_died();
                }
                apply_at = Instant::now() + if again { Duration::ZERO } else { hands.apply_interval() };
                continue;
            }
        }
        sleep(disk.latency()).await;
        while hands.write() {
            tell!(trace, "node {node}: group written");
        }
        if hands.is_pressed() {
            apply_at = Instant::now();
        }
        time::tell_thread();
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
