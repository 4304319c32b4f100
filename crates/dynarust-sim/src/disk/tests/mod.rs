//! Stores that are driven by hand, on simulated disks.

mod cuts;
mod deaths;
mod failures;
mod names;
mod rotten;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::{Condition, RecordName, UnixMillis};
use dynarust_store::{
    Change, Disk, Durability, Hands, LocalStore, Store, StoreConfig, WallClock, Write, WriteError,
    Written, verify,
};
use futures_util::FutureExt;

use super::{Image, SimDisk};
use crate::dice::{Dice, Part};

/// What is put under a store in place of a disk, made from it.
type Over = fn(Arc<dyn Disk>) -> Arc<dyn Disk>;

/// A clock that stands still until it is moved.
struct SetClock(AtomicU64);

impl WallClock for SetClock {
    fn now(&self) -> UnixMillis {
        self.0.load(Ordering::Relaxed)
    }

    fn sleep(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

/// A store over its starts.
struct Node {
    root: tempfile::TempDir,
    /// Folders so far: each start behind a kill or a power cut has its own.
    folders: u64,
    starts: u64,
    disk: Arc<SimDisk>,
    over: Over,
    clock: Arc<SetClock>,
    open: Option<(LocalStore, Hands)>,
    /// Becomes true where it dies within a call of its disk.
    told: Option<Arc<AtomicBool>>,
}

impl Node {
    fn new(seed: u64) -> Self {
        Self::over(seed, |disk| disk)
    }

    fn over(seed: u64, over: Over) -> Self {
        let mut node = Self {
            root: tempfile::tempdir().unwrap(),
            folders: 0,
            starts: 0,
            disk: disk(seed),
            over,
            clock: Arc::new(SetClock(AtomicU64::new(1_800_000_000_000))),
            open: None,
            told: None,
        };
        node.start();
        node
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join(self.folders.to_string())
    }

    fn start(&mut self) {
        self.starts += 1;
        let drawn = AtomicU64::new(self.starts << 32);
        let config = StoreConfig {
            segment_bytes: 8 << 10,
            // Not by itself.
            relaxed_flush: Duration::from_secs(3600),
            clock: self.clock.clone(),
            random: Arc::new(move || drawn.fetch_add(1, Ordering::Relaxed)),
            ..StoreConfig::new(self.folder())
        };
        let told = self.told.clone();
        let disk = (self.over)(self.disk.start(move || {
            told.iter().for_each(|told| told.store(true, Ordering::Relaxed));
        }));
        let (store, hands) = LocalStore::open_by_hand(&config, disk).expect("it opens");
        self.clock.sleep(hands.clock_wait());
        self.open = Some((store, hands));
    }

    fn store(&self) -> &LocalStore {
        &self.open.as_ref().unwrap().0
    }

    fn hands(&mut self) -> &mut Hands {
        &mut self.open.as_mut().unwrap().1
    }

    /// The power fails, and the node starts again.
    fn power_cut(&mut self) -> Image {
        let from = self.folder();
        self.folders += 1;
        let image = self.disk.power_failed(&from, &self.folder()).unwrap();
        self.open = None;
        std::fs::remove_dir_all(from).unwrap();
        self.start();
        image
    }

    /// As kill -9 does.
    fn kill(&mut self) {
        let from = self.folder();
        self.folders += 1;
        self.disk.process_died(&from, &self.folder()).unwrap();
        self.open = None;
        self.start();
    }

    fn put(
        &mut self,
        key: u64,
        value: &str,
        durability: Durability,
    ) -> Result<Written, WriteError> {
        self.clock.sleep(Duration::from_millis(1));
        let (store, hands) = self.open.as_mut().unwrap();
        let write = store.write(Write {
            name: name(key),
            change: Change::Put { value: Bytes::copy_from_slice(value.as_bytes()), expiry: None },
            condition: Condition::default(),
            durability,
            request: None,
            above: None,
        });
        hands.write();
        write.now_or_never().expect("a turn of the writer answers")
    }

    fn value(&self, key: u64) -> Option<String> {
        let found = self.store().get(name(key)).now_or_never().expect("at once").unwrap();
        found.map(|stored| String::from_utf8(stored.record.value.to_vec()).unwrap())
    }

    fn assert_sound(&mut self) {
        self.open = None;
        let disk = self.disk.start(|| {});
        let report = verify::verify_on(&self.folder(), disk.as_ref()).unwrap();
        assert_eq!(report.problems, vec![]);
        self.start();
    }
}

fn disk(seed: u64) -> Arc<SimDisk> {
    SimDisk::new(Dice::of(seed, Part::Disks, 0))
}

fn name(key: u64) -> RecordName {
    RecordName::parse("t", &key.to_string()).unwrap()
}
