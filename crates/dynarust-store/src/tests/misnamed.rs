//! Names that have rotted: a row's, or the index's.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::{Partition, Stored};

use super::rot::{by_hand, name, value};
use crate::base::Rot as Found;
use crate::base::{
    ApplyBase, Bounds, Reached, ReadBase, ReadFailure, ScrubPosition, Wanted, open_existing,
};
use crate::port::Store;

/// What has rotted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rot {
    /// Row 5, which is `key-4`, calls itself `key-5`.
    Name,
    /// The index has it as `key-5`, which there is.
    Entry,
    /// The index has `key-4` in row 7, which is `key-6`.
    Row,
    /// The index has `key-4` in row 69, which is none.
    Nowhere,
}

/// Flips a bit of the base.
fn flip(folder: &Path, rot: Rot) {
    flip_key(folder, 4, (rot, 1));
}

/// Where it is a name, these bits of its last byte.
fn flip_key(folder: &Path, key: u32, (rot, bits): (Rot, u8)) {
    let path = folder.join("base.sqlite");
    let mut base = fs::read(&path).unwrap();
    let (name, value) = (name(key), value(key));
    let (name, value) = (name.key().as_bytes(), &value[..]);
    // In the table its value stands behind it.
    let is_row = |at: usize| {
        base[at..]
            .iter()
            .take(160)
            .copied()
            .collect::<Vec<_>>()
            .windows(value.len())
            .any(|it| it == value)
    };
    let places = base.windows(name.len()).enumerate().filter(|(_, it)| *it == name);
    let wanted = rot == Rot::Name;
    let places: Vec<_> = places.map(|(at, _)| at).filter(|at| is_row(*at) == wanted).collect();
    let [at] = places[..] else { panic!("not one place: {places:?}") };
    match rot {
        Rot::Name | Rot::Entry => base[at + name.len() - 1] ^= bits,
        Rot::Row => base[at + name.len()] ^= 5 ^ 7,
        Rot::Nowhere => base[at + name.len()] ^= 5 ^ 69,
    }
    fs::write(path, base).unwrap();
}

/// A store that has stopped, with so many records.
fn folder_of(keys: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (store, hands) = by_hand(folder.path(), keys);
    hands.finish();
    drop(store);
    folder
}

fn open(folder: &Path) -> ApplyBase {
    let base = open_existing(&folder.join("base.sqlite")).unwrap();
    ApplyBase::new(base, Duration::from_secs(60)).unwrap()
}

/// One of ten records.
fn folder_with(rot: Rot) -> tempfile::TempDir {
    let folder = folder_of(10);
    flip(folder.path(), rot);
    folder
}

/// Its base, and what that has of a key.
fn base_with(rot: Rot) -> (tempfile::TempDir, ApplyBase, impl Fn(u32) -> Option<Stored>) {
    let folder = folder_with(rot);
    let path = folder.path().join("base.sqlite");
    let base = open(folder.path());
    let stored = move |key| ReadBase::open(&path).unwrap().get(&name(key)).unwrap();
    (folder, base, stored)
}

/// Writes the key anew, with what another has.
fn write(base: &mut ApplyBase, key: u32, like: Stored) -> Stored {
    let mut written = Stored { name: name(key), seq: like.seq + 100, ..like };
    written.record.version.hlc += 1 << 30;
    base.apply(&[Arc::new(written.clone())]).unwrap();
    while !base.bring_feed().unwrap() {}
    written
}

