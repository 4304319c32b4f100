//! The store over a real folder.

use std::time::Duration;

use bytes::Bytes;
use dynarust_core::{Condition, Epoch, FeedPosition, KeyRange, NodeId, RecordName, TableName};

use crate::port::{Change, Durability, FeedRead, Scan, Store, Write, Written};
use crate::{LocalStore, OpenError, StoreConfig, StoreStats, SystemClock, WallClock as _};

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
        request: None,
        above: None,
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
    let (Written::Done { version: first, .. }, Written::Done { version: second, .. }) =
        (first, second)
    else {
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
            let scan = Scan {
                range: rest,
                reverse: false,
                records_max: 7,
                bytes_max: 1 << 20,
                partitions: None,
                values: true,
            };
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
            let page = store.feed(FeedRead::behind(after, 7, 1 << 20)).await.unwrap();
            after = page.through;
            feed.extend(page.records);
        }
        assert!(feed.is_sorted_by_key(|stored| stored.seq));
        let newest: Vec<_> = feed.iter().filter(|s| s.record.value == round.to_string()).collect();
        assert_eq!(newest.len(), 50);
        while store.shared.recent.read().len() > 0 {
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

/// All the numbers that a tombstone's life goes through, with a clock that runs.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_or_expired_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig { tombstone_age: Duration::from_secs(1), ..config(folder.path()) };
    let store = LocalStore::open(&config).unwrap();
    let soon = SystemClock.now() + 1500;
    for key in 0..2000 {
        let write = put(&key.to_string(), &"x".repeat(2000), Durability::Relaxed);
        let Change::Put { value, .. } = write.change else { unreachable!() };
        let expiry = (key % 2 == 0).then_some(soon);
        let change = Change::Put { value, expiry };
        store.write(Write { change, ..write }).await.unwrap();
        if expiry.is_none() {
            let delete = put(&key.to_string(), "", Durability::Relaxed);
            store.write(Write { change: Change::Delete, ..delete }).await.unwrap();
        }
    }
    store.write(put("stays", "1", Durability::Relaxed)).await.unwrap();
    let mut most = 0;
    until(&store, |stats| {
        most = most.max(stats.base_bytes);
        let gone = (stats.tombstones, stats.expired, stats.live_records) == (0, 0, 1);
        gone && stats.base_bytes < 512 << 10
    })
    .await;
    assert!(most > 1 << 20, "{most}");
    assert_eq!(store.stats().head_seq, 4001, "3,001 writes, and 1,000 that were marked as expired");
    assert!(store.resume(FeedPosition { seq: 1, ..store.position() }).is_none());
    assert_eq!(value(&store, "stays").await.unwrap(), "1");
    store.close().await;
    drop(store);
    let report = crate::verify::verify(&folder.path().join("node")).unwrap();
    assert_eq!((report.records, report.problems), (1, vec![]));
}

/// Waits for what the store's numbers shall be.
async fn until(store: &LocalStore, mut met: impl FnMut(&StoreStats) -> bool) {
    let waited = async {
        loop {
            if met(&store.stats()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, waited).await.unwrap_or_else(|_| panic!("{:?}", store.stats()));
}
