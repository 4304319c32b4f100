//! The disk as one start of a node has it: it ends with that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dynarust_store::{Disk, SegmentFile, SegmentReader};
use parking_lot::Mutex;

use super::file::File;
use super::{AVAILABLE_BYTES, Operation, SimDisk};

/// See the module.
#[derive(Clone)]
pub(super) struct Start {
    disk: Arc<SimDisk>,
    number: u64,
}

/// A file that was opened by a start.
struct Opened {
    start: Start,
    file: Arc<Mutex<File>>,
}

impl Start {
    pub(super) fn new(disk: SimDisk, number: u64) -> Self {
        Self { disk: Arc::new(disk), number }
    }

    fn opened(&self, file: Arc<Mutex<File>>) -> Opened {
        Opened { start: self.clone(), file }
    }
}

impl Disk for Start {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.disk.look(self.number, |state| Ok(state.files.list(folder)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.look(self.number, |state| Ok(state.files.get(path)?.lock().bytes().to_vec()))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = self.disk.carry_out(self.number, Operation::Create, |state| {
            match state.faults.is_full {
                true => Err(io::ErrorKind::StorageFull.into()),
                false => Ok(state.files.create(path)),
            }
        })?;
        Ok(Box::new(self.opened(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentReader>> {
        let file = self.disk.look(self.number, |state| state.files.get(path))?;
        Ok(Arc::new(self.opened(file)))
    }

    fn settle(&self, path: &Path, cut: Option<u64>) -> io::Result<()> {
        self.disk.carry_out(self.number, Operation::Settle, |state| {
            let file = state.files.get(path)?;
            state.check_sync()?;
            file.lock().settle(cut.map(wide));
            Ok(())
        })
    }

    fn available(&self, _: &Path) -> io::Result<u64> {
        self.disk
            .look(self.number, |state| Ok(if state.faults.is_full { 0 } else { AVAILABLE_BYTES }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.carry_out(self.number, Operation::Rename, |state| {
            state.files.rename(from, to)?;
            state.check_sync()?;
            state.files.sync_names();
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.carry_out(self.number, Operation::Remove, |state| state.files.remove(path))
    }
}

impl SegmentFile for Opened {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.start.disk.carry_out(self.start.number, Operation::Write, |state| {
            if state.faults.is_full {
                state.tally.writes_refused += 1;
                // As a file system does: some of it is written.
                let some = bytes.get(..bytes.len() / 2).unwrap_or_default();
                self.file.lock().write(some, wide(offset));
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.file.lock().write(bytes, wide(offset));
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        SegmentReader::sync(self)
    }

    fn reader(&self) -> io::Result<Arc<dyn SegmentReader>> {
        Ok(Arc::new(self.start.opened(Arc::clone(&self.file))))
    }
}

impl SegmentReader for Opened {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.start.disk.look(self.start.number, |_| {
            let file = self.file.lock();
            let from = wide(offset);
            let found = file.bytes().get(from..from + bytes.len());
            bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let start = &self.start;
        start.disk.carry_out(start.number, Operation::Sync, |state| {
            let sync = state.check_sync();
            let mut file = self.file.lock();
            if sync.is_ok() {
                file.sync()
            } else {
                file.sync_failed()
            }
            sync
        })
    }
}

/// Files are in memory.
fn wide(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