/// Each record is in the base once, and the index has it.
fn assert_whole(folder: &Path, keys: impl IntoIterator<Item = u32>) {
    let base = rusqlite::Connection::open(folder.join("base.sqlite")).unwrap();
    let sound: String = base.query_row("PRAGMA integrity_check", [], |it| it.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let mut rows = base.prepare("SELECT key FROM records NOT INDEXED ORDER BY key").unwrap();
    let keys_there = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let keys_there: Vec<_> = keys_there.map(Result::unwrap).collect();
    let mut expected: Vec<_> = keys.into_iter().map(|key| name(key).key().to_owned()).collect();
    expected.sort();
    assert_eq!(keys_there, expected);
}

#[test]
fn a_record_whose_name_has_rotted_is_told_by_its_name_and_put_right() {
    let folder = folder_with(Rot::Name);
    let sound = |folder: &Path| crate::verify::verify(folder).unwrap().problems.is_empty();
    assert!(!sound(folder.path()));
    let base = ReadBase::open(&folder.path().join("base.sqlite")).unwrap();
    for wanted in [Wanted::ALL, Wanted { values: false, ..Wanted::ALL }] {
        let bounds = Bounds { records: 100, bytes: usize::MAX };
        let page = base.feed(0, bounds, &wanted, false, |name, _| panic!("{name:?} is damaged"));
        let names: Vec<_> = page.unwrap().records.iter().map(|it| it.name.clone()).collect();
        assert_eq!(names, (0..10).map(name).collect::<Vec<_>>());
    }
    drop(base);
    // The first pass of the scrub is brisk.
    let (store, hands) = by_hand(folder.path(), 0);
    assert_eq!(store.take_damaged(10), []);
    hands.finish();
    drop(store);
    let found = crate::verify::verify(folder.path()).unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
}

/// What is written there before the scrub has come so far is whole.
#[test]
fn a_record_whose_name_has_rotted_can_be_written() {
    let (folder, mut base, stored) = base_with(Rot::Name);
    let other = stored(5);
    let like = stored(4).unwrap();
    let written = write(&mut base, 4, like);
    assert_eq!((stored(4), stored(5)), (Some(written), other));
    assert_whole(folder.path(), 0..10);
}

/// Nor does it take the other with it when it goes.
#[test]
fn a_record_whose_name_has_rotted_can_go() {
    for rot in [Rot::Name, Rot::Row] {
        let (folder, mut base, stored) = base_with(rot);
        let partitions = [Partition::of(&name(4))].into_iter().collect();
        base.empty_some(&partitions, 0).unwrap();
        assert_eq!(stored(4), None);
        for other in [5, 6] {
            assert_eq!(stored(other).unwrap().record.value, value(other));
        }
        assert_whole(folder.path(), (0..10).filter(|key| *key != 4));
    }
}

/// The index leads to another's row: that is not what is written over.
#[test]
fn a_record_to_which_the_index_has_anothers_row_can_be_written() {
    for (rot, key) in [(Rot::Entry, 5), (Rot::Row, 4)] {
        let (folder, mut base, stored) = base_with(rot);
        let like = stored(7).unwrap();
        let written = write(&mut base, key, like);
        assert_eq!(stored(key), Some(written));
        for other in (4..7).filter(|other| *other != key) {
            assert_eq!(stored(other).unwrap().record.value, value(other));
        }
        assert_whole(folder.path(), 0..10);
    }
}

/// Nor is there anything to write over where it leads to no row.
#[test]
fn a_record_to_which_the_index_has_no_row_can_be_written() {
    let (folder, mut base, stored) = base_with(Rot::Nowhere);
    let like = stored(7).unwrap();
    let written = write(&mut base, 4, like);
    assert_eq!(stored(4), Some(written));
    assert_whole(folder.path(), 0..10);
}

/// Whichever of two entries of one name SQLite comes to first.
#[test]
fn whichever_entry_of_the_index_rots_its_neighbour_can_be_written() {
    for count in [20, 60, 98] {
        let folder = folder_of(count);
        for key in (10..count).step_by(2) {
            let copy = tempfile::tempdir().unwrap();
            super::rot::copy(folder.path(), copy.path());
            flip_key(copy.path(), key, (Rot::Entry, 1));
            let path = copy.path().join("base.sqlite");
            let stored = |key| ReadBase::open(&path).unwrap().get(&name(key)).unwrap();
            let mut base = open(copy.path());
            let like = stored(7).unwrap();
            // Its own key is not found, and perhaps written anew.
            let anew = (key % 4 == 0).then(|| write(&mut base, key, like.clone()));
            let like = Stored { seq: like.seq + 1, ..like };
            let written = write(&mut base, key + 1, like);
            base.rebuild_indexes().unwrap();
            assert_eq!(stored(key + 1), Some(written), "{key} of {count}");
            match anew {
                Some(anew) => assert_eq!(stored(key), Some(anew), "{key} of {count}"),
                None => assert_eq!(stored(key).unwrap().record.value, value(key)),
            }
            assert_whole(copy.path(), 0..count);
        }
    }
}

/// SQLite finds it by that one's name then, and by neither's.
#[test]
fn whatever_place_an_entry_of_the_index_takes_its_neighbours_can_be_written() {
    let folder = folder_of(20);
    for (key, bit) in (11..19).flat_map(|key| (0..8).map(move |bit| (key, bit))) {
        for neighbour in [key - 1, key, key + 1] {
            let copy = tempfile::tempdir().unwrap();
            super::rot::copy(folder.path(), copy.path());
            flip_key(copy.path(), key, (Rot::Entry, 1 << bit));
            let path = copy.path().join("base.sqlite");
            let stored = |key| ReadBase::open(&path).unwrap().get(&name(key)).unwrap();
            let mut base = open(copy.path());
            let written = write(&mut base, neighbour, stored(7).unwrap());
            assert_eq!(stored(neighbour).as_ref(), Some(&written), "bit {bit} of {key}");
            assert!(base.rebuild_indexes().unwrap());
            for other in 0..20 {
                let is_right = if other == neighbour {
                    stored(other).as_ref() == Some(&written)
                } else {
                    stored(other).is_some_and(|it| it.record.value == value(other))
                };
                assert!(is_right, "{other}, bit {bit} of {key}, {neighbour} was written");
            }
            assert_whole(copy.path(), 0..20);
        }
    }
}

/// Changes records while SQLite does not know of an index, which stays as it is.
fn behind_the_back_of(base: &Path, index: &str, change: &str) {
    for sql in [
        format!(
            "CREATE TABLE aside AS SELECT * FROM sqlite_schema WHERE name = '{index}';
             DELETE FROM sqlite_schema WHERE name = '{index}'"
        ),
        format!("{change}; INSERT INTO sqlite_schema SELECT * FROM aside; DROP TABLE aside"),
    ] {
        let connection = rusqlite::Connection::open(base).unwrap();
        connection.pragma_update(None, "writable_schema", true).unwrap();
        connection.execute_batch(&sql).unwrap();
    }
}

/// It is told, and others may have it; else its key would be answered as absent.
#[test]
fn a_record_of_which_its_entry_in_the_index_is_left_stays_known() {
    let folder = folder_of(10);
    let path = folder.path().join("base.sqlite");
    behind_the_back_of(&path, "records_by_name", "DELETE FROM records WHERE key = 'key-4'");
    let mut base = open(folder.path());
    let stored = |key| ReadBase::open(&path).unwrap().get(&name(key));
    base.rebuild_indexes().unwrap();
    assert!(matches!(stored(4), Err(ReadFailure::Corrupt(it)) if it == name(4)));
    let bounds = Bounds { records: 100, bytes: usize::MAX };
    let found = base.scrub(&mut ScrubPosition::default(), bounds).unwrap();
    assert!(matches!(&found[..], [Found::Record { row: 5, name: Some(it) }] if *it == name(4)));
    let like = stored(7).unwrap().unwrap();
    let written = write(&mut base, 4, like);
    assert_eq!(stored(4).unwrap(), Some(written));
    for other in (0..10).filter(|key| *key != 4) {
        assert_eq!(stored(other).unwrap().unwrap().record.value, value(other));
    }
    assert_whole(folder.path(), 0..10);
}

/// The row's number in the table has rotted: row 5, which is `key-4`, is found as another, or as none.
#[test]
fn a_record_whose_row_has_lost_its_number_can_be_written() {
    for bit in 0..7 {
        let folder = folder_of(10);
        let path = folder.path().join("base.sqlite");
        let stored = |key| ReadBase::open(&path).unwrap().get(&name(key)).unwrap();
        let like = stored(7).unwrap();
        let mut file = fs::read(&path).unwrap();
        // Before the header of a row, which is 11 bytes long, stands its number; behind the header, its names.
        let names = [b"t", name(4).key().as_bytes()].concat();
        let is_row = |at: usize| file[at - 20..at].windows(2).any(|it| it == [5, 11]);
        let places = file.windows(names.len()).enumerate().filter(|(_, it)| *it == names);
        let places: Vec<_> = places.map(|(at, _)| at).filter(|at| is_row(*at)).collect();
        let [at] = places[..] else { panic!("not one place: {places:?}") };
        let number = (at - 20..at).find(|at| file[*at..*at + 2] == [5, 11]).unwrap();
        file[number] ^= 1 << bit;
        fs::write(&path, file).unwrap();
        let mut base = open(folder.path());
        let written = write(&mut base, 4, like);
        assert_eq!(stored(4), Some(written), "bit {bit}");
        for other in (0..10).filter(|key| *key != 4) {
            assert_eq!(stored(other).unwrap().record.value, value(other), "bit {bit}");
        }
        assert_whole(folder.path(), 0..10);
    }
}

/// The index of what is deleted leads to another row: that is not what is forgotten.
#[test]
fn what_a_damaged_index_takes_for_deleted_stays() {
    let folder = folder_of(10);
    let path = folder.path().join("base.sqlite");
    let stored = |key| ReadBase::open(&path).unwrap().get(&name(key)).unwrap();
    let mut base = open(folder.path());
    let mut deleted = stored(4).unwrap();
    deleted.record.tombstone = true;
    deleted.record.value = bytes::Bytes::new();
    let deleted = write(&mut base, 4, deleted);
    let now = 1 << 40;
    let applied_seq = deleted.seq;
    base.reach(&Reached { applied_seq, clock_ceiling: 0, answers: Vec::new(), now }).unwrap();
    base.checkpoint(true).unwrap();
    drop(base);
    let swap = "UPDATE records SET id = 99 WHERE id = 5; UPDATE records SET id = 5 WHERE id = 7";
    behind_the_back_of(&path, "records_gone", swap);
    let mut base = open(folder.path());
    let old = base.old_records(now + 1_000_000, applied_seq).unwrap();
    assert_eq!(old.count(), 1);
    base.forget(&old).unwrap();
    assert_eq!(stored(4), None);
    for other in (0..10).filter(|key| *key != 4) {
        assert_eq!(stored(other).unwrap().record.value, value(other));
    }
    assert_whole(folder.path(), (0..10).filter(|key| *key != 4));
}

/// The feed has a record for one of another partition: it stays when that one goes.
#[test]
fn what_a_damaged_feed_has_for_anothers_partition_stays() {
    let folder = folder_of(10);
    let path = folder.path().join("base.sqlite");
    let going = Partition::of(&name(6));
    let connection = rusqlite::Connection::open(&path).unwrap();
    let set = "UPDATE feed SET partition = ? WHERE record = 5";
    connection.execute(set, [going.number()]).unwrap();
    let mut base = open(folder.path());
    base.empty_some(&[going].into_iter().collect(), 0).unwrap();
    let stored = |key| ReadBase::open(&path).unwrap().get(&name(key)).unwrap();
    assert_eq!(stored(6), None);
    assert_eq!(stored(4).unwrap().record.value, value(4));
}
