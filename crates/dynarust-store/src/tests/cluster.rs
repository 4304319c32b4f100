//! The store among others: what arrives, what is noted, and what others read of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::digest::Digests;
use dynarust_core::limits::CLOCK_CEILING_MILLIS;
use dynarust_core::{
    Condition, Epoch, FeedPosition, KeyRange, NodeId, Partition, PartitionSet, Record, RecordName,
    Seq, Stored, TableName, UnixMillis, Version,
};

use crate::driver::Driver;
use crate::finding::Part;
use crate::journal::disk::RealDisk;
use crate::local::Threads;
use crate::port::{
    Arrival, Change, Durability, FeedRead, Over, Proposed, Scan, Store, TakenIn, Write, Written,
};
use crate::{LocalStore, OpenError, StoreConfig, WallClock};

const KEYS: usize = 300;

fn config(folder: &Path) -> StoreConfig {
    StoreConfig { apply_interval: Duration::from_secs(3600), ..StoreConfig::new(folder.to_owned()) }
}

fn name(key: usize) -> RecordName {
    RecordName::parse("t", &format!("{key:04}")).unwrap()
}

fn write(key: usize, value: Option<String>) -> Write {
    let change = match value {
        Some(value) => Change::Put { value: value.into(), expiry: None },
        None => Change::Delete,
    };
    let (condition, durability) = (Condition::default(), Durability::Relaxed);
    Write { name: name(key), change, condition, durability, request: None, above: None }
}

fn arrival(name: RecordName, hlc: u64, value: &'static str) -> Arrival {
    let version = Version { hlc, node: NodeId(2) };
    let (previous, expiry, value) = (None, None, Bytes::from_static(value.as_bytes()));
    let record = Record { version, previous, expiry, tombstone: false, expired: false, value };
    Arrival { name, record, request: None, fresh: false, over: Over::Older }
}

/// What the digests must be, by what a reader finds.
async fn expected_digests(store: &LocalStore) -> Digests {
    let mut digests = Digests::default();
    for stored in scan(store, None, true, false).await {
        if stored.record.holds_value() {
            digests.add(&stored.name, stored.record.version);
        }
    }
    digests
}

async fn scan(
    store: &LocalStore,
    partitions: Option<&Arc<PartitionSet>>,
    values: bool,
    reverse: bool,
) -> Vec<Arc<Stored>> {
    let whole = KeyRange::table(TableName::parse("t").unwrap());
    let (mut range, mut found) = (whole.clone(), Vec::new());
    loop {
        let partitions = partitions.cloned();
        let (records_max, bytes_max) = (7, 1 << 20);
        let scan = Scan { range, reverse, records_max, bytes_max, partitions, values };
        let page = store.scan(scan).await.unwrap();
        let last = page.records.last().filter(|_| page.more).map(|last| last.name.clone());
        found.extend(page.records);
        match last {
            Some(last) if reverse => range = whole.clone().ending_before(last.key()),
            Some(last) => range = whole.clone().starting_after(last.key()),
            None => return found,
        }
    }
}

async fn feed(
    store: &LocalStore,
    partitions: Option<&Arc<PartitionSet>>,
    values: bool,
) -> Vec<Arc<Stored>> {
    feed_of(store, FeedRead { partitions: partitions.cloned(), values, ..part(0) }).await
}

/// A few at a time.
fn part(after: Seq) -> FeedRead {
    FeedRead::behind(after, 7, 1 << 20)
}

/// All from there on.
async fn feed_of(store: &LocalStore, mut read: FeedRead) -> Vec<Arc<Stored>> {
    let mut found = Vec::new();
    while read.after < store.position().seq {
        let page = store.feed(read.clone()).await.unwrap();
        assert!(page.through > read.after, "a read of the feed always comes further");
        read.after = page.through;
        found.extend(page.records);
    }
    found
}

/// Records without their values; of recent ones memory has no previous version.
fn without_values(records: &[Arc<Stored>]) -> Vec<(RecordName, Seq, Record)> {
    let bare = |record: &Record| Record { previous: None, value: Bytes::new(), ..record.clone() };
    records.iter().map(|it| (it.name.clone(), it.seq, bare(&it.record))).collect()
}

