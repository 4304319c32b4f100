//! State, ready, changes, ends.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::Selection;
use dynarust_store::{ReadError, WallClock};

use super::follower::Subscribe;
use super::reader::{all_of, alone, let_run, poll_at_most, short, streams, streams_with_queue};
use super::store::{TestClock, TestStore, selection};
use crate::environment::Tasks;
use crate::streams::{Begin, Event, Item, Streams, StreamsConfig, SubscribeError};

fn everything() -> Selection {
    selection(&["*"])
}

#[tokio::test]
async fn the_state_comes_in_key_order_then_ready_then_each_change() {
    let store = TestStore::new();
    for (key, value) in [("c", Some("1")), ("a", Some("2")), ("b", Some("3")), ("b", None)] {
        store.put(key, value);
    }
    let mut stream = streams(&store).subscribe(everything(), Begin::State).unwrap();
    assert_eq!(short(&all_of(&mut stream).await), ["a=2", "c=1", "ready"]);
    for (key, value) in [("b", Some("4")), ("b", Some("5")), ("a", None)] {
        store.put(key, value);
    }
    assert_eq!(short(&all_of(&mut stream).await), ["b=4", "b=5", "a="]);
}

#[tokio::test]
async fn a_stream_tells_only_what_it_follows() {
    let store = TestStore::new();
    for key in ["a", "ab", "b", "c", "cd"] {
        store.put(key, Some("1"));
    }
    let follows = selection(&["b", "c*", "absent"]);
    let mut stream = streams(&store).subscribe(follows, Begin::State).unwrap();
    assert_eq!(short(&all_of(&mut stream).await), ["b=1", "c=1", "cd=1", "ready"]);
    for key in ["a", "absent", "bb", "ce"] {
        store.put(key, Some("2"));
    }
    assert_eq!(short(&all_of(&mut stream).await), ["absent=2", "ce=2"]);
}

#[tokio::test]
async fn a_small_state_and_ready_come_in_one_answer() {
    let store = TestStore::new();
    store.put("a", Some("1"));
    let follows = selection(&["a", "b", "c*"]);
    let mut stream = streams(&store).subscribe(follows, Begin::State).unwrap();
    let items = stream.next().await.unwrap().unwrap();
    assert_eq!(short(&items), ["a=1", "ready"]);
}

#[tokio::test]
async fn a_large_state_comes_in_pieces() {
    let store = TestStore::new();
    let value = "x".repeat(40 << 10);
    for key in ["a", "b", "c", "d", "e"] {
        store.put(key, Some(&value));
    }
    let mut stream = streams(&store).subscribe(everything(), Begin::State).unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!(all_of(&mut stream).await.len(), 4);
}

#[tokio::test]
async fn without_state_all_that_is_published_behind_subscribe_is_told() {
    let store = TestStore::new();
    store.put("a", Some("1"));
    let mut stream = streams(&store).subscribe(everything(), Begin::Changes).unwrap();
    store.put("b", Some("2"));
    assert_eq!(short(&all_of(&mut stream).await), ["b=2", "ready"]);
    store.put("a", None);
    assert_eq!(short(&all_of(&mut stream).await), ["a="]);
}

#[tokio::test]
async fn what_the_hub_saw_before_the_position_tells_of_it_is_told() {
    let store = TestStore::new();
    let mut stream = streams(&store).subscribe(everything(), Begin::Changes).unwrap();
    store.put("a", Some("1"));
    store.hold("b", Some("2"));
    store.publish(1);
    // The hub goes through both, while the position still stands at the first.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(short(&all_of(&mut stream).await), ["a=1", "b=2", "ready"]);
}

#[tokio::test]
async fn expired_records_are_no_state_and_stay_changes() {
    let store = TestStore::new();
    store.put_expiring("a", 10);
    let clock = Arc::new(TestClock(10.into()));
    let streams = Streams::start(
        store.clone(),
        clock.clone(),
        &Tasks::default(),
        alone(),
        StreamsConfig::default(),
    );
    let mut stream = streams.subscribe(everything(), Begin::State).unwrap();
    assert_eq!(short(&all_of(&mut stream).await), ["ready"]);
    store.put_expiring("a", 10);
    let items = all_of(&mut stream).await;
    let [Item { event: Event::Change(record), .. }] = items.as_slice() else {
        panic!("{items:?}");
    };
    assert!(!record.record.is_live(clock.now()));
}

#[tokio::test]
async fn a_damaged_record_hides_no_other() {
    let store = TestStore::new();
    for key in ["a", "b", "c", "d", "e", "f", "g"] {
        store.put(key, Some("1"));
    }
    for key in ["b", "d", "e", "g"] {
        store.corrupt(key);
    }
    let streams = streams(&store);
    let mut stream = streams.subscribe(everything(), Begin::State).unwrap();
    assert_eq!(short(&all_of(&mut stream).await), ["a=1", "c=1", "f=1", "ready"]);
    let mut stream = streams.subscribe(selection(&["a", "b", "c"]), Begin::State).unwrap();
    assert_eq!(short(&all_of(&mut stream).await), ["a=1", "c=1", "ready"]);
}

#[tokio::test]
async fn a_hub_that_fell_out_of_memory_goes_on_from_the_feed() {
    let store = TestStore::new();
    let mut stream = streams(&store).subscribe(everything(), Begin::State).unwrap();
    assert_eq!(short(&all_of(&mut stream).await), ["ready"]);
    for (key, value) in [("a", "1"), ("b", "2"), ("a", "3")] {
        store.put(key, Some(value));
    }
    store.drop_tail();
    assert_eq!(short(&all_of(&mut stream).await), ["b=2", "a=3"]);
    store.put("b", Some("4"));
    assert_eq!(short(&all_of(&mut stream).await), ["b=4"]);
}

