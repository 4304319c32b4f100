//! Which tables there are, and how much they hold: what is recent and what is in the base as one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{Condition, RecordName, TableName};
use proptest::prelude::*;

use crate::driver::Driver;
use crate::journal::disk::RealDisk;
use crate::local::Threads;
use crate::port::{Change, Durability, Store, TableCount, Write, Written};
use crate::{LocalStore, StoreConfig};

#[derive(Debug, Clone)]
enum Step {
    Put { table: u8, key: u8, bytes: usize },
    Delete { table: u8, key: u8 },
    Apply,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u8, 0..4u8, 0..40usize)
            .prop_map(|(table, key, bytes)| Step::Put { table, key, bytes }),
        4 => (0..6u8, 0..4u8).prop_map(|(table, key)| Step::Delete { table, key }),
        2 => Just(Step::Apply),
    ]
}

fn write(table: &str, key: &str, change: Change) -> Write {
    Write {
        name: RecordName::parse(table, key).unwrap(),
        change,
        condition: Condition::default(),
        durability: Durability::Relaxed,
        request: None,
        above: None,
    }
}

/// All tables, page by page.
async fn tables(store: &LocalStore, tables_max: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.tables(after, tables_max, 0).await.unwrap();
        found.extend(page.tables.iter().map(ToString::to_string));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

fn counts(model: &BTreeMap<(String, String), usize>) -> Vec<TableCount> {
    let names: BTreeSet<_> = model.keys().map(|(table, _)| table).collect();
    names
        .into_iter()
        .map(|table| {
            let inside = || model.iter().filter(|((inside, _), _)| inside == table);
            TableCount {
                table: TableName::parse(table).unwrap(),
                records: inside().count() as u64,
                bytes: inside().map(|((_, key), bytes)| (key.len() + bytes) as u64).sum(),
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn tables_are_those_with_a_live_record(
        steps in prop::collection::vec(step(), 1..60), tables_max in 1..4usize
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::new(folder.path().to_owned());
        let (store, Threads { writer, mut applier, .. }) =
            LocalStore::assemble(&config, Arc::new(RealDisk), Driver::Threads).unwrap();
        let writer = std::thread::spawn(move || writer.run());
        let mut model = BTreeMap::new();
        // Names of which one begins another, and some with bytes that sort low.
        let name = |table: u8| ["a", "a-b", "a.b", "ab", "b", "b0"][usize::from(table)].to_owned();
        for step in steps {
            match step {
                Step::Put { table, key, bytes } => {
                    let (table, key) = (name(table), key.to_string());
                    let value = Bytes::from(vec![b'1'; bytes + 1]);
                    let put = write(&table, &key, Change::Put { value, expiry: None });
                    runtime.block_on(store.write(put)).unwrap();
                    model.insert((table, key), bytes + 1);
                }
                Step::Delete { table, key } => {
                    let (table, key) = (name(table), key.to_string());
                    let delete = write(&table, &key, Change::Delete);
                    let written = runtime.block_on(store.write(delete)).unwrap();
                    let was_there = model.remove(&(table, key)).is_some();
                    prop_assert_eq!(matches!(written, Written::Done { .. }), was_there);
                }
                Step::Apply => {
                    applier.apply().unwrap();
                    let counted = runtime.block_on(store.table_counts(None, 10)).unwrap();
                    prop_assert_eq!(counted, counts(&model));
                    prop_assert_eq!(store.stats().live_records, model.len() as u64);
                }
            }
            let expected: BTreeSet<_> = model.keys().map(|(table, _)| table.clone()).collect();
            let found = runtime.block_on(tables(&store, tables_max));
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
        store.shared.fail("the run is over");
        writer.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_that_are_wrong_are_found_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&StoreConfig::new(folder.path().to_owned())).unwrap();
    let value = Bytes::from_static(b"12");
    store.write(write("a", "k", Change::Put { value, expiry: None })).await.unwrap();
    store.close().await;
    drop(store);
    let base = rusqlite::Connection::open(folder.path().join("base.sqlite")).unwrap();
    base.execute("UPDATE tables SET records = 7", []).unwrap();
    drop(base);
    let problems = crate::verify::verify(folder.path()).unwrap().problems;
    assert!(problems.len() == 1 && problems[0].what.contains("counts"), "{problems:?}");
    assert_eq!(crate::salvage::salvage(folder.path()).unwrap().problems, vec![]);
    assert_eq!(crate::verify::verify(folder.path()).unwrap().problems, vec![]);
}
