//! A reader that checks what it is told, and may be cut and come back.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::{RecordName, Selection, Seq, StreamCursor, Version};
use dynarust_store::Store;
use tokio::sync::watch;
use tokio::task::yield_now;

use super::follower::{Follower, Subscribe};
use super::store::{TestClock, TestStore};
use crate::environment::Tasks;
use crate::following::Positions;
use crate::streams::{Begin, Event, Item, Streams, StreamsConfig};

/// Streams over the store, with queues of this size.
pub(super) fn streams_with_queue<S: Store>(store: &Arc<S>, queue_bytes_max: usize) -> Arc<Streams> {
    let config = StreamsConfig { queue_bytes_max, streams_max: 3, ..StreamsConfig::default() };
    let store: Arc<dyn Store> = store.clone();
    let clock = Arc::new(TestClock::default());
    Streams::start(store, clock, &Tasks::default(), alone(), config)
}

/// In no feed of others, in a cluster that does not change.
pub(super) fn alone() -> (Arc<Positions>, watch::Receiver<u64>) {
    (Arc::default(), watch::Sender::default().subscribe())
}

/// Streams over the store.
pub(super) fn streams(store: &Arc<TestStore>) -> Arc<Streams> {
    streams_with_queue(store, 1 << 20)
}

/// Polls so many times, and drops the future if that was not enough.
pub(super) async fn poll_at_most<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
    }
    None
}

/// As [`poll_at_most`], and the hub runs in between.
pub(super) async fn let_run<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Some(output) = poll_at_most(1, future.as_mut()).await {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

/// All that comes until nothing more does.
pub(super) async fn all_of(stream: &mut Follower) -> Vec<Item> {
    let mut all = Vec::new();
    while let Some(Ok(Some(items))) = let_run(100, stream.next()).await {
        assert!(!items.is_empty());
        all.extend(items);
    }
    all
}

/// Items in short: `a=1`, `a=` for a delete, and the names of events.
pub(super) fn short(items: &[Item]) -> Vec<String> {
    let tell = |item: &Item| match &item.event {
        Event::Change(record) => {
            let value = String::from_utf8(record.record.value.to_vec()).unwrap();
            format!("{}={value}", record.name.key())
        }
        Event::Closing { .. } => "closing".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    items.iter().map(tell).collect()
}

/// What a reader knows at some moment.
#[derive(Clone, Default)]
struct Known {
    last_id: Option<String>,
    live: BTreeMap<RecordName, Bytes>,
    versions: HashMap<RecordName, Version>,
}

/// A client: it keeps a copy of what it follows, and checks the promises on the way.
pub(super) struct Reader {
    pub(super) streams: Arc<Streams>,
    pub(super) selection: Selection,
    pub(super) stream: Follower,
    known: Known,
    past: Vec<Known>,
    /// On this connection.
    ready: bool,
    last_seq: Seq,
    pub(super) cuts: usize,
}

impl Reader {
    pub(super) fn new(streams: &Arc<Streams>, selection: Selection) -> Self {
        let stream = streams.subscribe(selection.clone(), Begin::State).unwrap();
        Self {
            streams: Arc::clone(streams),
            selection,
            stream,
            known: Known::default(),
            past: Vec::new(),
            ready: false,
            last_seq: 0,
            cuts: 0,
        }
    }

    /// One call of `next` that is given up after so many polls; whether it told something.
    pub(super) async fn step(&mut self, polls: usize, hub_runs: bool) -> bool {
        let answer = if hub_runs {
            let_run(polls, self.stream.next()).await
        } else {
            poll_at_most(polls, self.stream.next()).await
        };
        match answer {
            None => false,
            Some(Ok(Some(items))) => {
                assert!(!items.is_empty());
                for item in items {
                    self.take(item);
                }
                true
            }
            // The stream said its last word: come back with the last id.
            Some(Ok(None)) => {
                self.resume();
                true
            }
            Some(Err(error)) => panic!("{error}"),
        }
    }

    /// Comes back as one that had only what was told up to some earlier item.
    pub(super) fn cut(&mut self, back: usize) {
        if let Some(at) = self.past.len().checked_sub(1 + back) {
            self.past.truncate(at + 1);
            self.known = self.past[at].clone();
        }
        self.resume();
    }

    /// Goes on until nothing more comes, and compares.
    pub(super) async fn finish(&mut self, store: &TestStore) {
        while self.step(300, true).await {}
        assert!(self.ready, "the stream never became ready");
        assert_eq!(self.known.live, store.live(&self.selection));
    }

    /// Follows until it holds this: for a store and a hub on other threads.
    pub(super) async fn follow_until(&mut self, live: BTreeMap<RecordName, Bytes>) {
        let follow = async {
            while !self.ready || self.known.live != live {
                self.step(usize::MAX, true).await;
            }
        };
        let followed = tokio::time::timeout(Duration::from_secs(30), follow).await;
        followed.expect("the reader never held what the store holds");
    }

    fn resume(&mut self) {
        let begin = self.known.last_id.clone().map_or(Begin::State, Begin::After);
        if begin == Begin::State {
            self.known = Known::default();
        }
        self.stream = self.streams.subscribe(self.selection.clone(), begin).unwrap();
        self.ready = false;
        self.last_seq = 0;
        self.cuts += 1;
    }

    fn take(&mut self, item: Item) {
        self.check_id(&item);
        self.known.last_id = Some(item.id);
        match item.event {
            Event::Change(record) => {
                let version = record.record.version;
                let before = self.known.versions.insert(record.name.clone(), version);
                assert!(before <= Some(version), "{} fell", record.name);
                assert!(self.selection.matches(&record.name));
                if record.record.is_live(0) {
                    let value = record.record.value.clone();
                    self.known.live.insert(record.name.clone(), value);
                } else {
                    self.known.live.remove(&record.name);
                }
            }
            Event::Ready => {
                assert!(!self.ready, "ready twice");
                self.ready = true;
            }
            Event::Reset => {
                self.known.live.clear();
                self.ready = false;
                self.last_seq = 0;
            }
            Event::Lagged | Event::Closing { .. } => {}
        }
        self.past.push(self.known.clone());
    }

    fn check_id(&mut self, item: &Item) {
        if matches!(item.event, Event::Lagged | Event::Closing { .. }) {
            let last = self.known.last_id.as_deref();
            assert!(last.is_none_or(|last| last == item.id), "not the last id");
            return;
        }
        let Some(cursor) = StreamCursor::decode(&item.id) else {
            assert_eq!(item.event, Event::Reset);
            return;
        };
        let seq = cursor.claims.iter().next().unwrap().seq;
        if self.ready {
            assert!(seq > self.last_seq, "the id did not rise");
        } else {
            assert!(seq >= self.last_seq, "the id fell");
        }
        self.last_seq = seq;
    }
}
