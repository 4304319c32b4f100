//! Any one bit of the base rots, in a record or an index, and then something is written or goes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::{Partition, Seq, Stored, UnixMillis};

use super::rot::{by_hand, name, value};
use crate::base::{
    ApplyBase, BaseError, Bounds, Reached, ReadBase, ReadFailure, Rot, ScrubPosition, open_existing,
};

const KEYS: u32 = 20;
/// One is deleted, and one has a deadline: there are indexes of such.
const DELETED: u32 = 3;
const EXPIRING: u32 = 6;
/// Of so many bits one is flipped, unless the environment says otherwise.
const STRIDE: usize = 131;
/// When the base had come so far, in milliseconds since 1970.
const REACHED: UnixMillis = 1 << 40;
/// What is nothing but zeros for so long is not in use.
const UNUSED: usize = 24;

fn open(folder: &Path) -> Result<ApplyBase, BaseError> {
    ApplyBase::new(open_existing(&folder.join("base.sqlite"))?, Duration::from_secs(60))
}

fn apply(base: &mut ApplyBase, stored: &Stored) -> Result<(), BaseError> {
    base.apply(&[Arc::new(stored.clone())])?;
    while !base.bring_feed()? {}
    Ok(())
}

/// The next record of a key, like what there is.
fn next(like: &Stored, key: u32, nth: u64) -> Stored {
    let mut next = Stored { name: name(key), seq: like.seq + nth, ..like.clone() };
    next.record.version.hlc += nth << 30;
    next
}

/// A base, what it holds, and what another key's record would look like.
fn base() -> (tempfile::TempDir, Vec<Stored>) {
    let folder = tempfile::tempdir().unwrap();
    let (store, hands) = by_hand(folder.path(), KEYS);
    hands.finish();
    drop(store);
    let mut base = open(folder.path()).unwrap();
    let read = |key| ReadBase::open(&folder.path().join("base.sqlite")).unwrap().get(&name(key));
    let like = read(KEYS - 1).unwrap().unwrap();
    let mut deleted = next(&like, DELETED, 1);
    deleted.record.tombstone = true;
    deleted.record.value = bytes::Bytes::new();
    let mut expiring = next(&like, EXPIRING, 2);
    expiring.record.expiry = Some(UnixMillis::MAX >> 2);
    for stored in [&deleted, &expiring] {
        apply(&mut base, stored).unwrap();
    }
    let applied_seq = like.seq + 2;
    let reached = Reached { applied_seq, clock_ceiling: 0, answers: Vec::new(), now: REACHED };
    base.reach(&reached).unwrap();
    base.checkpoint(true).unwrap();
    let stored = (0..KEYS).map(|key| read(key).unwrap().unwrap()).collect();
    (folder, stored)
}

/// What of the file is in use behind the first page, which is the schema's.
fn bits(file: &[u8]) -> Vec<(usize, u8)> {
    let mut zeros = 0;
    let used = file.iter().enumerate().skip(4096).filter(|(_, byte)| {
        zeros = if **byte == 0 { zeros + 1 } else { 0 };
        zeros < UNUSED
    });
    used.flat_map(|(at, _)| (0..8).map(move |bit| (at, bit))).collect()
}

/// What comes behind the rot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Write,
    /// A copy that is older than what is there, and changes nothing.
    WriteOlder,
    Empty,
    /// What was deleted is forgotten.
    Sweep,
}

/// Whether all the rows are there and sound: then it is something else that has rotted.
fn rows_are_sound(base: &ApplyBase, folder: &Path) -> bool {
    let mut position = ScrubPosition::default();
    let bounds = Bounds { records: 1000, bytes: usize::MAX };
    let Ok(found) = base.scrub(&mut position, bounds) else { return false };
    let connection = rusqlite::Connection::open(folder.join("base.sqlite")).unwrap();
    let mut rows = connection.prepare("SELECT id FROM records NOT INDEXED").unwrap();
    let rows = rows.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    let rows: Vec<_> = rows.map_while(Result::ok).collect();
    rows.len() == KEYS as usize
        && rows.is_sorted_by(|one, next| one < next)
        && !found.iter().any(|rot| matches!(rot, Rot::Record { .. }))
}

/// How it came out.
enum Outcome {
    Right,
    /// The base is told to be damaged.
    Told,
    Wrong(String),
}

