//! The files under the journal, as a port: tests and simulations bring a disk that forgets what was not
//! synced.
//!
//! Nothing else looks at these files while a node runs, so they may be anywhere. The base and the note are
//! in the node's folder all the same.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Makes, finds and removes journal files.
///
/// An error is the operating system's: `StorageFull` and `QuotaExceeded` mean that a later try may work.
pub trait Disk: Send + Sync + 'static {
    /// The files of a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// All of a file that is there.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// A new file for reading and writing; one of that name is replaced.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// A file that is there, for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentReader>>;
    /// Syncs all of a file. Where it is also cut to so many bytes, these are on stable storage then, whatever
    /// became of earlier syncs: the last process may have ended because one failed.
    fn settle(&self, path: &Path, cut: Option<u64>) -> io::Result<()>;
    /// Bytes that this program may still write to the disk that holds `folder`.
    fn available(&self, folder: &Path) -> io::Result<u64>;
    /// Renames, and syncs the directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes. The directory is not synced: a file that comes back holds nothing that is not known.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A journal file that is written to.
pub trait SegmentFile: Send + 'static {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns once all that was written is on stable storage.
    fn sync(&mut self) -> io::Result<()>;
    /// The same file, for others who read it.
    fn reader(&self) -> io::Result<Arc<dyn SegmentReader>>;
}

/// A journal file that is read, also after it was removed.
pub trait SegmentReader: Send + Sync + 'static {
    /// Fills `bytes` from `offset` on.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    /// Returns once all that was written to the file before the call is on stable storage.
    fn sync(&self) -> io::Result<()>;
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentReader>> {
        Ok(Arc::new(RealFile(File::open(path)?)))
    }

    fn settle(&self, path: &Path, cut: Option<u64>) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if let Some(bytes) = cut {
            file.set_len(bytes)?;
            write_again(&file)?;
        }
        file.sync_all()
    }

    fn available(&self, folder: &Path) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_parent(to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// After a sync that failed the kernel takes for clean what is not on the disk, shows it to whoever reads, and
/// does not write it at the next sync (fsyncgate, 2018).
fn write_again(mut file: &File) -> io::Result<()> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    file.write_all_at(&bytes, 0)
}

struct RealFile(File);

impl SegmentFile for RealFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn reader(&self) -> io::Result<Arc<dyn SegmentReader>> {
        Ok(Arc::new(Self(self.0.try_clone()?)))
    }
}

impl SegmentReader for RealFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Whether an error says that there is no space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Makes the directory entry of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        // Of a relative path with one segment.
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
