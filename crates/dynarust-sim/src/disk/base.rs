//! The folder of a node at a moment: for a start behind a kill or a power cut.
//!
//! The base is SQLite's, in WAL mode and with `synchronous = NORMAL`: what is committed stands in the
//! write-ahead log, which is synced by a checkpoint before that brings it into the database file, and by
//! nothing else. So a power cut takes from the log, and only what lies behind what the last checkpoint brought
//! over. How far that came stands in the log's index (sqlite.org/walformat.html, 2.1), which is a file, too.
//!
//! Valid between two calls of the base: none is cut short in its middle.

use std::fs;
use std::io;
use std::path::Path;

use rand::RngExt;
use rand::rngs::StdRng;

const LOG: &str = "base.sqlite-wal";
const INDEX: &str = "base.sqlite-shm";
/// The journal's files are elsewhere ([`super::SimDisk`]); the folder is there all the same.
const JOURNAL: &str = "journal";
/// What an opening makes anew.
const LEFT_OUT: [&str; 2] = [LOG, INDEX];

const LOG_HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// In the log's header, big-endian.
const PAGE_BYTES_AT: usize = 8;
/// In the index, as the machine has it: the newest frame, and the newest that a checkpoint brought over.
const FRAMES_AT: usize = 16;
const FRAMES_BROUGHT_OVER_AT: usize = 96;

/// What an image has of the base's write-ahead log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// Bytes of the log that were not on stable storage.
    pub(crate) unsynced_bytes: usize,
    /// How many of these stand, before the first that is not what was written.
    pub(crate) kept_bytes: usize,
}

/// Copies the folder of a node as a start finds it: behind a power cut, where there is something to draw
/// from, else behind a kill. The folder itself stays as it is, for who may still have it open.
///
/// # Errors
/// The machine's; the copy is incomplete.
pub(crate) fn image(from: &Path, to: &Path, power_cut: Option<&mut StdRng>) -> io::Result<Image> {
    fs::create_dir_all(to.join(JOURNAL))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_file() && LEFT_OUT.iter().all(|left_out| name != *left_out) {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    let Some(mut log) = read_if_there(&from.join(LOG))? else {
        return Ok(Image::default());
    };
    let index = read_if_there(&from.join(INDEX))?.unwrap_or_default();
    let stable = stable_bytes(&log, &index).min(log.len());
    let unsynced = log.len() - stable;
    let kept = power_cut.map_or(unsynced, |random| cut(&mut log, stable, random));
    fs::write(to.join(LOG), log)?;
    Ok(Image { unsynced_bytes: unsynced, kept_bytes: kept })
}

fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How much of the log the last checkpoint synced. The header is synced when it is written.
fn stable_bytes(log: &[u8], index: &[u8]) -> usize {
    let page = four(log, PAGE_BYTES_AT).map_or(0, u32::from_be_bytes);
    let newest = four(index, FRAMES_AT).map_or(0, u32::from_ne_bytes);
    let brought_over = four(index, FRAMES_BROUGHT_OVER_AT).map_or(0, u32::from_ne_bytes);
    let frame = FRAME_HEADER_BYTES + page as usize;
    LOG_HEADER_BYTES + brought_over.min(newest) as usize * frame
}

fn four(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4)?.try_into().ok()
}

/// Takes some of the log behind `stable`: from a place on it is cut off, or holds anything, and behind that
/// what was written, or not. Returns how much stands before the first that does not.
fn cut(log: &mut Vec<u8>, stable: usize, random: &mut StdRng) -> usize {
    let unsynced = log.len() - stable;
    let kept = match random.random_range(0..4) {
        0 => 0,
        1 => unsynced,
        _ => random.random_range(0..=unsynced),
    };
    let place = stable + kept;
    if random.random_bool(0.5) {
        log.truncate(place);
    } else {
        let garbled = random.random_range(0..=(log.len() - place).min(4096));
        let some = log.iter_mut().skip(place).take(garbled);
        some.for_each(|byte| *byte = random.random());
    }
    kept
}
