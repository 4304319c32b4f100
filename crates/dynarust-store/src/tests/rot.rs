//! Bytes that change on the disk: whatever they hit, no wrong value is read, nothing panics, and
//! nothing is missing without `verify` saying so.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dynarust_core::{Condition, RecordName};
use proptest::prelude::*;

use crate::journal::disk::RealDisk;
use crate::port::{Change, Durability, Store, Write};
use crate::{LocalStore, StoreConfig};

const KEYS: u32 = 200;

fn config(folder: &Path) -> StoreConfig {
    StoreConfig { segment_bytes: 64 << 10, ..StoreConfig::new(folder.to_owned()) }
}

fn name(key: u32) -> RecordName {
    RecordName::parse("t", &format!("key-{key}")).unwrap()
}

fn value(key: u32) -> Bytes {
    Bytes::from(format!("\"{}\"", key.to_string().repeat(40)))
}

/// A folder with half of the records in the base and the others in the journal.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = LocalStore::open(&config(folder.path())).unwrap();
        write(&store, 0..KEYS / 2).await;
        store.close().await;
        drop(store);
        let store = LocalStore::open(&config(folder.path())).unwrap();
        write(&store, KEYS / 2..KEYS).await;
        store.shared.fail("killed by the test");
    });
    folder
}

async fn write(store: &LocalStore, keys: std::ops::Range<u32>) {
    for key in keys {
        let write = Write {
            name: name(key),
            change: Change::Put { value: value(key), expiry: None },
            condition: Condition::default(),
            durability: Durability::Sync,
        };
        store.write(write).await.unwrap();
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target)
        } else {
            fs::copy(&path, target).map(drop).unwrap()
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![folder.join("base.sqlite")];
    files.extend(fs::read_dir(folder.join("journal")).unwrap().map(|entry| entry.unwrap().path()));
    files.retain(|path| fs::metadata(path).unwrap().len() > 0);
    files.sort();
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_flipped_byte_is_read_as_good_data_or_loses_a_record_in_silence(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..20_000usize, 1..=255u8), 1..4)
    ) {
        static SOUND: std::sync::LazyLock<tempfile::TempDir> = std::sync::LazyLock::new(folder);
        let rotten = tempfile::tempdir().unwrap();
        copy(SOUND.path(), rotten.path());
        for (file, at, flip) in flips {
            let files = files(rotten.path());
            let path = file.get(&files);
            let mut bytes = fs::read(path).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            fs::write(path, bytes).unwrap();
        }
        let sound = crate::verify::verify(rotten.path()).is_ok_and(|found| found.problems.is_empty());
        let Ok(store) = LocalStore::open(&config(rotten.path())) else {
            prop_assert!(!sound, "verify is content and the folder does not open");
            return Ok(());
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for key in 0..KEYS {
            match runtime.block_on(store.get(name(key))) {
                Ok(Some(stored)) => prop_assert_eq!(&stored.record.value, &value(key)),
                Ok(None) => prop_assert!(!sound, "{} is gone and verify is content", key),
                Err(_) => prop_assert!(!sound, "{} cannot be read and verify is content", key),
            }
        }
    }
}

#[test]
fn the_scrub_finds_a_record_that_nobody_reads() {
    let rotten = folder();
    drop(LocalStore::open(&config(rotten.path())).unwrap());
    let path = rotten.path().join("base.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let wanted = value(77);
    let at = bytes.windows(wanted.len()).position(|window| window == wanted).unwrap();
    bytes[at + 5] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (_store, _writer, mut applier) =
        LocalStore::assemble(&config(rotten.path()), std::sync::Arc::new(RealDisk)).unwrap();
    for _pass in 0..2 {
        let found = applier.scrub().unwrap();
        assert_eq!(
            found.iter().map(|rotten| rotten.name.clone()).collect::<Vec<_>>(),
            [Some(name(77))]
        );
    }
}
