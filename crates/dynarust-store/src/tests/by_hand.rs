//! A store that is driven by hand: the same store, on the caller's thread alone, and the same each time.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::{
    Condition, KeyRange, Partition, PartitionSet, RecordName, RequestKey, Stored, TableName,
    UnixMillis,
};
use futures_util::FutureExt;
use tokio::runtime::Runtime;

use crate::port::{Change, Durability, FeedRead, Scan, Store, Write, WriteError, Written};
use crate::{
    Disk, Hands, LocalStore, RealDisk, SegmentFile, SegmentReader, StoreConfig, WallClock,
};

const BEGINNING: UnixMillis = 1_800_000_000_000;

#[derive(Default)]
struct SetClock(AtomicU64);

impl WallClock for SetClock {
    fn now(&self) -> UnixMillis {
        BEGINNING + self.0.load(Ordering::Relaxed)
    }

    fn sleep(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

/// The machine's, for one thread.
struct OneThreadDisk(ThreadId);

impl OneThreadDisk {
    fn checked(&self) -> RealDisk {
        assert_eq!(thread::current().id(), self.0, "only who calls does anything");
        RealDisk
    }
}

impl Disk for OneThreadDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.checked().list(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.checked().read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.checked().create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentReader>> {
        self.checked().open(path)
    }

    fn settle(&self, path: &Path, cut: Option<u64>) -> io::Result<()> {
        self.checked().settle(path, cut)
    }

    fn available(&self, folder: &Path) -> io::Result<u64> {
        self.checked().available(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.checked().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.checked().remove(path)
    }
}

/// All that may differ between two runs is given.
fn config(folder: &Path) -> StoreConfig {
    let drawn = AtomicU64::new(7);
    StoreConfig {
        segment_bytes: 4096,
        clock: Arc::new(SetClock::default()),
        random: Arc::new(move || drawn.fetch_add(1, Ordering::Relaxed)),
        ..StoreConfig::new(folder.join("node"))
    }
}

fn open(config: &StoreConfig) -> (LocalStore, Hands) {
    let disk = Arc::new(OneThreadDisk(thread::current().id()));
    let (store, hands) = LocalStore::open_by_hand(config, disk).unwrap();
    config.clock.sleep(hands.clock_wait());
    (store, hands)
}

fn name(key: u64) -> RecordName {
    RecordName::parse("t", &key.to_string()).unwrap()
}

/// Puts, deletes, and records with a deadline; sync and relaxed.
fn write(nth: u64) -> Write {
    let value = Bytes::from(format!("[{nth},\"{}\"]", "x".repeat(200)));
    let expiry = (nth % 7 == 3).then_some(BEGINNING + 10_000 + nth);
    let change = if nth % 5 == 4 { Change::Delete } else { Change::Put { value, expiry } };
    let durability = if nth.is_multiple_of(3) { Durability::Sync } else { Durability::Relaxed };
    let request = (nth % 4 == 1)
        .then(|| RequestKey { key: nth.to_string().into(), fingerprint: u128::from(nth) });
    let condition = Condition::default();
    Write { name: name(nth % 40), change, condition, durability, request, above: None }
}

fn write_now(store: &LocalStore, hands: &mut Hands, write: Write) -> Result<Written, WriteError> {
    let written = store.write(write);
    assert!(hands.write());
    written.now_or_never().expect("a turn of the writer answers")
}

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it is done at once")
}

fn all(records_max: usize) -> Scan {
    let range = KeyRange::table(TableName::parse("t").unwrap());
    let bytes_max = usize::MAX;
    Scan { range, reverse: false, records_max, bytes_max, partitions: None, values: true }
}

/// Writes, rounds of the applier, and looks of the expirer; what the writes were answered.
fn some_steps(store: &LocalStore, hands: &mut Hands, clock: &dyn WallClock) -> Vec<Written> {
    let mut answers = Vec::new();
    for nth in 0..200 {
        answers.push(write_now(store, hands, write(nth)).unwrap());
        clock.sleep(Duration::from_millis(nth % 3));
        if nth % 50 == 20 {
            while hands.apply() {}
        }
    }
    clock.sleep(Duration::from_secs(11));
    hands.expire();
    answers
}

/// All records by name, and all by seq.
async fn read(store: &LocalStore) -> (Vec<Arc<Stored>>, Vec<Arc<Stored>>) {
    let scanned = store.scan(all(usize::MAX)).await.unwrap().records;
    let (mut through, mut feed) = (0, Vec::new());
    while through < store.position().seq {
        let page = store.feed(FeedRead::behind(through, 100, usize::MAX)).await.unwrap();
        (through, feed) = (page.through, [feed, page.records].concat());
    }
    (scanned, feed)
}

fn contents(store: &LocalStore) -> (Vec<Arc<Stored>>, Vec<Arc<Stored>>) {
    now(read(store))
}

#[test]
fn a_store_works_and_is_opened_again_on_one_thread_without_a_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let (store, mut hands) = open(&config);
    assert!(!hands.write(), "there is nothing to do");
    some_steps(&store, &mut hands, config.clock.as_ref());
    let kept = store.keep(Bytes::from_static(b"a note"));
    assert!(hands.write());
    now(kept).unwrap();
    assert_eq!(hands.flush_at(), None, "a note waits for what it may speak of");
    let before = contents(&store);
    drop((store, hands));

    let (store, mut hands) = open(&config);
    assert_eq!(contents(&store), before, "a kill loses nothing");
    assert_eq!(store.kept().unwrap(), "a note");
    while hands.apply() {}
    assert_eq!(contents(&store), before);
    assert!(store.digests().is_some());
    let gone: PartitionSet = [Partition::of(&name(1))].into_iter().collect();
    let emptied = store.empty(gone);
    assert!(hands.is_pressed());
    while hands.apply() {}
    assert!(now(emptied).unwrap() > 0);
    let before = contents(&store);
    let mut closed = store.close();
    assert!((&mut closed).now_or_never().is_none(), "it waits for the hands");
    hands.finish();
    now(closed);
    drop(store);
    assert_eq!(fs::read_dir(config.folder.join("journal")).unwrap().count(), 0);
    assert_eq!(crate::verify::verify(&config.folder).unwrap().problems, vec![]);

    let (store, _hands) = open(&config);
    assert_eq!(contents(&store), before);
}

#[test]
fn it_does_what_a_store_with_threads_does() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let by_hand = config(folders[0].path());
    let (store, mut hands) = open(&by_hand);
    let answers = some_steps(&store, &mut hands, by_hand.clock.as_ref());
    let (scanned, feed) = contents(&store);
    let by_threads = config(folders[1].path());
    let last = feed.last().unwrap().seq;
    let theirs = Runtime::new().unwrap().block_on(async {
        let store = LocalStore::open(&by_threads).unwrap();
        for (nth, answer) in (0..).zip(answers) {
            assert_eq!(store.write(write(nth)).await.unwrap(), answer);
            by_threads.clock.sleep(Duration::from_millis(nth % 3));
        }
        by_threads.clock.sleep(Duration::from_secs(11));
        store.published().wait_for(|seq| *seq == last).await.unwrap();
        read(&store).await
    });
    let records = |stored: Vec<Arc<Stored>>| -> Vec<_> {
        stored.into_iter().map(|it| (it.name.clone(), it.record.clone())).collect()
    };
    assert_eq!(records(theirs.0), records(scanned));
    // What is due is found where it is, and that is up to the applier: it may be marked in another order.
    let lasting = |feed: Vec<Arc<Stored>>| -> Vec<_> {
        feed.into_iter().filter(|stored| !stored.record.expired).collect()
    };
    assert_eq!(theirs.1.len(), feed.len());
    assert_eq!(lasting(theirs.1), lasting(feed));
}

