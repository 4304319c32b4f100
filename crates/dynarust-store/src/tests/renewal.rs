//! A folder that is made another node's: cut short at any step, it is wholly the one's or the other's.

use std::path::Path;

use bytes::Bytes;
use dynarust_core::{Condition, FeedPosition, NodeId, RecordName, RequestKey};

use crate::folder::Folder;
use crate::journal::disk::RealDisk;
use crate::note;
use crate::open::open_base;
use crate::port::{Answered, Change, Durability, Store, Write};
use crate::renew::renew;
use crate::{LocalStore, OpenError, StoreConfig, config};

const KEYS: usize = 20;
const NOTE: Bytes = Bytes::from_static(b"what I know of my cluster");

fn name(key: usize) -> RecordName {
    RecordName::parse("t", &key.to_string()).unwrap()
}

fn request(key: usize) -> RequestKey {
    RequestKey { key: key.to_string().into(), fingerprint: 7 }
}

fn open(folder: &Path) -> LocalStore {
    LocalStore::open(&StoreConfig::new(folder.to_owned())).unwrap()
}

/// Every fourth key is deleted again.
async fn write(store: &LocalStore, keys: std::ops::Range<usize>) {
    for key in keys {
        let value = Bytes::from(key.to_string());
        let put = Write {
            name: name(key),
            change: Change::Put { value, expiry: None },
            condition: Condition::default(),
            durability: Durability::Sync,
            request: Some(request(key)),
            above: None,
        };
        store.write(put.clone()).await.unwrap();
        if key % 4 == 0 {
            let delete = Write { change: Change::Delete, request: None, ..put };
            store.write(delete).await.unwrap();
        }
    }
}

/// The folder of a node that was killed, half of it in the base and half in the journal; and where it stood.
async fn killed() -> (tempfile::TempDir, FeedPosition) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    write(&store, 0..KEYS / 2).await;
    store.close().await;
    drop(store);
    let store = open(folder.path());
    write(&store, KEYS / 2..KEYS).await;
    store.keep(NOTE).await.unwrap();
    let position = store.position();
    store.shared.fail("killed by the test");
    (folder, position)
}

/// It has all that it had, as that node. `goes_on`: whoever stood in its feed finds his place.
async fn check(folder: &Path, node: NodeId, former: FeedPosition, goes_on: bool) {
    assert_eq!(crate::verify::verify(folder).unwrap().problems, vec![]);
    let store = open(folder);
    assert_eq!(store.position(), FeedPosition { node, epoch: store.position().epoch, ..former });
    assert_eq!(store.incarnation(), 3);
    assert_eq!(store.kept(), Some(NOTE));
    for key in 0..KEYS {
        let stored = store.get(name(key)).await.unwrap().unwrap();
        assert_eq!(stored.record.tombstone, key % 4 == 0);
        assert_eq!(stored.record.value, if key % 4 == 0 { String::new() } else { key.to_string() });
        let answered = store.answered(request(key)).await.unwrap();
        assert!(matches!(answered, Some(Answered::Done(_))), "{answered:?}");
    }
    assert_eq!(store.resume(former), goes_on.then_some(former.seq));
    assert_eq!(store.follow_from(former), if goes_on { former.seq } else { 0 });
    let format = std::fs::read_to_string(folder.join("FORMAT")).unwrap();
    assert_eq!(format, format!("dynarust-store 2\nnode {node}\n"));
    store.close().await;
    drop(store);
    assert_eq!(crate::verify::verify(folder).unwrap().problems, vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_but_the_identity_goes_on() {
    let (folder, former) = killed().await;
    let node = renew(folder.path()).unwrap();
    assert_ne!(node, former.node);
    check(folder.path(), node, former, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_short_anywhere_it_is_the_one_or_the_other() {
    const NEW: NodeId = NodeId(0x7777);
    for steps in 0..4 {
        for salvaged in [false, true] {
            let (home, former) = killed().await;
            let folder = Folder::lock_existing(home.path()).unwrap();
            let base = open_base(&folder, &RealDisk, &config::random()).unwrap();
            if steps == 0 {
                std::fs::write(home.path().join("FORMAT.new"), "dynarust-store 2\nno").unwrap();
            } else {
                folder.set_identity(NEW, Some(former.node)).unwrap();
            }
            if steps > 1 {
                drop(base.hand_over(NEW).unwrap());
            }
            if steps > 2 {
                note::hand_over(&folder, former.node, NEW).unwrap();
            }
            drop(folder);
            if salvaged {
                crate::salvage::salvage(home.path()).unwrap();
            }
            let node = if steps == 0 { former.node } else { NEW };
            check(home.path(), node, former, steps == 0 && !salvaged).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_use_or_damaged_stays_the_node_that_it_was() {
    let (folder, former) = killed().await;
    let held = Folder::lock_existing(folder.path()).unwrap();
    assert!(matches!(renew(folder.path()), Err(OpenError::Locked { .. })));
    drop(held);
    let note = folder.path().join("CLUSTER");
    let sound = std::fs::read(&note).unwrap();
    std::fs::write(&note, &sound[1..]).unwrap();
    assert!(matches!(renew(folder.path()), Err(OpenError::Note { .. })));
    std::fs::write(&note, &sound).unwrap();
    check(folder.path(), former.node, former, true).await;
}
