//! Disks that fail while the node runs on.

use dynarust_store::{Durability, Store as _, WriteError};

use super::Node;

#[test]
fn a_failed_sync_stops_the_store_and_a_restart_goes_on() {
    let mut node = Node::new(1);
    node.put(1, "1", Durability::Sync).unwrap();
    node.disk.fail_sync();
    assert!(matches!(node.put(2, "2", Durability::Sync), Err(WriteError::Stopped(_))));
    assert!(matches!(node.put(3, "3", Durability::Sync), Err(WriteError::Stopped(_))));
    assert!(node.store().failure().unwrap().contains("syncing the journal"));
    assert_eq!((node.disk.tally().syncs_failed, node.disk.is_dead()), (1, false));
    node.power_cut();
    assert_eq!(node.value(1), Some("1".into()));
    node.put(3, "3", Durability::Sync).unwrap();
    node.assert_sound();
}

#[test]
fn what_is_found_behind_a_failed_sync_is_made_durable_before_anything_stands_on_it() {
    for seed in 0..12 {
        let mut node = Node::new(seed);
        node.put(1, "1", Durability::Sync).unwrap();
        node.disk.fail_sync();
        assert!(matches!(node.put(2, "2", Durability::Sync), Err(WriteError::Stopped(_))));
        // The kernel still shows it.
        node.kill();
        assert_eq!(node.value(2), Some("2".into()));
        node.put(3, "3", Durability::Sync).unwrap();
        node.power_cut();
        assert_eq!([1, 2, 3].map(|key| node.value(key).is_some()), [true; 3], "seed {seed}");
        node.assert_sound();
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_space_and_loses_nothing() {
    let value = format!("\"{}\"", "x".repeat(1000));
    let mut node = Node::new(1);
    for key in 0..30 {
        node.put(key, &value, Durability::Sync).unwrap();
    }
    node.disk.fill(true);
    for key in 30..60 {
        assert_eq!(node.put(key, &value, Durability::Sync), Err(WriteError::Full));
        assert_eq!(node.value(key), None);
    }
    assert!(node.disk.tally().writes_refused > 0);
    node.disk.fill(false);
    for key in 60..90 {
        // A try at a new segment is told of the failure of a moment ago.
        while node.put(key, &value, Durability::Sync) == Err(WriteError::Full) {
            std::thread::yield_now();
        }
    }
    node.power_cut();
    for key in 0..90 {
        assert_eq!(node.value(key).is_some(), !(30..60).contains(&key), "{key}");
    }
    node.assert_sound();
}

#[test]
fn a_segment_that_cannot_be_given_its_name_is_made_later() {
    let value = format!("\"{}\"", "x".repeat(3000));
    let mut node = Node::new(1);
    for key in 0..2 {
        node.put(key, &value, Durability::Sync).unwrap();
    }
    // With the next write the next segment begins, which is there, and the one behind it is made.
    node.disk.fail_sync();
    node.put(2, &value, Durability::Relaxed).unwrap();
    assert_eq!(node.disk.tally().syncs_failed, 1);
    for key in 3..20 {
        while node.put(key, &value, Durability::Sync).is_err() {
            assert_eq!(node.store().failure(), None);
            std::thread::yield_now();
        }
    }
    node.power_cut();
    assert!((0..20).all(|key| node.value(key).is_some()));
}
