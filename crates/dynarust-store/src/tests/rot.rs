//! Bytes that change on the disk: whatever they hit, no wrong value is read, nothing panics, and
//! nothing is missing without `verify` saying so.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dynarust_core::{Condition, KeyRange, Record, RecordName, Stored, TableName, Version};
use futures_util::FutureExt;
use proptest::prelude::*;

use crate::base::Rot;
use crate::driver::Driver;
use crate::journal::disk::RealDisk;
use crate::local::Threads;
use crate::port::{
    Arrival, Change, Durability, FeedRead, Over, ReadError, Scan, Store, TakenIn, Write,
};
use crate::{Hands, LocalStore, StoreConfig};

const KEYS: u32 = 200;

pub(super) fn config(folder: &Path) -> StoreConfig {
    StoreConfig { segment_bytes: 64 << 10, ..StoreConfig::new(folder.to_owned()) }
}

pub(super) fn name(key: u32) -> RecordName {
    RecordName::parse("t", &format!("key-{key}")).unwrap()
}

pub(super) fn value(key: u32) -> Bytes {
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
            request: None,
            above: None,
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

/// What the scrub finds in one pass, and in a second; what it tells the node; and then a read of key 77.
type Scrubbed = (Vec<Rot>, Vec<Rot>, Vec<RecordName>, Result<Option<Arc<Stored>>, ReadError>);

/// Flips a bit at each place where `wanted` stands in the base, one after the other.
fn scrub_with_flips(wanted: &[u8]) -> Vec<Scrubbed> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rotten = folder();
    drop(LocalStore::open(&config(rotten.path())).unwrap());
    let path = rotten.path().join("base.sqlite");
    let sound = fs::read(&path).unwrap();
    let places = (0..sound.len() - wanted.len()).filter(|at| sound[*at..].starts_with(wanted));
    let mut scrubbed = Vec::new();
    for at in places {
        let _ = fs::remove_file(rotten.path().join("base.sqlite-wal"));
        let mut bytes = sound.clone();
        bytes[at + wanted.len() - 1] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (store, Threads { writer: _writer, mut applier, .. }) =
            LocalStore::assemble(&config(rotten.path()), Arc::new(RealDisk), Driver::Threads)
                .unwrap();
        let (first, second) = (applier.scrub().unwrap(), applier.scrub().unwrap());
        let told = store.take_damaged(10);
        scrubbed.push((first, second, told, runtime.block_on(store.get(name(77)))));
    }
    scrubbed
}

#[test]
fn the_scrub_finds_a_record_that_nobody_reads() {
    for (first, second, told, _) in scrub_with_flips(&value(77)) {
        assert!(
            matches!(&first[..], [Rot::Record { name: found, .. }] if *found == Some(name(77)))
        );
        assert_eq!(first, second);
        assert_eq!(told, [name(77)], "the node is told once");
    }
}

#[test]
fn the_scrub_mends_an_index_that_lost_a_record() {
    let mut mended = 0;
    for (first, second, _, found) in scrub_with_flips(b"tkey-77") {
        if first.iter().any(|rot| matches!(rot, Rot::Index(_))) {
            mended += 1;
            assert_eq!(second, []);
            assert_eq!(found.unwrap().unwrap().record.value, value(77));
        } else {
            // The name in the record was hit. Where SQLite takes it from the index, all is still there.
            assert!(!matches!(found, Ok(None)), "{first:?}");
        }
    }
    assert_eq!(mended, 1, "the name stands in the table and in the index");
}

/// Flips a bit of the value of this key where it stands in the base, under a store that runs.
fn flip_under(store: &LocalStore, key: u32) {
    let base = rusqlite::Connection::open(store.folder().join("base.sqlite")).unwrap();
    let mut rotten = value(key).to_vec();
    rotten[3] ^= 1;
    let rotten = String::from_utf8(rotten).unwrap();
    let name = name(key);
    let flipped = base
        .execute(
            "UPDATE records SET value = ? WHERE key = ?",
            rusqlite::params![rotten, name.key()],
        )
        .unwrap();
    assert_eq!(flipped, 1);
}

/// A store that runs by hand, with some records in its base.
pub(super) fn by_hand(folder: &Path, keys: u32) -> (LocalStore, Hands) {
    let (store, mut hands) = LocalStore::open_by_hand(&config(folder), Arc::new(RealDisk)).unwrap();
    write_by_hand(&store, &mut hands, 0..keys);
    while hands.apply() {}
    (store, hands)
}

fn write_by_hand(store: &LocalStore, hands: &mut Hands, keys: std::ops::Range<u32>) {
    let mut writing = pin!(write(store, keys));
    while writing.as_mut().now_or_never().is_none() {
        hands.write();
    }
}

