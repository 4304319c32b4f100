//! Bounded: nothing grows beyond its limit, and what grows with trouble is gone once the trouble is.

use std::time::Duration;

use dynarust_core::limits::{JOURNAL_BYTES_MAX, RECENT_RECORDS_MAX};
use dynarust_node::NodeStats;
use tokio::time::{Instant, sleep};

use crate::machine::Machine;
use crate::rules::Rules;

/// Beyond what the store waits before it brings records into its base, all that waits is done by then.
const RESTS_WITHIN: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(100);

/// The newest record may wait for a reader beside all else.
const NEWEST_BYTES_MAX: usize = 4 << 10;

/// What is beyond its limit, at any time.
pub(crate) fn check(machines: &[Machine], rules: &Rules) -> Vec<String> {
    let over = machines.iter().filter(|machine| machine.answers()).flat_map(|machine| {
        let stats = machine.node().map(|node| node.stats());
        let over = stats.map(|stats| over(&stats, rules)).unwrap_or_default();
        over.into_iter().map(|(what, count, most)| {
            format!("bounded: node {} has {count} {what}, and {most} at most", machine.number)
        })
    });
    over.collect()
}

/// What there is more of than may be.
fn over(stats: &NodeStats, rules: &Rules) -> Vec<(&'static str, u64, u64)> {
    let (store, streams) = (&stats.store, &stats.streams);
    let queues = (streams.open * (rules.queue_bytes_max + NEWEST_BYTES_MAX)) as u64;
    let figures = [
        ("bytes of recent records", store.recent_bytes, JOURNAL_BYTES_MAX as u64),
        ("recent records", recent(stats), RECENT_RECORDS_MAX as u64),
        ("bytes in the record cache", store.cache_bytes, rules.cache_bytes),
        ("bytes that wait for readers", streams.queue_bytes as u64, queues),
    ];
    figures.into_iter().filter(|(_, count, most)| count > most).collect()
}

fn recent(stats: &NodeStats) -> u64 {
    stats.store.head_seq.saturating_sub(stats.store.applied_seq)
}

/// What still waits, long after the last client has gone.
pub(crate) async fn check_rest(machines: &[Machine], apply_interval: Duration) -> Vec<String> {
    let patience = Instant::now() + apply_interval + RESTS_WITHIN;
    loop {
        let wrong = waiting(machines);
        if wrong.is_empty() || Instant::now() >= patience {
            return wrong;
        }
        sleep(LOOK).await;
    }
}

fn waiting(machines: &[Machine]) -> Vec<String> {
    let waiting = machines.iter().filter_map(|machine| Some((machine, machine.node()?))).flat_map(
        |(machine, node)| {
            let stats = node.stats();
            let (store, streams) = (&stats.store, &stats.streams);
            let figures = [
                ("recent records", recent(&stats)),
                ("segments that wait for the base", store.segments_waiting),
                ("records that a follower has not acknowledged", stats.cluster.lag_records),
                ("streams of readers that have gone", streams.open as u64),
                ("bytes that wait for readers", streams.queue_bytes as u64),
                ("publications that wait for the hub", streams.behind),
            ];
            let left = figures.into_iter().filter(|(_, count)| *count > 0);
            left.map(|(what, count)| {
                format!("bounded: node {} still has {count} {what}, long after", machine.number)
            })
            .collect::<Vec<_>>()
        },
    );
    waiting.collect()
}
