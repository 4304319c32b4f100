//! The real store underneath: real threads, real publications, memory that really runs out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{Condition, KeyRange, RecordName, TableName};
use dynarust_store::{Change, Durability, LocalStore, Scan, Store, StoreConfig, Write};

use super::reader::{Reader, streams_with_queue};
use super::store::{name, selection};

const WRITERS: usize = 8;
const WRITES: usize = 1_500;

fn open(folder: &Path) -> Arc<LocalStore> {
    Arc::new(LocalStore::open(&StoreConfig::new(folder.join("node"))).unwrap())
}

/// Storms one key and some others; every seventh write is a delete.
async fn storm(store: Arc<LocalStore>, writer: usize) {
    for number in 0..WRITES {
        let key = [0, writer, number % 50][number % 3];
        let value = format!("\"{writer}-{number}{}\"", ".".repeat(number % 600));
        let change = match number % 7 {
            0 => Change::Delete,
            _ => Change::Put { value: Bytes::from(value), expiry: None },
        };
        let write = Write {
            name: name(&format!("key-{key:02}")),
            change,
            condition: Condition::default(),
            durability: Durability::Relaxed,
            request: None,
            above: None,
        };
        store.write(write).await.unwrap();
    }
}

async fn live(store: &LocalStore) -> BTreeMap<RecordName, Bytes> {
    let scan = Scan {
        range: KeyRange::table(TableName::parse("t").unwrap()),
        reverse: false,
        records_max: 1_000,
        bytes_max: 1 << 20,
        partitions: None,
        values: true,
    };
    let page = store.scan(scan).await.unwrap();
    assert!(!page.more);
    let live = page.records.into_iter().filter(|record| record.record.is_live(0));
    live.map(|record| (record.name.clone(), record.record.value.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_are_cut_a_hundred_times_in_a_storm_end_with_what_the_store_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let streams = streams_with_queue(&store, 20_000);
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(storm(Arc::clone(&store), writer))).collect();
    let mut all = Reader::new(&streams, selection(&["*"]));
    while all.cuts < 100 || !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        all.step(20, true).await;
        if all.cuts < 100 {
            all.cut(all.cuts % 5);
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let live = live(&store).await;
    assert!(!live.is_empty());
    all.follow_until(live).await;
}