/// A third in the base alone, a third overwritten since, a third recent alone.
#[test]
fn feeds_and_scans_of_some_partitions_have_all_of_those_and_no_others() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (store, Threads { writer, mut applier, .. }) =
        LocalStore::assemble(&config(folder.path()), Arc::new(RealDisk), Driver::Threads).unwrap();
    let writer = std::thread::spawn(move || writer.run());
    let put = |keys: std::ops::Range<usize>, round: usize| {
        for key in keys {
            let value = (key % 5 != round).then(|| format!("[{key},{round}]"));
            runtime.block_on(store.write(write(key, value))).unwrap();
        }
    };
    put(0..KEYS * 2 / 3, 0);
    applier.apply().unwrap();
    put(KEYS / 3..KEYS, 1);

    let (all, reversed) = runtime.block_on(async {
        (scan(&store, None, true, false).await, feed(&store, None, true).await)
    });
    assert!(all.len() > KEYS / 2 && all.len() == reversed.len());
    for step in [1, 2, 3, 1024] {
        let some = Partition::all().filter(|partition| partition.number() % step == 0);
        let mut partitions = PartitionSet::default();
        some.for_each(|partition| assert!(partitions.insert(partition)));
        let partitions = Arc::new(partitions);
        let of = |records: &[Arc<Stored>]| -> Vec<Arc<Stored>> {
            let inside = |it: &&Arc<Stored>| partitions.contains(Partition::of(&it.name));
            records.iter().filter(inside).cloned().collect()
        };
        runtime.block_on(async {
            assert_eq!(feed(&store, Some(&partitions), true).await, of(&reversed));
            let bare = feed(&store, Some(&partitions), false).await;
            assert!(bare.iter().all(|it| it.record.value.is_empty()));
            assert_eq!(without_values(&bare), without_values(&of(&reversed)));
            let gone = |records: Vec<Arc<Stored>>| -> Vec<Arc<Stored>> {
                records.into_iter().filter(|it| !it.record.holds_value()).collect()
            };
            let read =
                FeedRead { partitions: Some(Arc::clone(&partitions)), gone: true, ..part(0) };
            assert_eq!(gone(feed_of(&store, read).await), gone(of(&reversed)));
            assert_eq!(scan(&store, Some(&partitions), true, false).await, of(&all));
            let bare = scan(&store, Some(&partitions), false, true).await;
            let mut expected = without_values(&of(&all));
            expected.reverse();
            assert_eq!(without_values(&bare), expected);
        });
    }
    store.shared.fail("the run is over");
    writer.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_tell_of_what_the_journal_had_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = LocalStore::open(&config(folder.path())).unwrap();
        for key in 0..50 {
            let value = (key % 4 != round).then(|| format!("[{key},{round}]"));
            store.write(write(key, value)).await.unwrap();
        }
        let expected = expected_digests(&store).await;
        let told = async {
            while store.digests().as_ref() != Some(&expected) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), told).await.expect("the digests stay wrong");
        store.shared.fail("killed by the test");
    }
    let store = LocalStore::open(&config(folder.path())).unwrap();
    store.close().await;
    drop(store);
    assert_eq!(crate::verify::verify(folder.path()).unwrap().problems, vec![]);
}

/// The bytes of the file in which this text stands are another's now.
fn damage(path: &Path, text: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = (0..=bytes.len() - text.len()).find(|at| bytes[*at..].starts_with(text)).unwrap();
    bytes[at + text.len() - 1] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arrival_mends_a_record_that_is_damaged_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    store.write(write(1, Some("\"to be damaged\"".to_owned()))).await.unwrap();
    store.write(write(2, Some("2".to_owned()))).await.unwrap();
    let sound = store.get(name(1)).await.unwrap().unwrap();
    store.close().await;
    drop(store);
    damage(&folder.path().join("base.sqlite"), b"to be damaged");

    let store = LocalStore::open(&config(folder.path())).unwrap();
    assert!(store.get(name(1)).await.is_err());
    let (record, request, fresh) = (sound.record.clone(), None, false);
    let copy = Arrival { name: name(1), record, request, fresh, over: Over::Older };
    let taken_in = store.take_in(vec![copy.clone(), copy], Durability::Sync).await.unwrap();
    assert_eq!(taken_in, [TakenIn::Applied { unseen: None }, TakenIn::Kept(sound.record.stamp())]);
    assert_eq!(store.get(name(1)).await.unwrap().unwrap().record, sound.record);
    assert_eq!(store.digests(), Some(expected_digests(&store).await));
    store.close().await;
    drop(store);
    assert_eq!(crate::verify::verify(folder.path()).unwrap().problems, vec![]);
}

