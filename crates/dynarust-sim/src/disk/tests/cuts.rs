//! Power cuts: what was acknowledged as synced is there, and what was not is there as it was written.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dynarust_store::{Disk, Durability, SegmentFile, SegmentReader, WallClock as _};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::SimDisk;
use super::super::files::Files;
use super::super::tally::Lost;
use super::{Node, Over, disk};

const KEYS: u64 = 12;

/// What a key may hold: since its last synced write, oldest first.
type May = BTreeMap<u64, Vec<Option<String>>>;

/// Writes, rounds of the applier, kills and power cuts. What was lost, if anything was.
fn run(seed: u64, over: Over) -> Result<Node, String> {
    let mut steps = StdRng::seed_from_u64(seed);
    let mut node = Node::over(seed, over);
    let mut may: May = (0..KEYS).map(|key| (key, vec![None])).collect();
    for nth in 0..120 {
        match steps.random_range(0..20) {
            0..=9 => {
                let key = steps.random_range(0..KEYS);
                let value = format!("[{nth},\"{}\"]", "x".repeat(steps.random_range(0..2000)));
                let sync = steps.random_bool(0.4);
                let durability = if sync { Durability::Sync } else { Durability::Relaxed };
                node.put(key, &value, durability).unwrap();
                may.get_mut(&key).unwrap().push(Some(value));
                if sync {
                    // A sync covers all that came before.
                    may.values_mut().for_each(|held| drop(held.drain(..held.len() - 1)));
                }
            }
            10..=13 => drop(node.hands().apply()),
            14 => node.clock.sleep(Duration::from_millis(steps.random_range(0..500))),
            15 => node.kill(),
            16 | 17 => {
                node.power_cut();
                settle(&node, &mut may)?;
            }
            _ => {}
        }
    }
    node.power_cut();
    settle(&node, &mut may)?;
    Ok(node)
}

/// What is there after a power cut must be one of what may be.
fn settle(node: &Node, may: &mut May) -> Result<(), String> {
    for (key, held) in may {
        let found = node.value(*key);
        if !held.contains(&found) {
            return Err(format!("{key} holds {found:?}, not one of {held:?}"));
        }
        *held = vec![found];
    }
    Ok(())
}

#[test]
fn what_was_synced_outlives_power_cuts_and_kills() {
    for seed in 0..12 {
        let mut node = run(seed, |disk| disk).unwrap_or_else(|lost| panic!("seed {seed}: {lost}"));
        node.assert_sound();
    }
}

/// Says that it has synced, and has not: what a writer that acknowledges before the sync does.
struct Hasty(Arc<dyn Disk>);

struct HastyFile(Box<dyn SegmentFile>);

struct HastyReader(Arc<dyn SegmentReader>);

impl Disk for Hasty {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.list(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(HastyFile(self.0.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentReader>> {
        self.0.open(path)
    }

    fn settle(&self, path: &Path, cut: Option<u64>) -> io::Result<()> {
        self.0.settle(path, cut)
    }

    fn available(&self, folder: &Path) -> io::Result<u64> {
        self.0.available(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
}

impl SegmentFile for HastyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // A new segment is synced all the same.
        let fills = bytes.len() < 8 << 10 && offset > 0;
        self.0.write_at(bytes, offset)?;
        if fills { Ok(()) } else { self.0.sync() }
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reader(&self) -> io::Result<Arc<dyn SegmentReader>> {
        Ok(Arc::new(HastyReader(self.0.reader()?)))
    }
}

impl SegmentReader for HastyReader {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn acknowledging_before_the_sync_is_found() {
    let found = (0..10).filter(|seed| {
        // It may also show as a base that has what the journal lost: then the folder does not open.
        let run = std::panic::catch_unwind(|| run(*seed, |disk| Arc::new(Hasty(disk))).is_err());
        run.unwrap_or(true)
    });
    assert!(found.count() >= 8);
}

#[test]
fn a_run_is_the_same_each_time() {
    let run = || {
        let node = run(7, |disk| disk).unwrap();
        let values = (0..KEYS).map(|key| node.value(key)).collect::<Vec<_>>();
        let journal = node.folder().join("journal");
        let disk = node.disk.start(|| {});
        let files = disk.list(&journal).unwrap();
        let files: Vec<_> = files.iter().map(|path| disk.read(path).unwrap()).collect();
        (node.disk.tally(), values, files)
    };
    assert!(run() == run());
}

#[test]
fn the_base_loses_what_no_checkpoint_has_synced_and_nothing_else() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..20 {
        let mut node = Node::new(seed);
        while node.hands().apply() {}
        for key in 0..KEYS {
            node.put(key, "1", Durability::Sync).unwrap();
        }
        node.hands().apply();
        let image = node.power_cut();
        lost += u64::from(image.kept_bytes < image.unsynced_bytes);
        kept += u64::from(image.kept_bytes > 0);
        assert!((0..KEYS).all(|key| node.value(key).is_some()));
    }
    assert!(lost > 3 && kept > 3, "{lost} {kept}");
}

/// Writes that are not synced, and what a power cut leaves of them.
fn lost(seed: u64) -> Lost {
    let mut node = Node::new(seed);
    for key in 0..KEYS {
        node.put(key, &format!("\"{}\"", "y".repeat(500)), Durability::Relaxed).unwrap();
    }
    node.power_cut();
    node.disk.tally().lost
}

#[test]
fn every_fate_befalls_some_writes() {
    let mut all = Lost::default();
    (0..20).for_each(|seed| all += lost(seed));
    let Lost { writes_kept, writes_lost, writes_cut_short, writes_torn, writes_garbled, .. } = all;
    let fates = [writes_kept, writes_lost, writes_cut_short, writes_torn, writes_garbled];
    assert!(fates.iter().all(|befallen| *befallen > 2), "{all:?}");
}

#[test]
fn nodes_that_lose_power_together_lose_different_things() {
    let lost = [1, 2, 3].map(lost);
    assert!(lost[0] != lost[1] && lost[1] != lost[2], "{lost:?}");
}

#[test]
fn what_a_power_cut_left_is_on_stable_storage() {
    let mut random = StdRng::seed_from_u64(1);
    let mut files = Files::default();
    files.create(Path::new("a")).lock().write(&[1; 5000], 0);
    files.power_cut(&mut random);
    assert_eq!(files.power_cut(&mut random), Lost::default());
}

#[test]
fn a_slow_disk_says_how_slow() {
    let disk = disk(1);
    let most = |disk: &SimDisk| (0..100).map(|_| disk.latency().as_millis()).max().unwrap();
    assert!(most(&disk) < 2);
    disk.slow(100);
    assert!((60..102).contains(&most(&disk)));
    disk.mend();
    assert!(most(&disk) < 2);
}
