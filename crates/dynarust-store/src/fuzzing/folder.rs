//! A whole folder, some of whose bytes rotted: it is opened, or refused by an error that names it; no value
//! is served that was not written; nothing is missing where `verify` is content, but the journal's newest records
//! where all of them are gone; and what `salvage` says that it saved can be opened.
//!
//! A journal that ends early with nothing behind it looks as if it had never gone on (ADR 1).

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;
use dynarust_core::{Condition, RecordName};
use twox_hash::XxHash3_64;

use super::rot::{Files, rot};
use crate::salvage::salvage;
use crate::verify::verify;
use crate::{Change, Durability, LocalStore, OpenError, Store, StoreConfig, Write};

const KEYS: u32 = 60;

/// What rots.
pub fn folder(bytes: &[u8]) {
    static SOUND: LazyLock<Files> = LazyLock::new(sound);
    let files = rot(SOUND.clone(), bytes);
    // In the case of both of them, nothing is a node's folder any more.
    let is_new = !files.iter().any(|(name, _)| name == "FORMAT" || name.starts_with("journal/"));
    let place = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|it| place.path().join(it));
    lay(&files, &one);
    let before = fingerprint(&one);
    let content = match verify(&one) {
        Ok(report) => report.problems.is_empty(),
        Err(error) => is_told(&error, &one),
    };
    assert_eq!(before, fingerprint(&one), "verify changed something");
    if !is_new {
        opens(&one, content);
        lay(&files, &other);
        is_salvaged(&other);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn config(folder: &Path) -> StoreConfig {
    StoreConfig { segment_bytes: 32 << 10, ..StoreConfig::new(folder.to_owned()) }
}

fn name(key: u32) -> RecordName {
    RecordName::parse("t", &format!("key-{key}")).unwrap()
}

fn value(key: u32) -> Bytes {
    Bytes::from(format!("\"{}\"", key.to_string().repeat(20)))
}

/// A folder as a killed node leaves it: half of the records are in the base, the others in the journal,
/// and there is a note.
fn sound() -> Files {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("node");
    runtime().block_on(async {
        let store = LocalStore::open(&config(&folder)).unwrap();
        put(&store, 0..KEYS / 2).await;
        store.close().await;
        drop(store);
        let store = LocalStore::open(&config(&folder)).unwrap();
        store.keep(Bytes::from_static(b"what the node knows of its cluster")).await.unwrap();
        put(&store, KEYS / 2..KEYS).await;
        let files = read(&folder);
        store.close().await;
        files
    })
}

async fn put(store: &LocalStore, keys: std::ops::Range<u32>) {
    for key in keys {
        let write = Write {
            name: name(key),
            change: Change::Put { value: value(key), expiry: None },
            condition: Condition::default(),
            durability: Durability::Sync,
            request: None,
            above: None,
        };
        store.write(write).await.unwrap();
    }
}

/// All files that hold something, by name.
fn read(folder: &Path) -> Files {
    let mut files = Vec::new();
    for place in ["", "journal/"] {
        for entry in fs::read_dir(folder.join(place)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() && entry.metadata().unwrap().len() > 0 {
                let name = format!("{place}{}", entry.file_name().into_string().unwrap());
                files.push((name, fs::read(entry.path()).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn lay(files: &Files, folder: &Path) {
    fs::create_dir_all(folder.join("journal")).unwrap();
    fs::write(folder.join("LOCK"), b"").unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn fingerprint(folder: &Path) -> Vec<(String, u64)> {
    let hashed = |(name, bytes): (String, Vec<u8>)| (name, XxHash3_64::oneshot(&bytes));
    // What SQLite shares between its connections is no part of what the folder holds.
    read(folder).into_iter().filter(|(name, _)| !name.ends_with("-shm")).map(hashed).collect()
}

/// An error is one line that says where. False, for whoever asks whether all is well.
fn is_told(error: &OpenError, folder: &Path) -> bool {
    let text = error.to_string();
    assert!(text.contains(&*folder.display().to_string()), "{text}");
    assert!(text.len() < 2000, "{text}");
    false
}

/// How many of the records that were written can be read; none where the folder is refused.
fn opens(folder: &Path, content: bool) -> Option<u32> {
    let store = match LocalStore::open(&config(folder)) {
        Ok(store) => store,
        Err(error) => {
            is_told(&error, folder);
            assert!(!content, "verify is content, and: {error}");
            return None;
        }
    };
    let (mut found, mut gone_from) = (0, None);
    runtime().block_on(async {
        for key in 0..KEYS {
            match store.get(name(key)).await {
                Ok(Some(stored)) => {
                    assert_eq!(stored.record.value, value(key));
                    let between = content && gone_from.is_some();
                    assert!(!between, "{gone_from:?} is gone before {key}, and verify is content");
                    found += 1;
                }
                Ok(None) => {
                    let in_base = key < KEYS / 2;
                    assert!(!(content && in_base), "key {key} is gone, and verify is content");
                    gone_from.get_or_insert(key);
                }
                Err(error) => assert!(!content, "key {key}, and verify is content: {error}"),
            }
        }
        store.close().await;
    });
    Some(found)
}

fn is_salvaged(folder: &Path) {
    let salvaged = match salvage(folder) {
        Ok(salvaged) => salvaged,
        Err(error) => {
            is_told(&error, folder);
            return;
        }
    };
    let sound = salvaged.problems.is_empty();
    let found = opens(folder, false);
    assert!(found.is_some() || !sound, "it was salvaged, and does not open: {salvaged:?}");
    if sound && salvaged.damages.is_empty() {
        let least = if salvaged.set_aside.is_some() { 0 } else { KEYS / 2 };
        assert!(found >= Some(least), "{found:?} of {KEYS}: {salvaged:?}");
    }
}
