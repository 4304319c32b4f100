//! A file: what readers see, and which writes of it are not on stable storage.

use rand::RngExt;
use rand::rngs::StdRng;

use super::tally::Lost;

/// What a disk writes all of or nothing.
const SECTOR_BYTES: usize = 512;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct File {
    bytes: Vec<u8>,
    /// Oldest first.
    unsynced: Vec<Unsynced>,
}

#[derive(Debug)]
struct Unsynced {
    offset: usize,
    written: Vec<u8>,
    /// What stood there: shorter, where the file ended.
    before: Vec<u8>,
    /// Bytes of the file before.
    length: usize,
    /// Its sync failed: the kernel takes it for clean, and later syncs leave it out.
    is_forgotten: bool,
}

/// What becomes of a write that was not synced.
enum Fate {
    Kept,
    Lost,
    /// Its first bytes stand.
    CutShort,
    /// Some of its sectors stand.
    Torn,
    /// As torn, and what does not stand of it may be anything.
    Garbled,
}

impl File {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same bytes in another file, all of them synced.
    pub(super) fn copied(&self) -> Self {
        Self { bytes: self.bytes.clone(), unsynced: Vec::new() }
    }

    pub(super) fn write(&mut self, written: &[u8], offset: usize) {
        let (end, length) = (offset + written.len(), self.bytes.len());
        let before = self.bytes.get(offset..end.min(length)).unwrap_or_default().to_vec();
        self.put(written, offset);
        let written = written.to_vec();
        self.unsynced.push(Unsynced { offset, written, before, length, is_forgotten: false });
    }

    pub(super) fn sync(&mut self) {
        self.unsynced.retain(|write| write.is_forgotten);
    }

    pub(super) fn sync_failed(&mut self) {
        self.unsynced.iter_mut().for_each(|write| write.is_forgotten = true);
    }

    /// Syncs it; where it is cut to so many bytes, these are written again before.
    pub(super) fn settle(&mut self, cut: Option<usize>) {
        if let Some(length) = cut {
            self.bytes.resize(length, 0);
            self.unsynced.clear();
        }
        self.sync();
    }

    /// What is on stable storage, and of each unsynced write what its fate leaves.
    pub(super) fn power_cut(&mut self, random: &mut StdRng, lost: &mut Lost) {
        let unsynced = std::mem::take(&mut self.unsynced);
        for write in unsynced.iter().rev() {
            self.put(&write.before, write.offset);
            self.bytes.truncate(write.length);
        }
        for write in &unsynced {
            let fate = fate(random, lost);
            self.leave(write, &fate, random);
        }
    }

    fn leave(&mut self, write: &Unsynced, fate: &Fate, random: &mut StdRng) {
        let Unsynced { offset, written, .. } = write;
        match fate {
            Fate::Kept => self.put(written, *offset),
            Fate::Lost => {}
            Fate::CutShort => {
                let kept = random.random_range(0..=written.len());
                self.put(written.get(..kept).unwrap_or_default(), *offset);
            }
            Fate::Torn | Fate::Garbled => {
                let mut at = *offset;
                for part in sectors(written, *offset) {
                    if random.random_bool(0.5) {
                        self.put(part, at);
                    } else if matches!(fate, Fate::Garbled) && random.random_bool(0.5) {
                        let garbage: Vec<u8> = part.iter().map(|_| random.random()).collect();
                        self.put(&garbage, at);
                    }
                    at += part.len();
                }
            }
        }
    }

    fn put(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.bytes.len() < end && !bytes.is_empty() {
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
    }
}

fn fate(random: &mut StdRng, lost: &mut Lost) -> Fate {
    let (fate, count) = match random.random_range(0..8) {
        0 | 1 => (Fate::Kept, &mut lost.writes_kept),
        2 | 3 => (Fate::Lost, &mut lost.writes_lost),
        4 | 5 => (Fate::CutShort, &mut lost.writes_cut_short),
        6 => (Fate::Torn, &mut lost.writes_torn),
        _ => (Fate::Garbled, &mut lost.writes_garbled),
    };
    *count += 1;
    fate
}

/// The parts of what is written at an offset, each within a sector.
fn sectors(written: &[u8], offset: usize) -> impl Iterator<Item = &[u8]> {
    let first = (SECTOR_BYTES - offset % SECTOR_BYTES).min(written.len());
    let (first, rest) = written.split_at(first);
    std::iter::once(first).chain(rest.chunks(SECTOR_BYTES))
}
