//! Journals that end well, are torn, or are damaged: what is read back, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{NodeId, Record, RecordName, Seq, Stored, Version};

use crate::driver::Driver;
use crate::journal::disk::RealDisk;
use crate::journal::frame::{Binding, frame_bytes};
use crate::journal::recovery::{Damage, Mode, Recovered, RecoveryError, read};
use crate::journal::segment::HEADER_BYTES;
use crate::journal::{Begin, CompleteSegments, JournalWriter};

/// A journal of frames, and where each of them begins.
struct Written {
    folder: tempfile::TempDir,
    path: PathBuf,
    frames: Vec<u64>,
}

fn record(seq: Seq) -> Arc<Stored> {
    let record = Record {
        version: Version { hlc: seq, node: NodeId(1) },
        previous: None,
        expiry: None,
        tombstone: false,
        expired: false,
        value: Bytes::from(vec![b'x'; 100]),
    };
    Arc::new(Stored { name: RecordName::parse("t", &seq.to_string()).unwrap(), seq, record })
}

fn begin(folder: &Path, segment: u64, ordinal: u64) -> JournalWriter {
    let binding = Binding { segment, secret: 77 + segment };
    let begin = Begin {
        binding,
        ordinal,
        last_seq: ordinal - 1,
        segment_bytes: 8 << 20,
        driver: Driver::Threads,
    };
    let complete = CompleteSegments::default();
    JournalWriter::begin(Arc::new(RealDisk), folder.to_owned(), begin, complete).unwrap()
}

/// One record a frame; `synced` says after which there is a sync.
fn journal(synced: &[bool]) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = begin(folder.path(), 1, 1);
    let mut frames = Vec::new();
    let mut offset = HEADER_BYTES as u64;
    for (nth, sync) in synced.iter().enumerate() {
        let records = [record(nth as u64 + 1)];
        frames.push(offset);
        offset += frame_bytes(&records, &[]) as u64;
        writer.append(&records, &[], 5).unwrap();
        if *sync {
            writer.sync().unwrap();
        }
    }
    frames.push(offset);
    drop(writer);
    Written { path: folder.path().join("0000000000000001.journal"), folder, frames }
}

impl Written {
    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(&self.path).unwrap();
        change(&mut bytes);
        fs::write(&self.path, bytes).unwrap();
    }

    fn scribble(&self, frame: usize) {
        let at = usize::try_from(self.frames[frame]).unwrap() + 80;
        self.change(|bytes| bytes[at] ^= 0xff);
    }

    fn read(&self, mode: Mode) -> Result<(Vec<Seq>, Recovered), RecoveryError> {
        let mut seqs = Vec::new();
        let recovered =
            read(&RealDisk, self.folder.path(), mode, |found| seqs.push(found.stored.seq))?;
        Ok((seqs, recovered))
    }

    fn damage(&self) -> Damage {
        match self.read(Mode::Strict) {
            Err(RecoveryError::Damaged(damage)) => damage,
            other => panic!("no damage was found: {other:?}"),
        }
    }
}

#[test]
fn everything_comes_back_in_order() {
    let (seqs, recovered) = journal(&[true, true, true]).read(Mode::Strict).unwrap();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!((recovered.last_ordinal, recovered.first_seq), (3, Some(1)));
    assert_eq!(recovered.torn, None);
}

#[test]
fn a_torn_unsynced_tail_is_cut_off() {
    let journal = journal(&[true, false]);
    journal.scribble(1);
    let (seqs, recovered) = journal.read(Mode::Strict).unwrap();
    assert_eq!(seqs, [1]);
    assert_eq!(recovered.torn.as_ref().unwrap().offset, journal.frames[1]);
    recovered.settle(&RealDisk).unwrap();
    assert_eq!(fs::metadata(&journal.path).unwrap().len(), journal.frames[1]);
    assert_eq!(journal.read(Mode::Strict).unwrap().0, [1]);
}

#[test]
fn unsynced_frames_behind_a_torn_one_prove_nothing() {
    let journal = journal(&[true, false, false, false]);
    journal.scribble(1);
    assert_eq!(journal.read(Mode::Strict).unwrap().0, [1]);
}

#[test]
fn damage_that_a_later_frame_proves_synced_is_named() {
    let journal = journal(&[true, false, false, true, false]);
    for frame in [1, 2, 3] {
        journal.scribble(frame);
        assert_eq!(journal.damage().offset, journal.frames[frame], "frame {frame}");
        journal.scribble(frame);
    }
    assert_eq!(journal.read(Mode::Strict).unwrap().0, [1, 2, 3, 4, 5]);
}

#[test]
fn the_first_frame_is_no_exception() {
    let journal = journal(&[true, true]);
    journal.scribble(0);
    assert_eq!(journal.damage().offset, HEADER_BYTES as u64);
    journal.change(|bytes| bytes[HEADER_BYTES..HEADER_BYTES + 8].fill(0));
    assert_eq!(journal.damage().offset, HEADER_BYTES as u64);
}

