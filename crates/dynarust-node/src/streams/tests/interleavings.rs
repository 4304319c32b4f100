//! Random interleavings of writers, hub and slow readers that are cut and come back: per key no
//! version falls, ids rise, and in the end the reader holds what the store holds.

use std::sync::Arc;

use proptest::prelude::*;
use tokio::runtime;
use tokio::task::yield_now;

use super::reader::{Reader, streams_with_queue};
use super::store::{TestStore, selection};

#[derive(Debug, Clone)]
enum Step {
    /// Takes a record in; publishes it and all held ones, or holds it.
    Write { key: usize, delete: bool, large: bool, publish: bool },
    /// Many writes to one key that nobody follows: now the head is far.
    Storm,
    /// Publishes some of what is held, without telling of it.
    Publish(usize),
    /// Tells of what is published.
    Announce,
    /// The store's memory no longer reaches back.
    DropTail,
    /// The store forgets deletes: ids from before them reset.
    ForgetDeletes,
    /// The hub, and only the hub, runs.
    Hub(usize),
    /// A reader asks, and gives up after so many polls.
    Read { reader: usize, polls: usize, hub_runs: bool },
    /// A reader is cut, having got so many items less than it was told.
    Cut { reader: usize, back: usize },
}

const KEYS: [&str; 5] = ["a", "ab", "b", "c", "d"];

fn step() -> impl Strategy<Value = Step> {
    let write = (0..KEYS.len(), any::<bool>(), prop::bool::weighted(0.1), any::<bool>());
    let read = (0..2_usize, 0..12_usize, any::<bool>());
    prop_oneof![
        12 => write.prop_map(|(key, delete, large, publish)| {
            Step::Write { key, delete, large, publish }
        }),
        1 => Just(Step::Storm),
        4 => (1..4_usize).prop_map(Step::Publish),
        2 => Just(Step::Announce),
        1 => Just(Step::DropTail),
        1 => Just(Step::ForgetDeletes),
        4 => (1..4_usize).prop_map(Step::Hub),
        12 => read.prop_map(|(reader, polls, hub_runs)| Step::Read { reader, polls, hub_runs }),
        2 => (0..2_usize, 0..4_usize).prop_map(|(reader, back)| Step::Cut { reader, back }),
    ]
}

async fn run(steps: Vec<Step>, queue_bytes_max: usize, followed: &[&str]) {
    let store = TestStore::new();
    let streams = streams_with_queue(&store, queue_bytes_max);
    let mut readers = [followed, &["*"]].map(|parts| Reader::new(&streams, selection(parts)));
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Write { key, delete, large, publish } => {
                let value = format!("{number}{}", " ".repeat(if large { 40 << 10 } else { 0 }));
                store.hold(KEYS[key], (!delete).then_some(value.as_str()));
                if publish {
                    store.publish(usize::MAX);
                    store.announce();
                }
            }
            Step::Storm => storm(&store),
            Step::Publish(count) => store.publish(count),
            Step::Announce => store.announce(),
            Step::DropTail => store.drop_tail(),
            Step::ForgetDeletes => store.forget_deletes(),
            Step::Hub(turns) => {
                for _ in 0..turns {
                    yield_now().await;
                }
            }
            Step::Read { reader, polls, hub_runs } => {
                readers[reader].step(polls, hub_runs).await;
            }
            Step::Cut { reader, back } => readers[reader].cut(back),
        }
    }
    store.publish(usize::MAX);
    store.announce();
    for reader in &mut readers {
        reader.finish(&store).await;
    }
}

fn storm(store: &Arc<TestStore>) {
    for _ in 0..1_500 {
        store.hold("zzz", Some("1"));
    }
    store.publish(usize::MAX);
    store.announce();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_gap_and_no_version_falls(
        steps in prop::collection::vec(step(), 1..120),
        queue_bytes_max in prop::sample::select(vec![0, 600, 3_000, 1 << 20]),
        // One record alone is caught up with in a way of its own.
        followed in prop::sample::select(vec![&["a*", "c"][..], &["a"]]),
    ) {
        let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(run(steps, queue_bytes_max, followed));
    }
}

/// With real threads: one storms, readers are cut and come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_is_survived_by_readers_that_are_cut_a_hundred_times() {
    let store = TestStore::new();
    let streams = streams_with_queue(&store, 20_000);
    let writer = tokio::task::spawn_blocking({
        let store = Arc::clone(&store);
        move || {
            for number in 0..20_000_usize {
                let value = number.to_string();
                let delete = number % 7 == 0;
                store.put(KEYS[number % KEYS.len()], (!delete).then_some(&value));
                if number % 1_000 == 0 {
                    store.drop_tail();
                }
            }
        }
    });
    let mut reader = Reader::new(&streams, selection(&["a*", "c"]));
    while reader.cuts < 100 || !writer.is_finished() {
        reader.step(10, true).await;
        if reader.cuts < 100 {
            reader.cut(2);
        }
    }
    writer.await.unwrap();
    reader.follow_until(store.live(&reader.selection)).await;
}
