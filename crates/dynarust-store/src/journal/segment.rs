//! Segments: the journal's files, their names and headers (`FORMAT.md`, "Journal").

use std::io;
use std::path::{Path, PathBuf};

use crc32c::crc32c;

use super::disk::{Disk, SegmentFile};
use super::frame::{Binding, u32_at, u64_at};

/// Bytes before the first frame.
pub(crate) const HEADER_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"DYNAJRNL";
const FORMAT: u32 = 2;
/// Its frames are as those of today, without what came later.
const FORMAT_OLDEST: u32 = 1;
const EXTENSION: &str = "journal";
const EXTENSION_NEW: &str = "new";
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A segment that is ready for frames.
pub(crate) struct Segment {
    pub(crate) file: Box<dyn SegmentFile>,
    pub(crate) path: PathBuf,
    pub(crate) binding: Binding,
    pub(crate) bytes: u64,
}

impl Segment {
    /// Makes a segment of `bytes` bytes, if the disk then has `reserve` bytes left.
    ///
    /// What is recent must still fit into the base, and another start must find room for a segment: so
    /// it is the journal that stops first on a disk that fills.
    pub(crate) fn create_within(
        disk: &dyn Disk,
        folder: &Path,
        binding: Binding,
        bytes: u64,
        reserve: u64,
    ) -> io::Result<Self> {
        if disk.available(folder)? < bytes.saturating_add(reserve) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Self::create(disk, folder, binding, bytes)
    }

    /// Makes a segment of `bytes` bytes: zeroed, headed, synced, then given its name. Nothing is left
    /// behind where that fails.
    pub(crate) fn create(
        disk: &dyn Disk,
        folder: &Path,
        binding: Binding,
        bytes: u64,
    ) -> io::Result<Self> {
        let new = folder.join(format!("{:016x}.{EXTENSION_NEW}", binding.segment));
        let path = path(folder, binding.segment);
        let made = fill(disk, &new, binding, bytes).and_then(|file| {
            disk.rename(&new, &path)?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(Self { file, path, binding, bytes }),
            Err(error) => {
                // What cannot be removed now is removed at the next opening.
                let _ = disk.remove(&new);
                Err(error)
            }
        }
    }
}

/// Where the segment with this number is.
pub(crate) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.{EXTENSION}"))
}

fn fill(
    disk: &dyn Disk,
    path: &Path,
    binding: Binding,
    bytes: u64,
) -> io::Result<Box<dyn SegmentFile>> {
    let mut file = disk.create(path)?;
    let mut offset = 0;
    while offset < bytes {
        let step = usize::try_from(bytes - offset).unwrap_or(usize::MAX).min(ZEROS.len());
        file.write_at(ZEROS.get(..step).unwrap_or(&ZEROS), offset)?;
        offset += step as u64;
    }
    file.write_at(&header(binding), 0)?;
    file.sync()?;
    Ok(file)
}

fn header(binding: Binding) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend(MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(binding.segment.to_le_bytes());
    bytes.extend(binding.secret.to_le_bytes());
    bytes.resize(HEADER_BYTES - 4, 0);
    bytes.extend(crc32c(&bytes).to_le_bytes());
    bytes
}

/// Reads a segment's header; `None` where it is not a sound one of the segment with this number.
pub(crate) fn read_header(bytes: &[u8], number: u64) -> Option<Binding> {
    let header = bytes.get(..HEADER_BYTES)?;
    let sound = header.starts_with(&MAGIC)
        && (FORMAT_OLDEST..=FORMAT).contains(&u32_at(header, 8)?)
        && u64_at(header, 16)? == number
        && u32_at(header, 60)? == crc32c(header.get(..60)?);
    sound.then_some(Binding { segment: number, secret: u64_at(header, 24)? })
}

/// The segments of a folder, by number.
pub(crate) fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    with_extension(disk, folder, EXTENSION)
}

/// Removes segments that were still in the making when the program ended.
pub(crate) fn remove_unfinished(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let unfinished = with_extension(disk, folder, EXTENSION_NEW)?;
    unfinished.iter().try_for_each(|(_, path)| disk.remove(path))
}

fn with_extension(disk: &dyn Disk, folder: &Path, wanted: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for path in disk.list(folder)? {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.filter(|stem| stem.len() == 16 && !stem.starts_with('+'));
        let number = number.and_then(|stem| u64::from_str_radix(stem, 16).ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|ext| ext == wanted)) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::disk::RealDisk;
    use super::*;

    #[test]
    fn a_segment_is_named_and_headed() {
        let folder = tempfile::tempdir().unwrap();
        let binding = Binding { segment: 0x1f, secret: 5 };
        let segment = Segment::create(&RealDisk, folder.path(), binding, 4096).unwrap();
        assert_eq!(segment.path.file_name().unwrap(), "000000000000001f.journal");
        let bytes = fs::read(&segment.path).unwrap();
        assert_eq!(bytes.len(), 4096);
        assert_eq!(read_header(&bytes, 0x1f), Some(binding));
        assert_eq!(read_header(&bytes, 0x20), None);
        assert!(bytes[HEADER_BYTES..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn leftovers_in_the_making_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("0000000000000002.new"), b"half").unwrap();
        fs::write(folder.path().join("0000000000000001.journal"), b"").unwrap();
        fs::write(folder.path().join("notes.txt"), b"").unwrap();
        remove_unfinished(&RealDisk, folder.path()).unwrap();
        let numbers: Vec<_> =
            list(&RealDisk, folder.path()).unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(numbers, [1]);
        assert!(!folder.path().join("0000000000000002.new").exists());
    }
}