#[tokio::test]
async fn a_hub_that_cannot_read_cuts_its_streams_and_goes_on() {
    let store = TestStore::new();
    let streams = streams(&store);
    let mut stream = streams.subscribe(everything(), Begin::State).unwrap();
    all_of(&mut stream).await;
    store.set_unreadable(true);
    store.put("a", Some("1"));
    store.drop_tail();
    let cut = all_of(&mut stream).await;
    assert_eq!(short(&cut), ["lagged"]);
    let mut stream = streams.subscribe(everything(), Begin::After(cut[0].id.clone())).unwrap();
    let answer = let_run(100, stream.next()).await;
    assert!(matches!(answer, Some(Err(ReadError::Base(_)))), "{answer:?}");
    store.set_unreadable(false);
    assert_eq!(short(&all_of(&mut stream).await), ["a=1", "ready"]);
    store.put("b", Some("2"));
    assert_eq!(short(&all_of(&mut stream).await), ["b=2"]);
}

#[tokio::test]
async fn a_hub_that_may_have_missed_deletes_cuts_its_streams() {
    let store = TestStore::new();
    store.put("a", Some("1"));
    let streams = streams(&store);
    let mut stream = streams.subscribe(everything(), Begin::State).unwrap();
    all_of(&mut stream).await;
    store.put("a", None);
    store.drop_tail();
    store.forget_deletes();
    let cut = all_of(&mut stream).await;
    assert_eq!(short(&cut), ["lagged"]);
    let begin = Begin::After(cut[0].id.clone());
    let mut stream = streams.subscribe(everything(), begin).unwrap();
    assert_eq!(short(&all_of(&mut stream).await), ["reset", "ready"]);
}

#[tokio::test]
async fn a_slow_reader_gets_the_newest_of_each_key() {
    let store = TestStore::new();
    let mut stream =
        streams_with_queue(&store, 2_000).subscribe(everything(), Begin::State).unwrap();
    all_of(&mut stream).await;
    for round in 0..100 {
        store.put("a", Some(&round.to_string()));
        store.put("b", Some(&round.to_string()));
    }
    let items = all_of(&mut stream).await;
    assert!(items.len() < 20);
    assert_eq!(short(&items[items.len() - 2..]), ["a=99", "b=99"]);
}

#[tokio::test]
async fn a_reader_whose_queue_is_full_is_cut_and_resumes() {
    let store = TestStore::new();
    let streams = streams_with_queue(&store, 2_000);
    let mut stream = streams.subscribe(everything(), Begin::State).unwrap();
    let last = all_of(&mut stream).await.pop().unwrap();
    for key in 0..100 {
        store.put(&key.to_string(), Some("1"));
    }
    let items = all_of(&mut stream).await;
    assert_eq!(items, [Item { event: Event::Lagged, id: last.id.clone() }]);
    assert_eq!(stream.next().await, Ok(None));
    let mut stream = streams.subscribe(everything(), Begin::After(last.id)).unwrap();
    assert_eq!(all_of(&mut stream).await.len(), 101);
}

#[tokio::test]
async fn a_close_ends_every_stream_once() {
    let store = TestStore::new();
    let streams = streams(&store);
    let mut told = streams.subscribe(everything(), Begin::State).unwrap();
    let ready = all_of(&mut told).await.pop().unwrap();
    let mut silent = streams.subscribe(everything(), Begin::State).unwrap();
    streams.close();
    streams.close();
    let mut late = streams.subscribe(everything(), Begin::Changes).unwrap();
    for stream in [&mut told, &mut silent, &mut late] {
        let items = stream.next().await.unwrap().unwrap();
        let [Item { event: Event::Closing { retry }, id }] = items.as_slice() else {
            panic!("{items:?}");
        };
        assert!((Duration::from_secs(1)..=Duration::from_secs(5)).contains(retry));
        assert_eq!(&stream.cursor(), id);
        assert_eq!(stream.next().await, Ok(None));
    }
    assert_eq!(told.cursor(), ready.id);
}

#[tokio::test]
async fn streams_end_with_the_store() {
    let store = TestStore::new();
    let streams = streams(&store);
    let mut stream = streams.subscribe(everything(), Begin::State).unwrap();
    all_of(&mut stream).await;
    store.put("a", Some("1"));
    assert_eq!(short(&all_of(&mut stream).await), ["a=1"]);
    store.stop();
    assert_eq!(stream.next().await, Ok(None));
    let mut late = streams.subscribe(everything(), Begin::State).unwrap();
    assert_eq!(late.next().await, Ok(None));
}

#[tokio::test]
async fn there_are_only_so_many_streams_and_a_dropped_one_makes_room() {
    let store = TestStore::new();
    let streams = streams(&store);
    let subscribe = || streams.subscribe(everything(), Begin::State);
    let mut held: Vec<_> = (0..3).map(|_| subscribe().unwrap()).collect();
    assert_eq!(subscribe().unwrap_err(), SubscribeError::TooMany);
    all_of(&mut held[0]).await;
    held.clear();
    assert_eq!(streams.figures().open, 0);
    subscribe().unwrap();
}

#[tokio::test]
async fn a_given_up_wait_loses_nothing() {
    let store = TestStore::new();
    for key in ["a", "b", "c"] {
        store.put(key, Some("1"));
    }
    let follows = selection(&["a", "b", "c"]);
    let mut stream = streams(&store).subscribe(follows, Begin::State).unwrap();
    let before = stream.cursor();
    // One read at a time: each wait is given up behind a key, with nothing handed over.
    assert_eq!(poll_at_most(4, stream.next()).await, None);
    assert_eq!(stream.cursor(), before);
    assert_eq!(short(&all_of(&mut stream).await), ["a=1", "b=1", "c=1", "ready"]);
}
