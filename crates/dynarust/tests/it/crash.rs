//! kill -9 under load: nothing that was acknowledged is gone.

use std::time::Duration;

use rand::RngExt;

use crate::herd::{End, Herd};
use crate::node::{Launch, verify};
use crate::seed::{dice, rounds};

/// The full form is `DYNARUST_CRASH_ROUNDS=100`.
#[test]
fn synced_writes_and_deletes_survive_kill_9() {
    survive_kill_9("sync", rounds("DYNARUST_CRASH_ROUNDS", 5));
}

/// `relaxed` may lose its last moments in a power cut, but not when only the program dies: what was
/// acknowledged was written to the log, which the kernel keeps.
#[test]
fn relaxed_writes_and_deletes_survive_kill_9() {
    survive_kill_9("relaxed", rounds("DYNARUST_CRASH_ROUNDS", 5).div_ceil(5));
}

fn survive_kill_9(durability: &'static str, rounds: u32) {
    let mut dice = dice("crash");
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let mut herd = Herd::new(16, durability, &mut dice);
    let mut node = launch.start();
    for round in 0..rounds {
        let moment = Duration::from_millis(dice.random_range(20..800));
        let ends = herd.work_until(launch.address(), || {
            std::thread::sleep(moment);
            node.kill9();
        });
        assert!(ends.iter().all(|end| matches!(end, End::Broken)), "before the kill: {ends:?}");
        if dice.random_ratio(1, 3) {
            // It dies again while it comes back.
            let dying = launch.spawn();
            std::thread::sleep(Duration::from_millis(dice.random_range(0..60)));
            dying.kill9();
        }
        verify(launch.folder());
        node = launch.start();
        let differences = herd.differences(&mut node.client());
        assert!(differences.is_empty(), "round {round}, after {moment:?}: {differences:#?}");
    }
    node.terminate();
    verify(launch.folder());
    let node = launch.start();
    assert_eq!(herd.differences(&mut node.client()), Vec::<String>::new(), "after a clean stop");
    assert!(herd.writes() > u64::from(rounds) * 100, "hardly a load: {}", herd.writes());
}

/// A node that dies again and again, each time before it comes to its housekeeping, must not pile up a
/// journal: that would make each start slower than the one before, and fill the disk.
#[test]
fn short_lives_do_not_pile_up_the_journal() {
    const LIVES: u64 = 24;
    const SEGMENTS_MAX: usize = 12;
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    for life in 0..LIVES {
        let node = launch.start();
        node.client().put("t", "lives", &life.to_string()).unwrap().expect(200);
        node.kill9();
    }
    let segments = std::fs::read_dir(launch.folder().join("journal")).unwrap().count();
    assert!(segments <= SEGMENTS_MAX, "{segments} segments of the journal after {LIVES} lives");
    let lives = launch.start().client().read("t", "lives").unwrap().expect(200);
    assert_eq!(lives.value(), (LIVES - 1).to_string());
}
