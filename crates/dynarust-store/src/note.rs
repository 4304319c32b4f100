//! The node's note: what it remembers of its cluster, in a file of its own beside the records
//! (`FORMAT.md`, "Note").
//!
//! Invariants:
//! - the file holds a whole note or the one before, also behind a power cut;
//! - of notes that are saved at a time the newest stays.
//!
//! That all that a note speaks of is on stable storage before it, is for who saves it to see to.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use dynarust_core::NodeId;
use dynarust_core::limits::NOTE_BYTES_MAX;
use parking_lot::Mutex;
use twox_hash::XxHash3_64;

use crate::folder::Folder;
use crate::journal::disk::{is_full, sync_parent};
use crate::journal::frame::{u32_at, u64_at};
use crate::port::WriteError;

const MAGIC: &[u8; 8] = b"DYNANOTE";
const FORMAT: u32 = 1;
/// Bytes before the note.
const HEAD_BYTES: usize = 32;
/// Those of them that the checksum covers.
const SUMMED_BYTES: usize = 24;

/// Why a note cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoteError {
    #[error("{0}")]
    Io(io::Error),
    #[error("it is damaged")]
    Damaged,
    #[error("it has format {0}, newer than this release reads (up to {FORMAT})")]
    Newer(u32),
    #[error("it is node {0}'s")]
    OfAnotherNode(NodeId),
}

/// The note of an open folder.
pub(crate) struct NoteFile {
    folder: Arc<Folder>,
    node: NodeId,
    /// The number of the next that is saved.
    next: AtomicU64,
    /// The number of the newest that is in the file. Held while the file is written.
    saved: Mutex<u64>,
    note: Mutex<Option<Bytes>>,
}

impl NoteFile {
    pub(crate) fn new(folder: Arc<Folder>, node: NodeId, note: Option<Bytes>) -> Self {
        let (next, saved) = (AtomicU64::new(1), Mutex::new(0));
        Self { folder, node, next, saved, note: Mutex::new(note) }
    }

    /// The newest that is in the file.
    pub(crate) fn note(&self) -> Option<Bytes> {
        self.note.lock().clone()
    }

    /// The place of a note among those that are saved at a time.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Saves a note, unless a newer one has been saved. Takes some syncs.
    pub(crate) fn save(&self, number: u64, note: Bytes) -> Result<(), WriteError> {
        if note.len() > NOTE_BYTES_MAX {
            tracing::error!(bytes = note.len(), "a note above the limit is not saved");
            return Err(WriteError::Overloaded);
        }
        let mut saved = self.saved.lock();
        if *saved > number {
            return Ok(());
        }
        let path = self.folder.note();
        match write(&path, &encode(self.node, &note)) {
            Ok(()) => {
                *saved = number;
                *self.note.lock() = Some(note);
                Ok(())
            }
            Err(error) if is_full(&error) => Err(WriteError::Full),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the note cannot be saved");
                Err(WriteError::Overloaded)
            }
        }
    }
}

/// Reads the note of a folder, if there is one. `is_of` says whose it may be.
pub(crate) fn read(
    folder: &Folder,
    is_of: impl Fn(NodeId) -> bool,
) -> Result<Option<Bytes>, NoteError> {
    let path = folder.note();
    let most = (HEAD_BYTES + NOTE_BYTES_MAX) as u64;
    match fs::metadata(&path) {
        Ok(found) if found.len() > most => return Err(NoteError::Damaged),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(NoteError::Io(error)),
    }
    decode(is_of, &fs::read(&path).map_err(NoteError::Io)?).map(Some)
}

/// What is noted, if anything is, becomes the note of another node.
pub(crate) fn hand_over(folder: &Folder, from: NodeId, to: NodeId) -> Result<(), NoteError> {
    match read(folder, |node| node == to) {
        Err(NoteError::OfAnotherNode(former)) if former == from => {}
        Err(error) => return Err(error),
        Ok(_) => return Ok(()),
    }
    match read(folder, |node| node == from)? {
        Some(note) => write(&folder.note(), &encode(to, &note)).map_err(NoteError::Io),
        None => Ok(()),
    }
}

