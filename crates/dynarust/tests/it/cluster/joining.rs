//! Nodes that are started in any order, and become one cluster.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::agreement::active_nodes;
use super::nodes::{Plan, SECRET};
use crate::node::{Launch, Port, wait_for};
use crate::seed::rounds;

/// All that three nodes can be started in.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [1, 0, 2], [2, 0, 1]];

#[test]
fn a_second_node_makes_it_two() {
    let mut cluster = Plan::default().prepare(2);
    cluster.start_one(0);
    cluster.client(0).put("t", "before", "1").unwrap().expect(200);
    cluster.start_one(1);
    cluster.until_members(2);
    cluster.client(1).put("t", "after", "2").unwrap().expect(200);
    assert_eq!(cluster.until_equal("t").len(), 2);
    for node in [0, 1] {
        let mut client = cluster.client(node);
        assert_eq!(client.read("t", "before").unwrap().expect(200).value(), "1");
        assert_eq!(client.read("t", "after").unwrap().expect(200).value(), "2");
    }
}

/// It waits for the node that it is to join, and founds no cluster of its own.
#[test]
fn the_second_node_may_come_first() {
    let mut cluster = Plan::default().prepare(2);
    cluster.spawn(1);
    // It has tried, and says so.
    let address = cluster.address(0).to_string();
    cluster.within(Duration::from_secs(5), "a word of the first", || {
        cluster.said(1).contains(&address).then_some(()).ok_or_else(|| cluster.said(1))
    });
    let ready = cluster.client(1).get("/readyz").map(|answer| answer.status);
    assert!(ready.is_err() || ready.is_ok_and(|status| status == 503), "ready, and alone");
    cluster.spawn(0);
    cluster.until_members(2);
}

/// The long form tries every order.
#[test]
fn three_nodes_in_any_order() {
    let orders = rounds("DYNARUST_CLUSTER_ORDERS", 2).min(6);
    for order in ORDERS.into_iter().take(usize::try_from(orders).unwrap()) {
        let mut cluster = Plan::default().prepare(3);
        // The third is told of the second, not of the first.
        cluster.set_join(2, Some(1));
        for node in order {
            cluster.spawn(node);
        }
        eprintln!("{order:?}");
        cluster.until_members(3);
    }
}

#[test]
fn ten_nodes_at_once() {
    let mut cluster = Plan::default().prepare(10);
    for node in cluster.all().rev() {
        cluster.spawn(node);
    }
    cluster.until_members(10);
    cluster.client(9).put("t", "k", "1").unwrap().expect(200);
    for node in cluster.all() {
        assert_eq!(cluster.client(node).read("t", "k").unwrap().expect(200).value(), "1");
    }
}

/// A member that starts again needs nobody to tell it of the others; a folder that was wiped is a new
/// member, and gets what it is to hold.
#[test]
fn members_start_again() {
    let mut cluster = Plan::default().start(3);
    cluster.client(0).put("t", "k", "1").unwrap().expect(200);
    for node in cluster.all() {
        cluster.terminate(node);
    }
    for node in cluster.all() {
        cluster.set_join(node, None);
        cluster.spawn(node);
    }
    cluster.until_members(3);
    assert_eq!(cluster.until_equal("t").len(), 1);
    cluster.wipe_and_restart(0);
    cluster.until_members(3);
    assert_eq!(cluster.until_equal("t").len(), 1);
}

/// The first node, which was told of nobody, listens everywhere, and comes back elsewhere, as a container
/// does: it reaches the other, and is shown where it is now.
#[test]
fn a_node_that_listens_everywhere_is_shown_where_it_is() {
    let home = tempfile::tempdir().unwrap();
    let first_folder = home.path().join("first");
    let everywhere = |port: &Port| {
        let address = (Ipv4Addr::UNSPECIFIED, port.number).into();
        Launch::on(address, &first_folder).environment("CLUSTER_SECRET", SECRET)
    };
    let (before, after) = (Port::lease(), Port::lease());
    let first = everywhere(&before).start();
    let mut second = Launch::new(&home.path().join("second")).environment("CLUSTER_SECRET", SECRET);
    second.set_join(Some(before.address().to_string()));
    let node = second.start();
    let until_shown = |expected: &Port| {
        let mut expected = [expected.address().to_string(), second.address().to_string()];
        expected.sort();
        wait_for("both nodes where they are", || {
            let active = active_nodes(second.address()).ok()?;
            let shown: Vec<_> = active.into_iter().map(|(address, _)| address).collect();
            (shown == expected).then_some(())
        });
    };
    until_shown(&before);
    first.terminate();
    let _first = everywhere(&after).start();
    until_shown(&after);
    drop(node);
}
