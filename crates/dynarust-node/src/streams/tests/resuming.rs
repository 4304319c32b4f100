//! Coming back with an id.

use dynarust_core::{Claims, Epoch, FeedPosition, NodeId, Selection, StreamCursor};

use super::follower::{Follower, Subscribe};
use super::reader::{all_of, poll_at_most, short, streams};
use super::store::{TestStore, selection};
use crate::streams::Begin;

fn everything() -> Selection {
    selection(&["*"])
}

async fn told_after(store: &std::sync::Arc<TestStore>, id: &str) -> Vec<String> {
    let begin = Begin::After(id.to_owned());
    let mut stream = streams(store).subscribe(everything(), begin).unwrap();
    short(&all_of(&mut stream).await)
}

fn seq_of(id: &str) -> u64 {
    StreamCursor::decode(id).unwrap().claims.iter().next().unwrap().seq
}

#[tokio::test]
async fn what_was_missed_comes_first_deletes_too() {
    let store = TestStore::new();
    for (key, value) in [("a", Some("1")), ("b", Some("2"))] {
        store.put(key, value);
    }
    let mut stream = streams(&store).subscribe(everything(), Begin::State).unwrap();
    let ready = all_of(&mut stream).await.pop().unwrap();
    for (key, value) in [("a", None), ("c", Some("3")), ("c", Some("4"))] {
        store.put(key, value);
    }
    assert_eq!(told_after(&store, &ready.id).await, ["a=", "c=4", "ready"]);
    let changes = all_of(&mut stream).await;
    assert_eq!(told_after(&store, &changes[0].id).await, ["c=4", "ready"]);
    assert_eq!(told_after(&store, &changes[2].id).await, ["ready"]);
}

/// However much others wrote: 10,000 readers that come back must not read it 10,000 times.
#[tokio::test]
async fn a_reader_of_one_record_reads_no_feed() {
    let store = TestStore::new();
    let streams = streams(&store);
    for missed in [Some("2"), None] {
        store.put("a", Some("1"));
        let mut stream = streams.subscribe(selection(&["a"]), Begin::State).unwrap();
        let ready = all_of(&mut stream).await.pop().unwrap();
        drop(stream);
        store.put("a", missed);
        for _ in 0..5_000 {
            store.put("b", Some("1"));
        }
        let feed_reads = store.feed_reads();
        let begin = Begin::After(ready.id);
        let mut stream = streams.subscribe(selection(&["a"]), begin).unwrap();
        let told = all_of(&mut stream).await;
        let expected = format!("a={}", missed.unwrap_or_default());
        assert_eq!(short(&told), [expected.as_str(), "ready"]);
        assert_eq!(store.feed_reads(), feed_reads);
        // Everything up to the head counts as told.
        let begin = Begin::After(told[1].id.clone());
        let mut stream = streams.subscribe(selection(&["a"]), begin).unwrap();
        assert_eq!(short(&all_of(&mut stream).await), ["ready"]);
    }
    store.put("a", Some("3"));
    let begin = Begin::After(ready_id(&streams).await);
    store.put("a", None);
    store.forget_deletes();
    let mut stream = streams.subscribe(selection(&["a"]), begin).unwrap();
    assert_eq!(short(&all_of(&mut stream).await), ["reset", "ready"]);
}

async fn ready_id(streams: &std::sync::Arc<crate::streams::Streams>) -> String {
    let mut stream = streams.subscribe(selection(&["a"]), Begin::State).unwrap();
    all_of(&mut stream).await.pop().unwrap().id
}

#[tokio::test]
async fn a_state_goes_on_where_it_was_cut() {
    let store = TestStore::new();
    for key in ["a", "b", "c", "d"] {
        store.put(key, Some("1"));
    }
    let mut stream = streams(&store).subscribe(everything(), Begin::State).unwrap();
    let items = all_of(&mut stream).await;
    for (key, value) in [("a", None), ("b", Some("2")), ("d", None)] {
        store.put(key, value);
    }
    let told = told_after(&store, &items[1].id).await;
    assert_eq!(told, ["c=1", "a=", "b=2", "d=", "ready"]);
}

#[tokio::test]
async fn a_state_of_keys_in_several_tables_goes_on_where_it_was_cut() {
    let store = TestStore::new();
    for key in ["a", "b", "c", "ca", "d"] {
        store.put(key, Some("1"));
    }
    let follows = selection(&["a", "b", "c*", "d"]);
    let streams = streams(&store);
    let mut stream = streams.subscribe(follows.clone(), Begin::State).unwrap();
    let items = all_of(&mut stream).await;
    let whole = short(&items);
    for (at, item) in items.iter().enumerate() {
        let begin = Begin::After(item.id.clone());
        let mut stream = streams.subscribe(follows.clone(), begin).unwrap();
        let rest = whole[(at + 1).min(items.len() - 1)..].to_vec();
        assert_eq!(short(&all_of(&mut stream).await), rest);
    }
}

