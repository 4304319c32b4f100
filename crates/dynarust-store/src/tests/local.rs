//! The store over a real folder.

use std::time::Duration;

use bytes::Bytes;
use dynarust_core::{Condition, Epoch, FeedPosition, KeyRange, NodeId, RecordName, TableName};

use crate::port::{Change, Durability, Scan, Store, Write, Written};
use crate::{LocalStore, OpenError, StoreConfig};

fn config(folder: &std::path::Path) -> StoreConfig {
    StoreConfig {
        apply_interval: Duration::from_millis(20),
        ..StoreConfig::new(folder.join("node"))
    }
}

fn name(key: &str) -> RecordName {
    RecordName::parse("t", key).unwrap()
}

fn put(key: &str, value: &str, durability: Durability) -> Write {
    Write {
        name: name(key),
        change: Change::Put { value: Bytes::copy_from_slice(value.as_bytes()), expiry: None },
        condition: Condition::default(),
        durability,
    }
}

async fn value(store: &LocalStore, key: &str) -> Option<Bytes> {
    store.get(name(key)).await.unwrap().map(|stored| stored.record.value.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_read_back_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for durability in [Durability::Sync, Durability::Relaxed] {
        let store = LocalStore::open(&config(folder.path())).unwrap();
        store.write(put("a", "1", durability)).await.unwrap();
        assert_eq!(value(&store, "a").await.unwrap(), "1");
        assert_eq!(value(&store, "b").await, None);
        store.close().await;
        drop(store);
        let store = LocalStore::open(&config(folder.path())).unwrap();
        assert_eq!(value(&store, "a").await.unwrap(), "1");
    }
    let report = crate::verify::verify(&folder.path().join("node")).unwrap();
    assert_eq!(report.problems, vec![]);
    assert_eq!((report.records, report.journal_frames), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_taken_in_the_order_of_the_calls_and_not_of_the_polls() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    let first = store.write(put("a", "1", Durability::Sync));
    let second = store.write(put("a", "2", Durability::Sync));
    drop(store.write(put("a", "3", Durability::Sync)));
    let second = second.await.unwrap();
    let first = first.await.unwrap();
    let (Written::Done(first), Written::Done(second)) = (first, second) else {
        panic!("both take");
    };
    assert!(first < second);
    store.close().await;
    assert_eq!(value(&store, "a").await.unwrap(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_and_the_feed_see_base_and_recent_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    for round in 0..3 {
        for key in 0..50 {
            let write = put(&format!("{key:02}"), &round.to_string(), Durability::Relaxed);
            store.write(write).await.unwrap();
        }
        let range = KeyRange::table(TableName::parse("t").unwrap());
        let mut seen = Vec::new();
        let mut rest = range.clone();
        loop {
            let scan = Scan { range: rest, reverse: false, records_max: 7, bytes_max: 1 << 20 };
            let page = store.scan(scan).await.unwrap();
            seen.extend(page.records);
            if !page.more {
                break;
            }
            rest = range.clone().starting_after(seen.last().unwrap().name.key());
        }
        assert_eq!(seen.len(), 50);
        assert!(seen.is_sorted_by_key(|stored| stored.name.clone()));
        assert!(seen.iter().all(|stored| stored.record.value == round.to_string()));

        let (mut after, mut feed) = (0, Vec::new());
        while after < store.position().seq {
            let page = store.feed(after, 7, 1 << 20).await.unwrap();
            after = page.through;
            feed.extend(page.records);
        }
        assert!(feed.is_sorted_by_key(|stored| stored.seq));
        let newest: Vec<_> = feed.iter().filter(|s| s.record.value == round.to_string()).collect();
        assert_eq!(newest.len(), 50);
        while store.shared.recent.read().bytes() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_resumed_in_its_own_epoch_and_not_beyond_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    store.write(put("a", "1", Durability::Sync)).await.unwrap();
    let first = store.position();
    drop(store);
    let store = LocalStore::open(&config(folder.path())).unwrap();
    assert_eq!(store.incarnation(), 2);
    assert_eq!(store.resume(first), Some(1));
    assert_eq!(store.resume(FeedPosition { seq: 2, ..first }), None);
    assert_eq!(store.resume(FeedPosition { epoch: Epoch(1), ..first }), None);
    assert_eq!(store.resume(FeedPosition { node: NodeId(1), ..first }), None);
    assert_eq!(store.resume(FeedPosition { seq: 2, ..store.position() }), None);
}

#[test]
fn a_folder_has_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let _store = LocalStore::open(&config(folder.path())).unwrap();
    let second = LocalStore::open(&config(folder.path())).err().unwrap();
    assert!(matches!(second, OpenError::Locked { .. }), "{second}");
}

#[test]
fn a_lost_base_is_never_taken_for_a_new_folder() {
    let lost: [Option<Vec<u8>>; 3] = [None, Some(vec![]), Some(vec![7; 100_000])];
    for contents in lost {
        let folder = tempfile::tempdir().unwrap();
        drop(LocalStore::open(&config(folder.path())).unwrap());
        let base = folder.path().join("node/base.sqlite");
        match contents {
            None => std::fs::remove_file(base).unwrap(),
            Some(contents) => std::fs::write(base, contents).unwrap(),
        }
        let refused = LocalStore::open(&config(folder.path())).err().unwrap();
        assert!(matches!(refused, OpenError::Base { .. }), "{refused}");
    }
}

#[test]
fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(LocalStore::open(&config(folder.path())).unwrap());
    std::fs::write(folder.path().join("node/FORMAT"), "dynarust-store 3\nfuture\n").unwrap();
    let refused = LocalStore::open(&config(folder.path())).err().unwrap();
    assert!(matches!(refused, OpenError::NewerFormat { found: 3, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_salvaged_folder_resumes_no_position_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    store.write(put("a", "1", Durability::Sync)).await.unwrap();
    let before = store.position();
    drop(store);
    crate::salvage::salvage(&folder.path().join("node")).unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    assert_eq!(value(&store, "a").await.unwrap(), "1");
    assert_eq!(store.resume(before), None);
    assert_eq!(store.incarnation(), 2);
}
