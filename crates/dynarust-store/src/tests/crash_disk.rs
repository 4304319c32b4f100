//! A disk under the journal that can forget what was not synced.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::journal::disk::{Disk, RealDisk, SegmentFile, SegmentReader};

/// A disk that can forget what was not synced.
#[derive(Default)]
pub(super) struct CrashDisk {
    unsynced: Arc<Mutex<Vec<Unsynced>>>,
    /// Removed since the directory was last synced, oldest first.
    removed: Mutex<Vec<(PathBuf, Vec<u8>)>>,
}

struct Unsynced {
    path: PathBuf,
    file: Arc<File>,
    offset: u64,
    before: Vec<u8>,
    written: Vec<u8>,
}

#[derive(Clone)]
struct CrashFile {
    path: PathBuf,
    file: Arc<File>,
    unsynced: Arc<Mutex<Vec<Unsynced>>>,
}

impl CrashDisk {
    /// Each unsynced write is kept, undone, or torn; files whose removal was not synced come back.
    pub(super) fn power_cut(&self, random: &mut StdRng) {
        for write in self.unsynced.lock().drain(..).rev() {
            write.file.write_all_at(&write.before, write.offset).unwrap();
            let kept = match random.random_range(0..3) {
                0 => 0,
                1 => write.written.len(),
                _ => random.random_range(0..=write.written.len()),
            };
            write.file.write_all_at(&write.written[..kept], write.offset).unwrap();
        }
        // Removals become durable in their order.
        let mut removed = self.removed.lock();
        let back = random.random_range(0..=removed.len());
        for (path, contents) in removed.drain(..).skip(back) {
            fs::write(path, contents).unwrap();
        }
    }
}

impl Disk for CrashDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        RealDisk.list(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).to_owned();
        let file = Arc::new(options.open(path)?);
        Ok(Box::new(CrashFile {
            path: path.to_owned(),
            file,
            unsynced: Arc::clone(&self.unsynced),
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentReader>> {
        RealDisk.open(path)
    }

    fn settle(&self, path: &Path, cut: Option<u64>) -> io::Result<()> {
        self.unsynced.lock().retain(|write| write.path.file_stem() != path.file_stem());
        RealDisk.settle(path, cut)
    }

    fn available(&self, folder: &Path) -> io::Result<u64> {
        RealDisk.available(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.removed.lock().clear();
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.removed.lock().push((path.to_owned(), fs::read(path)?));
        RealDisk.remove(path)
    }
}

impl SegmentFile for CrashFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        let mut before = vec![0; bytes.len()];
        if offset < end {
            let there = usize::try_from(end - offset).unwrap().min(bytes.len());
            self.file.read_exact_at(&mut before[..there], offset)?;
        }
        self.file.write_all_at(bytes, offset)?;
        let file = Arc::clone(&self.file);
        self.unsynced.lock().push(Unsynced {
            path: self.path.clone(),
            file,
            offset,
            before,
            written: bytes.to_vec(),
        });
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        SegmentReader::sync(self)
    }

    fn reader(&self) -> io::Result<Arc<dyn SegmentReader>> {
        Ok(Arc::new(self.clone()))
    }
}

impl SegmentReader for CrashFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.unsynced.lock().retain(|write| !Arc::ptr_eq(&write.file, &self.file));
        Ok(())
    }
}