fn act_behind_rot(folder: &Path, before: &[Stored], (key, act): (u32, Act)) -> Outcome {
    let Ok(mut base) = open(folder) else { return Outcome::Told };
    let rows_are_sound = rows_are_sound(&base, folder);
    let failed = |error| match error {
        BaseError::Misled if !rows_are_sound => Outcome::Told,
        BaseError::Damaged(_) => Outcome::Told,
        error => Outcome::Wrong(error.to_string()),
    };
    let own = &before[key as usize];
    let newer = next(&before[KEYS as usize - 1], key, 9);
    let mut older = newer.clone();
    older.record.version.hlc = own.record.version.hlc - 1;
    // Half of all.
    let half = |partition: Partition| partition.number() % 2;
    let is_emptied = |partition| half(partition) == half(Partition::of(&name(key)));
    let done = match act {
        Act::Write => apply(&mut base, &newer),
        Act::WriteOlder => apply(&mut base, &older),
        Act::Empty => {
            base.empty_some(&Partition::all().filter(|it| is_emptied(*it)).collect(), 0).map(drop)
        }
        Act::Sweep => {
            let old = base.old_records(REACHED + 1_000_000, Seq::MAX);
            old.and_then(|old| base.forget(&old))
        }
    };
    if let Err(error) = done {
        return failed(error);
    }
    let read = ReadBase::open(&folder.join("base.sqlite")).unwrap();
    let get = |key| read.get(&name(key));
    if act == Act::Write && get(key).is_ok_and(|it| it.as_ref() != Some(&newer)) {
        return Outcome::Wrong("it is not there".to_owned());
    }
    // As the scrub would.
    if let Err(error) = base.rebuild_indexes() {
        return failed(error);
    }
    for (other, before) in (0..).zip(before) {
        let is_right = |it: &Option<Stored>| match (act, it) {
            (Act::Write, it) if other == key => it.as_ref() == Some(&newer),
            // What was damaged may be mended by that.
            (Act::WriteOlder, Some(it)) if other == key && !rows_are_sound => {
                it == before || *it == older
            }
            // They stay where the feed, or the index of what is deleted, has lost them.
            (Act::Empty, None) => is_emptied(Partition::of(&name(other))),
            (Act::Sweep, None) => other == DELETED,
            (_, it) => it.as_ref() == Some(before),
        };
        if let Ok(it) = get(other)
            && !is_right(&it)
        {
            return Outcome::Wrong(format!("{other} reads as {it:?}"));
        }
    }
    Outcome::Right
}

#[test]
fn whatever_bit_rots_no_other_record_is_harmed() {
    let stride = std::env::var("DYNARUST_BITS_STRIDE").ok().and_then(|it| it.parse().ok());
    let (folder, before) = base();
    assert_eq!(before[0].record.value, value(0));
    let sound = fs::read(folder.path().join("base.sqlite")).unwrap();
    let (mut right, mut told, mut wrong) = (0, 0, Vec::new());
    for (at, bit) in bits(&sound).into_iter().step_by(stride.unwrap_or(STRIDE)) {
        for act in [Act::Write, Act::WriteOlder, Act::Empty, Act::Sweep] {
            let key = (at as u32 + u32::from(bit) * 7 + act as u32 * 3) % KEYS;
            let copy = tempfile::tempdir_in(folder.path()).unwrap();
            let mut rotten = sound.clone();
            rotten[at] ^= 1 << bit;
            fs::write(copy.path().join("base.sqlite"), rotten).unwrap();
            match act_behind_rot(copy.path(), &before, (key, act)) {
                Outcome::Right => right += 1,
                Outcome::Told => told += 1,
                Outcome::Wrong(what) => {
                    wrong.push(format!("bit {bit} at {at}, {act:?} of key {key}: {what}"));
                }
            }
        }
    }
    println!("{right} came out right, {told} were told");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    // Most rot hits one record.
    assert!(told < right / 2, "{told} were told, {right} right");
}

/// One bit makes SQLite's NULL a 0, and the checksum of a record is the same with either.
#[test]
fn a_deadline_that_comes_of_nothing_is_damage() {
    let (folder, _) = base();
    let path = folder.path().join("base.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE records SET expiry = 0 WHERE key = 'key-4'", []).unwrap();
    let read = ReadBase::open(&path).unwrap().get(&name(4));
    assert!(matches!(read, Err(ReadFailure::Corrupt(it)) if it == name(4)));
}
