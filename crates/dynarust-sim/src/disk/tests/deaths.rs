//! Nodes that die within a call of their disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dynarust_store::{Durability, LocalStore, Store as _, StoreConfig, WriteError};

use super::super::{Dies, Moment, Operation};
use super::Node;

#[test]
fn who_dies_within_a_sync_answers_nobody_and_the_write_stands_if_it_was_behind() {
    let mut lost = 0;
    for seed in 0..20 {
        for moment in [Moment::Before, Moment::After] {
            let mut node = Node::new(seed);
            node.put(1, "1", Durability::Sync).unwrap();
            let told = Arc::new(AtomicBool::new(false));
            let theirs = Arc::clone(&told);
            node.told = Some(theirs);
            node.kill();
            node.disk.die(Dies { within: Some(Operation::Sync), behind: 0, moment });
            let written = node.put(2, "2", Durability::Sync);
            assert!(matches!(written, Err(WriteError::Stopped(_))), "{written:?}");
            assert!(told.load(Ordering::Relaxed) && node.disk.is_dead());
            node.told = None;
            assert!(node.store().failure().is_some());
            node.power_cut();
            assert_eq!(node.value(1), Some("1".into()));
            match moment {
                Moment::After => assert_eq!(node.value(2), Some("2".into())),
                Moment::Before => lost += u64::from(node.value(2).is_none()),
            }
            node.put(3, "3", Durability::Sync).unwrap();
            node.assert_sound();
        }
    }
    assert!((3..18).contains(&lost), "{lost}");
}

#[test]
fn wherever_a_node_dies_it_starts_again_with_all_that_was_acknowledged() {
    for behind in (0..60).step_by(3) {
        for moment in [Moment::Before, Moment::After] {
            let mut node = Node::new(behind);
            node.disk.die(Dies { within: None, behind, moment });
            let value = format!("\"{}\"", "x".repeat(1000));
            let mut acknowledged = Vec::new();
            for key in 0..40 {
                if node.put(key, &value, Durability::Sync).is_ok() {
                    acknowledged.push(key);
                }
                if key % 10 == 9 {
                    node.hands().apply();
                }
            }
            assert!(node.disk.is_dead(), "{behind}");
            node.power_cut();
            let lost = acknowledged.iter().find(|key| node.value(**key).is_none());
            assert_eq!(lost, None, "behind {behind} operations, {moment:?}");
            node.put(1, "1", Durability::Sync).unwrap();
            while node.hands().apply() {}
            node.assert_sound();
        }
    }
}

#[test]
fn who_dies_within_its_applier_starts_again_with_all_that_was_acknowledged() {
    for steps in 0..8 {
        let mut node = Node::new(steps);
        for key in 0..20 {
            node.put(key, &format!("\"{}\"", "x".repeat(1000)), Durability::Sync).unwrap();
        }
        node.hands().end_behind(Some(steps));
        while node.hands().apply() {}
        if node.hands().have_failed() {
            node.disk.applier_has_died();
        }
        node.power_cut();
        assert!((0..20).all(|key| node.value(key).is_some()), "behind {steps} steps");
        node.assert_sound();
    }
}

#[test]
fn who_dies_while_starting_starts_again() {
    let mut deaths = 0;
    for behind in 0..12 {
        let mut node = Node::new(behind);
        for key in 0..20 {
            node.put(key, &format!("\"{}\"", "x".repeat(1000)), Durability::Sync).unwrap();
        }
        node.open = None;
        let disk = node.disk.start(|| {});
        node.disk.die(Dies { within: None, behind, moment: Moment::After });
        let opened = LocalStore::open_by_hand(&StoreConfig::new(node.folder()), disk);
        deaths += u64::from(opened.is_err());
        assert!(opened.is_err() || !node.disk.is_dead());
        drop(opened);
        node.power_cut();
        assert!((0..20).all(|key| node.value(key).is_some()));
        node.assert_sound();
    }
    assert!(deaths > 5, "{deaths}");
}

#[test]
fn a_start_that_is_over_does_nothing_any_more() {
    let mut node = Node::new(1);
    node.put(1, "1", Durability::Sync).unwrap();
    let folder = node.folder();
    let before = node.disk.start(|| {});
    let path = folder.join("journal").join("x.new");
    let mut file = before.create(&path).unwrap();
    file.write_at(b"1", 0).unwrap();
    let after = node.disk.start(|| {});
    assert!(file.write_at(b"2", 0).is_err() && file.sync().is_err());
    assert!(before.remove(&path).is_err() && before.read(&path).is_err());
    assert_eq!(after.read(&path).unwrap(), b"1");
    assert!(matches!(node.put(1, "2", Durability::Sync), Err(WriteError::Stopped(_))));
}
