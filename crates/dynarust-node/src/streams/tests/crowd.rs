//! A crowd that comes at once, over the real store: it waits for itself, and holds up nobody else.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use dynarust_core::limits::{READS_WAITING_MAX, STREAM_READS_MAX};
use dynarust_store::{LocalStore, Store, StoreConfig};
use tokio::time::timeout;

use super::follower::{Follower, Subscribe as _};
use super::reader::{alone, poll_at_most};
use super::store::{TestClock, name, selection};
use crate::environment::Tasks;
use crate::streams::{Begin, Event, Streams, StreamsConfig};

const PATIENCE: Duration = Duration::from_secs(60);

fn streams(folder: &Path) -> (Arc<LocalStore>, Arc<Streams>) {
    let store = LocalStore::open(&StoreConfig::new(folder.join("node"))).unwrap();
    let store = Arc::new(store);
    let theirs: Arc<dyn Store> = store.clone();
    let clock = Arc::new(TestClock::default());
    let config = StreamsConfig::default();
    (store, Streams::start(theirs, clock, &Tasks::default(), alone(), config))
}

/// On a key of its own, which is not there: so its store has to look.
fn follow(streams: &Arc<Streams>, number: usize) -> Follower {
    streams.subscribe(selection(&[&format!("absent-{number}")]), Begin::State).unwrap()
}

#[tokio::test]
async fn a_crowd_of_more_streams_than_may_wait_for_the_store_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, streams) = streams(folder.path());
    let mut crowd = Vec::new();
    // All ask at once; hardly any is answered by then.
    for number in 0..READS_WAITING_MAX + 2_000 {
        let mut follower = follow(&streams, number);
        match poll_at_most(1, follower.next()).await {
            None => crowd.push(follower),
            Some(told) => assert!(told.expect("it was cut").is_some()),
        }
    }
    assert!(crowd.len() > READS_WAITING_MAX + STREAM_READS_MAX);
    for mut follower in crowd {
        let told = timeout(PATIENCE, follower.next()).await.expect("it waits in vain");
        let told = told.expect("it was cut").expect("it ended");
        assert!(matches!(told.last().unwrap().event, Event::Ready), "{told:?}");
    }
}

#[tokio::test]
async fn readers_that_ask_no_more_keep_the_store_from_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (store, streams) = streams(folder.path());
    let mut stalled = Vec::new();
    for number in 0..2 * STREAM_READS_MAX {
        let mut follower = follow(&streams, number);
        // Then its socket is full.
        let asks = poll_fn(|context| Poll::Ready(follower.poll_next(context).is_pending())).await;
        stalled.extend(asks.then_some(follower));
    }
    assert!(stalled.len() > STREAM_READS_MAX);
    let read = timeout(PATIENCE, store.get(name("absent"))).await;
    assert!(read.expect("the store's readers wait for them").unwrap().is_none());
    let mut another = follow(&streams, usize::MAX);
    let told = timeout(PATIENCE, another.next()).await.expect("it waits for them");
    assert!(told.unwrap().is_some());
    drop(stalled);
}
