//! The store on a disk that fails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use dynarust_core::{Condition, RecordName};

use crate::journal::disk::{Disk, RealDisk, SegmentFile, SegmentReader};
use crate::port::{Change, Durability, Store, Write, WriteError, Written};
use crate::{LocalStore, StoreConfig};

/// Fails as it is told to.
#[derive(Default)]
struct FaultyDisk {
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    full: AtomicBool,
    sync_fails: AtomicBool,
}

struct FaultyFile {
    file: Box<dyn SegmentFile>,
    faults: Arc<Faults>,
}

impl Disk for FaultyDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        RealDisk.list(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = RealDisk.create(path)?;
        Ok(Box::new(FaultyFile { file, faults: Arc::clone(&self.faults) }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentReader>> {
        RealDisk.open(path)
    }

    fn settle(&self, path: &Path, cut: Option<u64>) -> io::Result<()> {
        RealDisk.settle(path, cut)
    }

    fn available(&self, folder: &Path) -> io::Result<u64> {
        if self.faults.full.load(Ordering::Relaxed) { Ok(0) } else { RealDisk.available(folder) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
}

impl SegmentFile for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.faults.full.load(Ordering::Relaxed) {
            // As a file system does: some of it is written.
            self.file.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.faults.sync_fails.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.file.sync()
    }

    fn reader(&self) -> io::Result<Arc<dyn SegmentReader>> {
        let file = self.file.reader()?;
        Ok(Arc::new(FaultyReader { file, faults: Arc::clone(&self.faults) }))
    }
}

struct FaultyReader {
    file: Arc<dyn SegmentReader>,
    faults: Arc<Faults>,
}

impl SegmentReader for FaultyReader {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        if self.faults.sync_fails.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.file.sync()
    }
}

fn open(folder: &Path, disk: &Arc<FaultyDisk>) -> LocalStore {
    let config = StoreConfig { segment_bytes: 4096, ..StoreConfig::new(folder.join("node")) };
    LocalStore::open_on(&config, Arc::clone(disk) as Arc<dyn Disk>).unwrap()
}

async fn put(store: &LocalStore, key: u32) -> Result<Written, WriteError> {
    let write = Write {
        name: RecordName::parse("t", &key.to_string()).unwrap(),
        change: Change::Put { value: Bytes::from(key.to_string()), expiry: None },
        condition: Condition::default(),
        durability: Durability::Sync,
        request: None,
        above: None,
    };
    store.write(write).await
}

async fn holds(store: &LocalStore, key: u32) -> bool {
    let name = RecordName::parse("t", &key.to_string()).unwrap();
    store.get(name).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_until_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::default());
    let store = open(folder.path(), &disk);
    for key in 0..30 {
        put(&store, key).await.unwrap();
    }
    disk.faults.full.store(true, Ordering::Relaxed);
    for key in 30..60 {
        assert_eq!(put(&store, key).await, Err(WriteError::Full));
        assert!(!holds(&store, key).await, "a refused write changes nothing");
    }
    assert!(holds(&store, 29).await);
    disk.faults.full.store(false, Ordering::Relaxed);
    // A try at a new segment may still be told of the failure of a moment ago.
    for key in 60..90 {
        while put(&store, key).await == Err(WriteError::Full) {
            tokio::task::yield_now().await;
        }
    }
    drop(store);
    let store = open(folder.path(), &disk);
    for key in 0..90 {
        assert_eq!(holds(&store, key).await, !(30..60).contains(&key), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_stops_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::default());
    let store = open(folder.path(), &disk);
    put(&store, 1).await.unwrap();
    disk.faults.sync_fails.store(true, Ordering::Relaxed);
    assert!(matches!(put(&store, 2).await, Err(WriteError::Stopped(_))));
    disk.faults.sync_fails.store(false, Ordering::Relaxed);
    assert!(matches!(put(&store, 3).await, Err(WriteError::Stopped(_))), "it does not limp on");
    assert!(store.failure().unwrap().contains("syncing the journal"));
    assert!(holds(&store, 1).await);
    assert!(!holds(&store, 2).await, "nobody sees what is not as durable as was asked");
    let mut published = store.published();
    while published.changed().await.is_ok() {}
}
