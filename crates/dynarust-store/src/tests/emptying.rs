//! Partitions that are emptied: nothing of them is left anywhere, and nothing else is touched.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::digest::Digests;
use dynarust_core::{Condition, KeyRange, Partition, PartitionSet, RecordName, Stored, TableName};

use crate::port::{Change, Durability, FeedRead, Scan, Store, Write};
use crate::{LocalStore, StoreConfig};

const KEYS: usize = 6000;

fn config(folder: &Path) -> StoreConfig {
    StoreConfig { apply_interval: Duration::from_secs(3600), ..StoreConfig::new(folder.to_owned()) }
}

fn name(key: usize) -> RecordName {
    RecordName::parse("t", &format!("{key:05}")).unwrap()
}

/// Puts all keys but each seventh, which is deleted.
async fn fill(store: &LocalStore, round: usize) {
    let writes = (0..KEYS).map(|key| {
        let change = match key % 7 == round {
            true => Change::Delete,
            false => Change::Put { value: format!("[{key},{round}]").into(), expiry: None },
        };
        let (condition, durability) = (Condition::default(), Durability::Relaxed);
        Write { name: name(key), change, condition, durability, request: None, above: None }
    });
    for write in writes {
        store.write(write).await.unwrap();
    }
}

/// Every third.
fn some() -> PartitionSet {
    Partition::all().filter(|partition| partition.number() % 3 == 0).collect()
}

/// What scans find, tombstones too.
async fn all(store: &LocalStore) -> Vec<Arc<Stored>> {
    let range = KeyRange::table(TableName::parse("t").unwrap());
    let (records_max, bytes_max) = (usize::MAX, usize::MAX);
    let scan =
        Scan { range, reverse: false, records_max, bytes_max, partitions: None, values: true };
    store.scan(scan).await.unwrap().records
}

/// Nothing of the emptied ones is there, all else is, and the sums are those of the rest.
async fn assert_emptied(store: &LocalStore, before: &[Arc<Stored>]) {
    let stays = |stored: &&Arc<Stored>| !some().contains(Partition::of(&stored.name));
    let rest: Vec<_> = before.iter().filter(stays).cloned().collect();
    assert_eq!(all(store).await, rest);
    for key in 0..KEYS {
        let stays = !some().contains(Partition::of(&name(key)));
        let found = store.get(name(key)).await.unwrap();
        assert!(stays || found.is_none(), "{found:?}");
        assert!(stays || store.peek(&name(key)).is_none());
    }
    let read = FeedRead::behind(0, usize::MAX, usize::MAX);
    let feed = store.feed(read).await.unwrap().records;
    assert_eq!(feed.len(), rest.len());
    let mut digests = Digests::default();
    let live: Vec<_> = rest.iter().filter(|it| it.record.holds_value()).collect();
    live.iter().for_each(|stored| digests.add(&stored.name, stored.record.version));
    assert_eq!(store.digests(), Some(digests));
    let counts = store.table_counts(None, 2).await.unwrap();
    assert_eq!(counts.iter().map(|it| it.records).sum::<u64>(), live.len() as u64);
}

fn assert_sound(folder: &Path) {
    assert_eq!(crate::verify::verify(folder).unwrap().problems, vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_emptied_is_gone_without_a_trace_also_behind_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    fill(&store, 1).await;
    // Into the base; the second lies over it in the journal.
    store.empty(PartitionSet::default()).await.unwrap();
    fill(&store, 2).await;
    let before = all(&store).await;
    let head = store.position().seq;
    let emptied = store.empty(some()).await.unwrap();
    let gone = before.iter().filter(|it| some().contains(Partition::of(&it.name))).count();
    assert_eq!(emptied, gone as u64);
    assert_eq!(store.position().seq, head, "nobody hears of it");
    assert_emptied(&store, &before).await;
    store.shared.fail("killed by the test");
    drop(store);
    let store = LocalStore::open(&config(folder.path())).unwrap();
    assert_emptied(&store, &before).await;
    store.close().await;
    drop(store);
    assert_sound(folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_behind_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    fill(&store, 1).await;
    assert!(store.empty(some()).await.unwrap() > 0);
    fill(&store, 2).await;
    let present = all(&store).await;
    // What was gone cannot be deleted.
    let kept = (0..KEYS).filter(|key| key % 7 != 2 || !some().contains(Partition::of(&name(*key))));
    assert_eq!(present.len(), kept.count());
    let mut digests = Digests::default();
    let live = present.iter().filter(|it| it.record.holds_value());
    live.for_each(|stored| digests.add(&stored.name, stored.record.version));
    assert_eq!(store.digests(), Some(digests));
    store.close().await;
    drop(store);
    assert_sound(folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_a_store_that_stops_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    store.close().await;
    assert!(store.empty(some()).await.is_err());
    drop(store);
    let store = LocalStore::open(&config(folder.path())).unwrap();
    store.shared.fail("killed by the test");
    assert!(store.empty(some()).await.is_err());
}