fn read(store: &LocalStore, key: u32) -> Result<Option<Bytes>, ReadError> {
    let found = store.get(name(key)).now_or_never().expect("hands do not wait");
    Ok(found?.map(|stored| stored.record.value.clone()))
}

#[test]
fn the_node_is_told_once_until_the_record_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    by_hand(folder.path(), 10).1.finish();
    let (store, mut hands) = by_hand(folder.path(), 0);
    [3, 5, 7].into_iter().for_each(|key| flip_under(&store, key));
    hands.applier.scrub().unwrap();
    hands.applier.scrub().unwrap();
    assert_eq!(store.take_damaged(2), [name(3), name(5)]);
    // One is written again, and is not yet in the base.
    write_by_hand(&store, &mut hands, 3..4);
    hands.applier.scrub().unwrap();
    assert_eq!(store.take_damaged(10), [name(5), name(7)]);
    assert_eq!(store.take_damaged(10), []);
    hands.apply();
    write_by_hand(&store, &mut hands, 5..6);
    hands.apply();
    hands.applier.scrub().unwrap();
    assert_eq!(store.take_damaged(10), [name(7)]);
    assert_eq!(read(&store, 7), Err(ReadError::CorruptRecord(name(7))));
    assert_eq!(store.take_damaged(10), [name(7)], "a read tells it, too");
}

/// Behind the first pass it comes with the upkeep, which is due by the clock: in a store at rest, too.
#[test]
fn the_scrub_comes_round_again() {
    let folder = tempfile::tempdir().unwrap();
    by_hand(folder.path(), 10).1.finish();
    let config = StoreConfig { tombstone_age: Duration::ZERO, ..config(folder.path()) };
    let (store, mut hands) = LocalStore::open_by_hand(&config, Arc::new(RealDisk)).unwrap();
    hands.apply();
    for key in 0..3 {
        flip_under(&store, key);
        assert_eq!(store.take_damaged(10), []);
        let began = Instant::now();
        while store.take_damaged(10).is_empty() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not come");
            std::thread::sleep(hands.apply_interval());
            hands.apply();
        }
        write_by_hand(&store, &mut hands, key..key + 1);
        hands.apply();
    }
}

#[test]
fn what_memory_still_has_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut hands) = by_hand(folder.path(), 10);
    let digests = store.digests();
    [3, 9].into_iter().for_each(|key| flip_under(&store, key));
    hands.applier.scrub().unwrap();
    assert_eq!(store.take_damaged(10), []);
    assert_eq!(hands.applier.scrub().unwrap(), [], "it stands as it was, in the feed too");
    hands.finish();
    drop(store);
    assert_eq!(crate::verify::verify(folder.path()).unwrap().problems, vec![]);
    let (store, _hands) = by_hand(folder.path(), 0);
    assert_eq!(store.digests(), digests);
    for key in 0..10 {
        assert_eq!(read(&store, key), Ok(Some(value(key))));
    }
}

/// All keys behind each other, or the damage that ends them.
pub(super) fn list(store: &LocalStore, reverse: bool) -> Result<Vec<RecordName>, ReadError> {
    let mut range = KeyRange::table(TableName::parse("t").unwrap());
    let mut listed: Vec<RecordName> = Vec::new();
    loop {
        let scan = Scan {
            range: range.clone(),
            reverse,
            records_max: 4,
            bytes_max: usize::MAX,
            partitions: None,
            values: true,
        };
        let page = store.scan(scan).now_or_never().expect("hands do not wait")?;
        listed.extend(page.records.iter().map(|stored| stored.name.clone()));
        if !page.more {
            return Ok(listed);
        }
        let last = listed.last().expect("a page that is not the last has a record").key();
        range = if reverse { range.ending_before(last) } else { range.starting_after(last) };
    }
}

/// An arrival finds it whole in memory, and mends nothing: who lists would come to the damage again.
#[test]
fn a_list_takes_what_has_rotted_from_memory_where_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, hands) = by_hand(folder.path(), 10);
    [0, 3, 4, 9].into_iter().for_each(|key| flip_under(&store, key));
    let mut names: Vec<_> = (0..10).map(name).collect();
    assert_eq!(list(&store, false).as_ref(), Ok(&names));
    names.reverse();
    assert_eq!(list(&store, true), Ok(names));
    assert_eq!(store.take_damaged(10), []);
    hands.finish();
    drop(store);
    let (store, _hands) = by_hand(folder.path(), 0);
    assert_eq!(store.take_damaged(10), [0, 3, 4, 9].map(name), "the first pass is brisk");
    assert_eq!(list(&store, false), Err(ReadError::CorruptRecord(name(0))));
    assert_eq!(store.take_damaged(10), [name(0)]);
}