#[test]
fn salvage_goes_on_behind_the_damage() {
    let journal = journal(&[true, true, true, true]);
    journal.scribble(1);
    let (seqs, recovered) = journal.read(Mode::Salvage).unwrap();
    assert_eq!(seqs, [1, 3, 4]);
    assert_eq!(recovered.damages.len(), 1);
}

#[test]
fn salvage_takes_sound_frames_that_nothing_proves_synced() {
    let journal = journal(&[true, false, false, false]);
    journal.scribble(1);
    assert_eq!(journal.read(Mode::Inspect).unwrap().0, [1]);
    let (seqs, recovered) = journal.read(Mode::Salvage).unwrap();
    assert_eq!((seqs, recovered.damages.len()), (vec![1, 3, 4], 0));
    let mut writer = begin(journal.folder.path(), 2, 5);
    writer.append(&[record(5)], &[], 0).unwrap();
    drop(writer);
    let (seqs, recovered) = journal.read(Mode::Salvage).unwrap();
    assert_eq!((seqs, recovered.damages.len()), (vec![1, 3, 4, 5], 1));
    assert_eq!(journal.damage().offset, journal.frames[1]);
}

#[test]
fn a_segment_that_is_missing_is_named() {
    let journal = journal(&[true]);
    drop(begin(journal.folder.path(), 9, 2));
    let missing = journal.damage().path;
    assert!(!missing.exists(), "{}", missing.display());
}

#[test]
fn a_damaged_header_is_named() {
    let journal = journal(&[true]);
    journal.change(|bytes| bytes[17] ^= 1);
    assert_eq!(journal.damage().offset, 0);
}

#[test]
fn a_file_cut_in_its_unsynced_tail_or_grown_with_garbage_opens() {
    let journal = journal(&[true, true, false]);
    let tail = usize::try_from(journal.frames[2]).unwrap();
    journal.change(|bytes| bytes.truncate(tail + 30));
    assert_eq!(journal.read(Mode::Strict).unwrap().0, [1, 2]);
    journal.change(|bytes| bytes.truncate(tail));
    assert_eq!(journal.read(Mode::Strict).unwrap().0, [1, 2]);
    journal.change(|bytes| bytes.extend([0xa5; 333]));
    assert_eq!(journal.read(Mode::Strict).unwrap().0, [1, 2]);
    journal.change(|bytes| bytes[tail..].fill(0));
    assert_eq!(journal.read(Mode::Strict).unwrap().0, [1, 2]);
}

#[test]
fn a_restart_goes_on_in_a_segment_of_its_own() {
    let journal = journal(&[true, false]);
    journal.scribble(1);
    let (_, recovered) = journal.read(Mode::Strict).unwrap();
    recovered.settle(&RealDisk).unwrap();
    let mut writer = begin(journal.folder.path(), recovered.next_segment(), 2);
    writer.append(&[record(2)], &[], 0).unwrap();
    writer.sync().unwrap();
    drop(writer);
    assert_eq!(journal.read(Mode::Strict).unwrap().0, [1, 2]);
}

#[test]
fn only_the_last_segment_and_what_was_left_behind_frames_is_cut_off() {
    let journal = journal(&[true, true]);
    let mut writer = begin(journal.folder.path(), 2, 3);
    writer.append(&[record(3)], &[], 0).unwrap();
    writer.sync().unwrap();
    drop(writer);
    let settle = || {
        let (seqs, recovered) = journal.read(Mode::Strict).unwrap();
        assert_eq!(seqs, [1, 2, 3]);
        let left = recovered.settle(&RealDisk).unwrap();
        let lengths: Vec<u64> = left.iter().map(|it| fs::metadata(it).unwrap().len()).collect();
        let ends: Vec<u64> = recovered.segments.iter().map(|segment| segment.bytes).collect();
        (lengths, ends)
    };
    let (lengths, ends) = settle();
    assert_eq!(lengths, [8 << 20, ends[1]]);
    journal.change(|bytes| bytes[(6 << 20) + 5] = 1);
    assert_eq!(settle().0, ends[..2]);
}

#[test]
fn a_segment_that_is_missing_or_ends_early_is_noticed() {
    let journal = journal(&[true, true]);
    let mut writer = begin(journal.folder.path(), 2, 3);
    writer.append(&[record(3)], &[], 0).unwrap();
    drop(writer);
    assert_eq!(journal.read(Mode::Strict).unwrap().0, [1, 2, 3]);
    let end = usize::try_from(journal.frames[1]).unwrap();
    journal.change(|bytes| bytes.truncate(end));
    assert_eq!(journal.damage().offset, journal.frames[1]);
}

#[test]
fn frames_larger_than_a_segment_get_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = begin(folder.path(), 1, 1);
    for seq in 1..=3 {
        let mut large = (*record(seq)).clone();
        large.record.value = Bytes::from(vec![b'y'; 9 << 20]);
        writer.append(&[Arc::new(large)], &[], 0).unwrap();
    }
    writer.sync().unwrap();
    let mut seqs = Vec::new();
    read(&RealDisk, folder.path(), Mode::Strict, |found| seqs.push(found.stored.seq)).unwrap();
    assert_eq!(seqs, [1, 2, 3]);
}
