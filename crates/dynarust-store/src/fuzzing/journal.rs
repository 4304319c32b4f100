//! The journal: of frames that were written, and then rotted, only such as were written are read, in their
//! order, and none between is left out in silence; `salvage` finds no fewer than a start does.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{NodeId, Record, RecordName, RequestKey, Seq, Stored, Version};

use super::rot::{Files, rot};
use crate::answers::Carried;
use crate::journal::disk::RealDisk;
use crate::journal::frame::{self, Binding, Contents};
use crate::journal::recovery::{self, Mode, Recovered, RecoveryError};

/// Bytes of a segment, behind its frames filled with zeros.
const SEGMENT_BYTES: usize = 4096;

/// How many frames each of three segments has; two bytes for each frame; then what rots.
pub fn journal(bytes: &[u8]) {
    let Some((counts, rest)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let counts = counts.map(|it| usize::from(it % 4));
    let Some((manners, script)) = rest.split_at_checked(counts.iter().sum::<usize>() * 2) else {
        return;
    };
    let (written, files) = write(counts, manners.as_chunks().0);
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in rot(files, script) {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let (strict, outcome) = read(folder.path(), Mode::Strict);
    let (inspected, all_of_it) = read(folder.path(), Mode::Inspect);
    let (salvaged, _) = read(folder.path(), Mode::Salvage);
    let all_of_it = all_of_it.unwrap();
    assert!(is_part_of(&written, &inspected) && is_part_of(&written, &salvaged));
    assert!(is_part_of(&salvaged, &inspected), "salvage leaves out what is sound");
    match outcome {
        Ok(recovered) => {
            assert!(is_run_of(&written, &strict), "{recovered:?}");
            assert!(all_of_it.damages.is_empty(), "{all_of_it:?}");
            assert_eq!(strict, inspected);
            assert_eq!(recovered.last_seq, strict.last().map_or(0, |it| it.0.seq));
        }
        Err(RecoveryError::Damaged(damage)) => {
            assert_eq!(all_of_it.damages.first(), Some(&damage));
        }
        Err(RecoveryError::Io { path, error }) => panic!("{}: {error}", path.display()),
    }
}

/// A record, and what it came with.
type Written = (Stored, Option<RequestKey>);

fn write(counts: [usize; 3], manners: &[[u8; 2]]) -> (Vec<Written>, Files) {
    let mut written: Vec<Written> = Vec::new();
    let mut files = Vec::new();
    let mut ordinal = 0;
    for (number, count) in (1..).zip(counts) {
        let binding = Binding { segment: number, secret: 0x5ec4e7 + number };
        let mut segment = header(binding);
        for _ in 0..count {
            let manner = manners[usize::try_from(ordinal).unwrap()];
            ordinal += 1;
            let first_seq = written.len() as Seq + 1;
            let records = records(manner, first_seq);
            append(&mut segment, binding, (ordinal, manner), &records);
            written.extend(records);
        }
        segment.resize(segment.len().max(SEGMENT_BYTES), 0);
        files.push((format!("{number:016x}.journal"), segment));
    }
    (written, files)
}

/// As `FORMAT.md` has it.
fn header(binding: Binding) -> Vec<u8> {
    let mut bytes = b"DYNAJRNL\x02\0\0\0\0\0\0\0".to_vec();
    bytes.extend(binding.segment.to_le_bytes());
    bytes.extend(binding.secret.to_le_bytes());
    bytes.resize(60, 0);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// None to three records; the higher bits say whether they have keys, values, and how long those are.
fn records([manner, value_bytes]: [u8; 2], first_seq: Seq) -> Vec<Written> {
    (first_seq..)
        .take(usize::from(manner % 4))
        .map(|seq| record(manner, value_bytes, seq))
        .collect()
}

fn record(manner: u8, value_bytes: u8, seq: Seq) -> Written {
    let tombstone = manner & 0x10 != 0;
    let value = if tombstone { Vec::new() } else { vec![b'1'; usize::from(value_bytes) + 1] };
    let record = Record {
        version: Version { hlc: seq << 16, node: NodeId(9) },
        previous: (seq > 1).then_some(Version { hlc: 1, node: NodeId(8) }),
        expiry: (manner & 0x20 != 0).then_some(5),
        tombstone,
        expired: false,
        value: value.into(),
    };
    let request = (manner & 0x40 != 0)
        .then(|| RequestKey { key: seq.to_string().into(), fingerprint: seq.into() });
    (Stored { name: RecordName::parse("t", &seq.to_string()).unwrap(), seq, record }, request)
}

/// The highest bits of a frame's manner say how many frames before it were not synced.
fn append(
    segment: &mut Vec<u8>,
    binding: Binding,
    (ordinal, [manner, _]): (u64, [u8; 2]),
    records: &[Written],
) {
    let carried: Vec<_> = records
        .iter()
        .filter_map(|(stored, request)| {
            let (version, seq) = (stored.record.version, stored.seq);
            request.clone().map(|request| Carried { request, version, seq })
        })
        .collect();
    let contents = Contents {
        ordinal,
        synced: (ordinal - 1).saturating_sub(u64::from(manner >> 7) + u64::from(manner >> 2 & 3)),
        first_seq: records.first().map_or(0, |(stored, _)| stored.seq),
        clock_ceiling: 1 << 20,
        records: &records.iter().map(|(stored, _)| Arc::new(stored.clone())).collect::<Vec<_>>(),
        carried: &carried,
    };
    let mut bytes = Vec::new();
    frame::encode(&mut bytes, &contents, binding);
    segment.extend(bytes);
}

fn read(folder: &Path, mode: Mode) -> (Vec<Written>, Result<Recovered, RecoveryError>) {
    let mut found = Vec::new();
    let outcome = recovery::read(&RealDisk, folder, mode, |it| {
        let mut stored = it.stored;
        // So that no two of them share memory.
        stored.record.value = Bytes::copy_from_slice(&stored.record.value);
        found.push((stored, it.request));
    });
    (found, outcome)
}

fn is_part_of(whole: &[Written], part: &[Written]) -> bool {
    part.iter().all(|it| whole.contains(it))
}

/// From the first that is there on, nothing is left out.
fn is_run_of(written: &[Written], run: &[Written]) -> bool {
    run.is_empty() || written.windows(run.len()).any(|it| it == run)
}