#[test]
fn two_runs_of_the_same_steps_write_the_same_bytes() {
    let run = || {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let mut runs = Vec::new();
        for _ in 0..3 {
            let (store, mut hands) = open(&config);
            some_steps(&store, &mut hands, config.clock.as_ref());
            drop((store, hands));
            let journal = fs::read_dir(config.folder.join("journal")).unwrap();
            let files = journal
                .map(|file| file.unwrap().path())
                .map(|path| (path.file_name().unwrap().to_owned(), fs::read(path).unwrap()));
            runs.push(files.collect::<BTreeMap<_, _>>());
        }
        runs
    };
    let (first, second) = (run(), run());
    assert!(first.iter().all(|files| files.len() > 3));
    assert!(first == second);
}

#[test]
fn work_rings_the_bell_and_a_relaxed_write_is_flushed_when_it_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig { relaxed_flush: Duration::ZERO, ..config(folder.path()) };
    let (store, mut hands) = open(&config);
    while hands.apply() {}
    assert!(hands.wait_for_work().now_or_never().is_none());
    let written = store.write(Write { durability: Durability::Relaxed, ..write(0) });
    now(hands.wait_for_work());
    assert!(hands.wait_for_work().now_or_never().is_none());
    assert!(hands.write());
    now(written).unwrap();
    assert_eq!((hands.flush_at(), store.synced()), (None, 1), "at once");
    drop(store.empty(PartitionSet::default()));
    now(hands.wait_for_work());
    drop(hands);
    assert!(matches!(now(store.write(write(0))), Err(WriteError::Stopped(_))));
    now(store.close());
}

#[test]
fn a_round_of_the_applier_may_end_between_any_two_of_its_steps() {
    let mut cut_short = 0;
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let (store, mut hands) = open(&config);
        some_steps(&store, &mut hands, config.clock.as_ref());
        let gone: PartitionSet = [Partition::of(&name(1))].into_iter().collect();
        let emptied = store.empty(gone);
        let before = contents(&store);
        hands.end_behind(Some(steps));
        while hands.apply() {}
        let is_whole = !hands.have_failed();
        let left = if is_whole { contents(&store) } else { before.clone() };
        drop(emptied);
        drop((store, hands));

        let (store, hands) = open(&config);
        let found = contents(&store);
        // What was to be emptied is there, or has gone.
        let is_left = |stored: &&Arc<Stored>| stored.name != name(1);
        let lasting = |all: &[Arc<Stored>]| all.iter().filter(is_left).cloned().collect::<Vec<_>>();
        assert_eq!(lasting(&found.0), lasting(&left.0), "behind {steps} steps");
        assert_eq!(lasting(&found.1), lasting(&left.1), "behind {steps} steps");
        hands.finish();
        drop(store);
        assert_eq!(crate::verify::verify(&config.folder).unwrap().problems, vec![]);
        if is_whole {
            break;
        }
        cut_short += 1;
    }
    assert!(cut_short > 5, "{cut_short}");
}