/// Somebody may have got it, so it must not be given to another write.
#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_of_which_nothing_was_written_is_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let [node, copy] = ["node", "copy"].map(|name| folder.path().join(name));
    let store = LocalStore::open(&config(&node)).unwrap();
    store.write(write(1, Some("1".to_owned()))).await.unwrap();
    // The ceiling of that write's frame is passed.
    tokio::time::sleep(Duration::from_millis(2 * CLOCK_CEILING_MILLIS)).await;
    let proposed = store.propose(write(1, Some("2".to_owned()))).await.unwrap();
    let Proposed::Stamped { record: proposed, .. } = proposed else {
        panic!("not stamped: {proposed:?}");
    };
    // A crash, and a clock that was set back.
    fs::create_dir(&copy).unwrap();
    super::rot::copy(&node, &copy);
    let config = StoreConfig { clock: Arc::new(SetClock::default()), ..config(&copy) };
    let restarted = LocalStore::open(&config).unwrap();
    let written = restarted.write(write(1, Some("3".to_owned()))).await.unwrap();
    assert!(matches!(written, Written::Done { version, .. } if version > proposed.version));
}

/// A clock that stands where it was set.
#[derive(Default)]
struct SetClock(AtomicU64);

impl WallClock for SetClock {
    fn now(&self) -> UnixMillis {
        self.0.load(Ordering::Relaxed)
    }

    fn sleep(&self, _: Duration) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_clock_that_is_not_trusted_nothing_expires_and_nothing_is_forgotten() {
    const HOUR: u64 = 60 * 60 * 1000;
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::default());
    clock.0.store(100 * HOUR, Ordering::Relaxed);
    let config = StoreConfig { clock: clock.clone(), ..config(folder.path()) };
    let (store, Threads { writer, mut applier, mut expirer }) =
        LocalStore::assemble(&config, Arc::new(RealDisk), Driver::Threads).unwrap();
    let writer = std::thread::spawn(move || writer.run());
    let change = Change::Put { value: Bytes::from_static(b"1"), expiry: Some(101 * HOUR) };
    store.write(Write { change, ..write(1, None) }).await.unwrap();
    store.write(write(2, Some("2".to_owned()))).await.unwrap();
    store.write(write(2, None)).await.unwrap();
    applier.apply().unwrap();
    clock.0.store(1_000 * HOUR, Ordering::Relaxed);
    for trusted in [false, true] {
        store.trust_clock(trusted);
        let mut mark = |due| store.shared.submissions.mark_expired(due);
        tokio::task::block_in_place(|| expirer.look(&mut mark).unwrap());
        let stored = store.get(name(1)).await.unwrap().unwrap();
        assert_eq!(stored.record.expired, trusted);
        applier.apply().unwrap();
        assert_eq!(applier.sweep().unwrap() > 0, trusted);
    }
    store.shared.fail("the run is over");
    writer.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_arrivals_than_one_group_has_are_answered_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    let arrivals: Vec<_> = (0..2500).map(|nth| arrival(name(nth % 2000), 7, "1")).collect();
    let taken_in = store.take_in(arrivals, Durability::Relaxed).await.unwrap();
    let kept = TakenIn::Kept(arrival(name(0), 7, "1").record.stamp());
    let expected = [vec![TakenIn::Applied { unseen: None }; 2000], vec![kept; 500]].concat();
    assert_eq!(taken_in, expected);
    let groups = store.stats().groups;
    assert!(groups >= 2, "{groups}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_goes_on_at_its_position_or_where_its_epoch_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    for key in 0..3 {
        store.write(write(key, Some("1".to_owned()))).await.unwrap();
    }
    let first = store.position();
    store.close().await;
    drop(store);
    let store = LocalStore::open(&config(folder.path())).unwrap();
    store.write(write(3, Some("1".to_owned()))).await.unwrap();
    let second = store.position();
    let from = |position, seq| store.follow_from(FeedPosition { seq, ..position });
    assert_eq!([from(first, 2), from(first, 3), from(first, 4)], [2, 3, 3]);
    assert_eq!([from(second, 0), from(second, 4), from(second, 9)], [0, 4, 4]);
    let elsewhere = FeedPosition { node: NodeId(7), ..second };
    let unknown = FeedPosition { epoch: Epoch(7), ..second };
    assert_eq!([from(elsewhere, 2), from(unknown, 2)], [0, 0]);
}