/// The keys in the feed, a few at a time.
pub(super) fn feed(store: &LocalStore) -> Vec<RecordName> {
    let (mut after, mut names) = (0, Vec::new());
    loop {
        let read = store.feed(FeedRead::behind(after, 3, usize::MAX));
        let page = read.now_or_never().expect("hands do not wait").unwrap();
        names.extend(page.records.iter().map(|stored| stored.name.clone()));
        if page.through == after {
            return names;
        }
        after = page.through;
    }
}

/// Whoever has gone on behind it would never hear of it: what is written anew from memory has no new entry.
#[test]
fn the_feed_takes_what_has_rotted_from_memory_and_tells_the_node_where_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let (store, hands) = by_hand(folder.path(), 10);
    [0, 3, 4, 9].into_iter().for_each(|key| flip_under(&store, key));
    assert_eq!(feed(&store), (0..10).map(name).collect::<Vec<_>>());
    assert_eq!(store.take_damaged(10), []);
    hands.finish();
    drop(store);
    let (store, mut hands) = by_hand(folder.path(), 0);
    assert_eq!(store.take_damaged(10), [0, 3, 4, 9].map(name), "the first pass is brisk");
    assert_eq!(feed(&store), [1, 2, 5, 6, 7, 8].map(name));
    assert_eq!(store.take_damaged(10), [0, 3, 4, 9].map(name));
    // What mends it is a new entry.
    write_by_hand(&store, &mut hands, 3..4);
    assert_eq!(feed(&store), [1, 2, 5, 6, 7, 8, 3].map(name));
}

/// What an arrival finds that has rotted: what it claims to be, or what that is checked by.
const ROTS: [(&str, bool); 7] = [
    // It claims to be newer by a little.
    ("version = CAST(substr(version, 1, 7) || x'ff' || substr(version, 9) AS BLOB)", true),
    // By ages.
    ("version = CAST(x'7f' || substr(version, 2) AS BLOB)", false),
    // Or older.
    ("version = CAST(x'00' || substr(version, 2) AS BLOB)", false),
    ("flags = 1", true),
    ("flags = 2", true),
    ("checksum = checksum + 1", true),
    ("seq = seq + 1000", true),
];

/// What nobody else has is not taken for mended by what is older; but a copy of what it was mends it, whatever it claims.
#[test]
fn a_damaged_record_is_mended_by_what_it_was_and_by_what_is_newer() {
    for (rot, is_believed) in ROTS {
        for (age, mends) in [(1, !is_believed), (0, true), (-(1 << 20), true)] {
            let folder = tempfile::tempdir().unwrap();
            let (store, hands) = by_hand(folder.path(), 3);
            let before = store.peek(&name(1)).unwrap().record.clone();
            hands.finish();
            drop(store);
            let base = rusqlite::Connection::open(folder.path().join("base.sqlite")).unwrap();
            let sql = format!("UPDATE records SET {rot} WHERE key = 'key-1'");
            assert_eq!(base.execute(&sql, []), Ok(1));
            drop(base);
            let (store, mut hands) =
                LocalStore::open_by_hand(&config(folder.path()), Arc::new(RealDisk)).unwrap();
            let hlc = before.version.hlc.checked_add_signed(-age).unwrap();
            let record = Record { version: Version { hlc, ..before.version }, ..before };
            let taken = take_in(&store, &mut hands, record.clone());
            let found = store.get(name(1)).now_or_never().expect("hands do not wait");
            if !mends {
                assert!(matches!(taken, TakenIn::Kept(_)), "{rot}, {age}: {taken:?}");
                assert_eq!(found, Err(ReadError::CorruptRecord(name(1))));
                continue;
            }
            assert!(matches!(taken, TakenIn::Applied { .. }), "{rot}, {age}: {taken:?}");
            assert_eq!(found.unwrap().unwrap().record, record);
            while hands.apply() {}
            hands.finish();
            drop(store);
            if age == 0 {
                // It was known what goes: the sums are right.
                let found = crate::verify::verify(folder.path()).unwrap();
                assert!(found.problems.is_empty(), "{rot}: {:?}", found.problems);
            }
        }
    }
}

/// A record of key 1 comes from elsewhere.
fn take_in(store: &LocalStore, hands: &mut Hands, record: Record) -> TakenIn {
    let arrival = Arrival { name: name(1), record, request: None, fresh: false, over: Over::Older };
    let mut taking = pin!(store.take_in(vec![arrival], Durability::Sync));
    loop {
        if let Some(taken) = taking.as_mut().now_or_never() {
            return taken.unwrap()[0];
        }
        hands.write();
    }
}