#[tokio::test]
async fn an_id_that_is_none_of_ours_resets() {
    let store = TestStore::new();
    store.put("a", Some("1"));
    let mut stream = streams(&store).subscribe(everything(), Begin::State).unwrap();
    let ready = all_of(&mut stream).await.pop().unwrap();
    let good = StreamCursor::decode(&ready.id).unwrap();
    let at = *good.claims.iter().next().unwrap();
    let mut bad: Vec<String> = ["", "0", "nonsense", "é"].map(str::to_owned).into();
    let beyond = FeedPosition { seq: at.seq + 1, ..at };
    let foreign = FeedPosition { node: NodeId(99), ..at };
    let unknown = FeedPosition { epoch: Epoch(99), ..at };
    for at in [beyond, foreign, unknown] {
        let (claims, told) = ([at].into_iter().collect(), [at].into_iter().collect());
        bad.push(StreamCursor { claims, told, ..good.clone() }.encode().unwrap());
        // Told there, and claimed here: what was sent lies where nobody can look.
        let told = [at].into_iter().collect();
        bad.push(StreamCursor { told, ..good.clone() }.encode().unwrap());
    }
    bad.push(StreamCursor { claims: Claims::default(), ..good.clone() }.encode().unwrap());
    let other = selection(&["a"]).fingerprint();
    bad.push(StreamCursor { selection: other, ..good }.encode().unwrap());
    for id in bad {
        assert_eq!(told_after(&store, &id).await, ["reset", "a=1", "ready"], "{id}");
    }
}

#[tokio::test]
async fn the_id_beside_a_reset_resets_again() {
    let store = TestStore::new();
    store.put("a", Some("1"));
    let begin = Begin::After("unknown".to_owned());
    let mut stream = streams(&store).subscribe(everything(), begin).unwrap();
    let items = all_of(&mut stream).await;
    assert_eq!(short(&items), ["reset", "a=1", "ready"]);
    assert_eq!(told_after(&store, &items[0].id).await, ["reset", "a=1", "ready"]);
    assert_eq!(told_after(&store, &items[1].id).await, ["ready"]);
}

#[tokio::test]
async fn forgotten_deletes_reset() {
    let store = TestStore::new();
    store.put("a", Some("1"));
    let mut stream = streams(&store).subscribe(everything(), Begin::State).unwrap();
    let ready = all_of(&mut stream).await.pop().unwrap();
    store.put("a", None);
    store.forget_deletes();
    assert_eq!(told_after(&store, &ready.id).await, ["reset", "ready"]);
}

#[tokio::test]
async fn deletes_forgotten_under_way_reset() {
    let store = TestStore::new();
    store.put("a", Some("1"));
    let mut stream = streams(&store).subscribe(everything(), Begin::State).unwrap();
    let ready = all_of(&mut stream).await.pop().unwrap();
    store.put("a", None);
    store.put("b", Some("2"));
    let mut stream: Follower =
        streams(&store).subscribe(everything(), Begin::After(ready.id)).unwrap();
    // It is attached, and waits for its part of the feed.
    assert_eq!(poll_at_most(1, stream.next()).await, None);
    store.forget_deletes();
    assert_eq!(short(&all_of(&mut stream).await), ["reset", "b=2", "ready"]);
    store.put("b", None);
    assert_eq!(short(&all_of(&mut stream).await), ["b="]);
}

#[tokio::test]
async fn the_cursor_of_an_idle_stream_moves_on() {
    let store = TestStore::new();
    let streams = streams(&store);
    let mut stream = streams.subscribe(selection(&["a"]), Begin::State).unwrap();
    let ready = all_of(&mut stream).await.pop().unwrap();
    assert_eq!(stream.cursor(), ready.id);
    for _ in 0..10 {
        store.put("b", Some("1"));
    }
    assert!(all_of(&mut stream).await.is_empty());
    let fresh = stream.cursor();
    assert_eq!(seq_of(&fresh), 10);
    streams.close();
    assert_eq!(all_of(&mut stream).await[0].id, fresh);
}

#[tokio::test]
async fn the_cursor_does_not_move_past_what_waits() {
    let store = TestStore::new();
    let mut stream = streams(&store).subscribe(selection(&["a"]), Begin::State).unwrap();
    let ready = all_of(&mut stream).await.pop().unwrap();
    let change = store.put("a", Some("1"));
    store.put("b", Some("1"));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stream.cursor(), ready.id);
    assert_eq!(all_of(&mut stream).await.len(), 1);
    assert_eq!(seq_of(&stream.cursor()), change + 1);
}