const NOTE: Bytes = Bytes::from_static(b"what I know of my cluster");

/// A folder with a note.
async fn noted() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&config(folder.path())).unwrap();
    assert_eq!(store.kept(), None);
    store.write(write(1, Some("1".to_owned()))).await.unwrap();
    store.keep(Bytes::from_static(b"older")).await.unwrap();
    store.keep(NOTE).await.unwrap();
    assert_eq!(store.kept(), Some(NOTE));
    store.shared.fail("killed by the test");
    let path = folder.path().join("CLUSTER");
    (folder, path)
}

/// What verify and an opening say of a note that cannot be used, and that salvage helps.
async fn refused_and_salvaged(folder: &Path, note: &Path, what: &str) {
    let problems = crate::verify::verify(folder).unwrap().problems;
    assert_eq!(problems.iter().map(|it| it.part).collect::<Vec<_>>(), [Part::Note]);
    let refused = LocalStore::open(&config(folder)).err().unwrap();
    assert!(matches!(&refused, OpenError::Note { path, .. } if path == note), "{refused}");
    assert!(refused.to_string().contains(what), "{refused}");
    let salvaged = crate::salvage::salvage(folder).unwrap();
    assert_eq!(salvaged.note_set_aside, Some(folder.join("CLUSTER.salvaged-1")));
    let store = LocalStore::open(&config(folder)).unwrap();
    assert_eq!(store.kept(), None);
    assert!(store.get(name(1)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_there_after_a_kill_and_a_damaged_one_is_refused() {
    let (folder, note) = noted().await;
    drop(LocalStore::open(&config(folder.path())).unwrap());
    let store = LocalStore::open(&config(folder.path())).unwrap();
    assert_eq!(store.kept(), Some(NOTE));
    drop(store);
    damage(&note, &NOTE);
    refused_and_salvaged(folder.path(), &note, "damaged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_another_node_is_refused() {
    let (folder, note) = noted().await;
    let (_other, others) = noted().await;
    fs::copy(others, &note).unwrap();
    refused_and_salvaged(folder.path(), &note, "it is node").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn salvage_keeps_the_note_unless_records_are_lost() {
    let (folder, note) = noted().await;
    let salvaged = crate::salvage::salvage(folder.path()).unwrap();
    assert_eq!((salvaged.note_set_aside, note.exists()), (None, true));
    let store = LocalStore::open(&config(folder.path())).unwrap();
    assert_eq!(store.kept(), Some(NOTE));
    let sync =
        |key| Write { durability: Durability::Sync, ..write(key, Some("\"here\"".to_owned())) };
    store.write(sync(2)).await.unwrap();
    store.write(sync(3)).await.unwrap();
    store.shared.fail("killed by the test");
    drop(store);
    let segments = fs::read_dir(folder.path().join("journal")).unwrap();
    let segment = segments.map(|entry| entry.unwrap().path()).min().unwrap();
    damage(&segment, b"\"here\"");
    let salvaged = crate::salvage::salvage(folder.path()).unwrap();
    assert!(!salvaged.damages.is_empty());
    assert!(salvaged.note_set_aside.is_some_and(|path| path.exists()) && !note.exists());
}