/// Puts the note aside, if there is one: the node starts without. Returns where it is now.
pub(crate) fn put_aside(folder: &Folder) -> io::Result<Option<PathBuf>> {
    let path = folder.note();
    if !path.exists() {
        return Ok(None);
    }
    let aside = folder.aside("CLUSTER");
    fs::rename(&path, &aside)?;
    sync_parent(&aside)?;
    Ok(Some(aside))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_parent(path)
}

fn encode(node: NodeId, note: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + note.len());
    bytes.extend(MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    // At most some mebibytes (limits.rs).
    bytes.extend(u32::try_from(note.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(node.0.to_le_bytes());
    bytes.extend(checksum(&bytes, note).to_le_bytes());
    bytes.extend(note);
    bytes
}

fn decode(is_of: impl Fn(NodeId) -> bool, bytes: &[u8]) -> Result<Bytes, NoteError> {
    let (head, note) = bytes.split_at_checked(HEAD_BYTES).ok_or(NoteError::Damaged)?;
    if !head.starts_with(MAGIC) {
        return Err(NoteError::Damaged);
    }
    match u32_at(head, 8) {
        Some(FORMAT) => {}
        Some(newer) if newer > FORMAT => return Err(NoteError::Newer(newer)),
        _ => return Err(NoteError::Damaged),
    }
    let summed = head.get(..SUMMED_BYTES).unwrap_or_default();
    let whole = u32_at(head, 12).is_some_and(|length| length as usize == note.len());
    if !whole || u64_at(head, SUMMED_BYTES) != Some(checksum(summed, note)) {
        return Err(NoteError::Damaged);
    }
    match u64_at(head, 16).map(NodeId) {
        Some(found) if is_of(found) => Ok(Bytes::copy_from_slice(note)),
        Some(other) => Err(NoteError::OfAnotherNode(other)),
        None => Err(NoteError::Damaged),
    }
}

fn checksum(head: &[u8], note: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(head), note)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(0x0123);

    fn is_ours(node: NodeId) -> bool {
        node == NODE
    }

    fn file(folder: &Path) -> NoteFile {
        let folder = Arc::new(Folder::lock(folder).unwrap());
        NoteFile::new(folder, NODE, None)
    }

    #[test]
    fn no_flipped_bit_and_no_cut_passes() {
        let whole = encode(NODE, b"what I know");
        assert_eq!(decode(is_ours, &whole).unwrap(), "what I know");
        assert_eq!(&whole[..8], b"DYNANOTE");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(decode(is_ours, &bytes).is_err(), "byte {at}");
            assert!(decode(is_ours, &whole[..at]).is_err(), "cut at {at}");
        }
        let long = [&*whole, b"x"].concat();
        assert!(matches!(decode(is_ours, &long), Err(NoteError::Damaged)));
        let other = decode(|node| node == NodeId(7), &whole);
        assert!(matches!(other, Err(NoteError::OfAnotherNode(NODE))));
    }

    #[test]
    fn the_newest_stays_whichever_comes_first_to_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        let (first, second) = (file.number(), file.number());
        file.save(second, Bytes::from_static(b"second")).unwrap();
        file.save(first, Bytes::from_static(b"first")).unwrap();
        assert_eq!(file.note().unwrap(), "second");
        assert_eq!(read(&file.folder, is_ours).unwrap().unwrap(), "second");
    }

    #[test]
    fn what_cannot_be_saved_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        file.save(file.number(), Bytes::from_static(b"first")).unwrap();
        let large = Bytes::from(vec![0; NOTE_BYTES_MAX + 1]);
        assert_eq!(file.save(file.number(), large), Err(WriteError::Overloaded));
        fs::create_dir(folder.path().join("CLUSTER.new")).unwrap();
        let refused = file.save(file.number(), Bytes::from_static(b"second"));
        assert_eq!(refused, Err(WriteError::Overloaded));
        assert_eq!(file.note().unwrap(), "first");
        assert_eq!(read(&file.folder, is_ours).unwrap().unwrap(), "first");
    }
}
