//! Records that rot at rest are errors on their keys, and nothing else.

use dynarust_store::{Durability, ReadError, Store as _};
use futures_util::FutureExt;

use super::{Node, name};

fn assert_only_one_is_corrupt(node: &mut Node, rotten: u64) {
    for key in 0..20 {
        let found = node.store().get(name(key)).now_or_never().unwrap();
        match key == rotten {
            true => assert_eq!(found, Err(ReadError::CorruptRecord(name(key)))),
            false => assert!(found.unwrap().is_some(), "{key}"),
        }
    }
    // Writing it mends it.
    node.put(rotten, "1", Durability::Sync).unwrap();
    while node.hands().apply() {}
    node.kill();
    assert_eq!(node.value(rotten), Some("1".into()));
    node.assert_sound();
}

fn at_rest_only() -> Node {
    let mut node = Node::new(1);
    for key in 0..20 {
        node.put(key, &format!("\"{}\"", "x".repeat(500)), Durability::Sync).unwrap();
    }
    while node.hands().apply() {}
    // So that it knows none by heart.
    node.kill();
    node
}

#[test]
fn a_bit_flips_under_a_node_that_runs() {
    let mut node = at_rest_only();
    let folder = node.folder();
    assert!(node.disk.flip(&folder, &name(7)));
    assert!(!node.disk.flip(&folder, &name(99)));
    assert!([7, 8, 99].map(|key| node.disk.is_rotten(&folder, &name(key))) == [true, false, false]);
    assert_eq!(node.disk.tally().flipped, 1);
    assert_only_one_is_corrupt(&mut node, 7);
}

#[test]
fn a_bit_flips_under_a_node_that_is_down() {
    let mut node = at_rest_only();
    node.open = None;
    assert!(node.disk.flip(&node.folder(), &name(3)));
    node.start();
    assert_only_one_is_corrupt(&mut node, 3);
}
