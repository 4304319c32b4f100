//! The journal's segments as `FORMAT.md` of the store draws them: just enough to damage one at a chosen
//! place.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const SEGMENT_HEADER_BYTES: usize = 64;
const FRAME_HEADER_BYTES: usize = 56;

/// One frame: where it stands, and the keys of its records.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) segment: PathBuf,
    pub(crate) at: u64,
    /// With its header and its padding.
    pub(crate) bytes: u64,
    pub(crate) keys: Vec<String>,
}

/// The frames of all segments in a data folder, in order.
pub(crate) fn frames(folder: &Path) -> Vec<Frame> {
    let entries = std::fs::read_dir(folder.join("journal")).unwrap();
    let mut segments: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "journal"));
    segments.sort();
    segments.iter().flat_map(|segment| frames_of(segment)).collect()
}

fn frames_of(segment: &Path) -> Vec<Frame> {
    let text = std::fs::read(segment).unwrap();
    assert!(text.starts_with(b"DYNAJRNL"), "{}", segment.display());
    let mut frames = Vec::new();
    let mut at = SEGMENT_HEADER_BYTES;
    while text.get(at..at + 4) == Some(b"FRM1") {
        let payload_bytes = number(&text, at + 4, 4);
        let payload_at = at + FRAME_HEADER_BYTES;
        let keys = keys_of(&text[payload_at..payload_at + payload_bytes]);
        let bytes = (FRAME_HEADER_BYTES + payload_bytes).next_multiple_of(8);
        frames.push(Frame {
            segment: segment.to_path_buf(),
            at: at as u64,
            bytes: bytes as u64,
            keys,
        });
        at += bytes;
    }
    frames
}

fn keys_of(payload: &[u8]) -> Vec<String> {
    const RECORD_HEADER_BYTES: usize = 56;
    let mut keys = Vec::new();
    let mut at = 0;
    while at < payload.len() {
        let name_bytes = number(payload, at + 50, 2);
        let value_bytes = number(payload, at + 52, 4);
        let name = &payload[at + RECORD_HEADER_BYTES..at + RECORD_HEADER_BYTES + name_bytes];
        let name = std::str::from_utf8(name).unwrap();
        keys.push(name.split_once('\0').unwrap().1.to_owned());
        at += RECORD_HEADER_BYTES + name_bytes + value_bytes;
    }
    keys
}

fn number(text: &[u8], at: usize, bytes: usize) -> usize {
    text[at..at + bytes].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Changes one bit of every byte in this range of a file.
pub(crate) fn flip(file: &Path, at: u64, bytes: usize) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut text = vec![0; bytes];
    file.read_exact_at(&mut text, at).unwrap();
    text.iter_mut().for_each(|byte| *byte ^= 1);
    file.write_all_at(&text, at).unwrap();
}

/// Overwrites what stands at this place of a file, which may grow.
pub(crate) fn overwrite(file: &Path, at: u64, text: &[u8]) {
    OpenOptions::new().write(true).open(file).unwrap().write_all_at(text, at).unwrap();
}

pub(crate) fn truncate(file: &Path, bytes: u64) {
    OpenOptions::new().write(true).open(file).unwrap().set_len(bytes).unwrap();
}
