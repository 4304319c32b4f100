//! An owner that comes in serves once it has all that those have who serve.

use std::time::Duration;

use dynarust_core::Consistency::{All, Available, One};
use dynarust_core::limits::SILENCE_MILLIS_MAX;
use dynarust_core::{Partition, Replicas};
use tokio::time::sleep;

use super::members::{Members, name, until, until_found};
use super::wires::Way;
use crate::mesh::Channel;

/// Nodes 0 and 1 hold "old"; node 2 has come in, and can copy nothing yet.
async fn one_comes_in() -> Members {
    let mut members = Members::running_of_seats(2, 3).await;
    members.put(0, "old", "1", All).await.unwrap();
    for source in [0, 1] {
        hold_copies(&members, source, true);
    }
    members.start(2);
    let linked = || {
        let known = |number| members.node(number).cluster.view().members().count() == 3;
        [0, 1, 2].iter().all(|number| known(*number))
            && [0, 1].iter().all(|number| members.link(2, *number, Channel::Data).is_some())
    };
    until("node 2 is a member, and linked", linked).await;
    members
}

fn hold_copies(members: &Members, source: usize, hold: bool) {
    for (from, to) in [(source, 2), (2, source)] {
        let way = Way { from, to, channel: Channel::Bulk };
        if hold { members.wires.shut(way) } else { members.wires.open(way) }
    }
}

/// Whether all three know that node 2 serves the key.
fn serves(members: &Members, key: &str) -> bool {
    let partition = Partition::of(&name(key));
    let id = members.id(2);
    let says = |number| members.node(number).cluster.view().serving(partition).contains(&id);
    [0, 1, 2].iter().all(|number| says(*number))
}

/// It is sent what is written meanwhile, and neither counts nor answers for what it does not serve.
#[tokio::test(start_paused = true)]
async fn it_is_sent_writes_and_not_counted() {
    let members = one_comes_in().await;
    let acknowledged = members.put(0, "new", "1", All).await.unwrap();
    assert_eq!(acknowledged.replicas, Replicas { stand: 2, owners: 2 });
    let has = async || members.held(2, "new").await.is_some();
    until_found("node 2 was sent the write", has).await;
    // Node 2 alone does not make a majority of those that serve.
    members.store(1).hold_arrivals(true);
    let write = members.begin(0, "newer", "1", Available);
    let has = async || members.held(2, "newer").await.is_some();
    until_found("node 2 was sent the next one, too", has).await;
    sleep(Duration::from_millis(SILENCE_MILLIS_MAX / 2)).await;
    assert!(!write.is_finished(), "counted for a partition that it does not serve");
    members.store(1).hold_arrivals(false);
    assert_eq!(write.await.unwrap().unwrap().replicas, Replicas { stand: 2, owners: 2 });
    // Asked, it asks those that serve.
    for consistency in [One, Available] {
        let found = members.get(2, "old", consistency).await.unwrap();
        assert_eq!(found.stored.unwrap().record.value, "1", "at {consistency:?}");
    }
    assert_eq!(members.held(2, "old").await, None);
    assert!(!serves(&members, "old"));
}

/// It serves nothing, not even what it has copied from one of them, while another's feed is to be read: that
/// one may have what the others lack.
#[tokio::test(start_paused = true)]
async fn it_serves_once_it_has_read_all_of_their_feeds() {
    let members = one_comes_in().await;
    hold_copies(&members, 0, false);
    sleep(Duration::from_secs(10)).await;
    let own = members.node(2).cluster.view().own().unwrap().clone();
    assert!(own.serves.is_empty(), "it serves {} partitions", own.serves.len());
    hold_copies(&members, 1, false);
    members.until_whole().await;
    assert!(serves(&members, "old"));
    let acknowledged = members.put(0, "new", "2", All).await.unwrap();
    assert_eq!(acknowledged.replicas, Replicas { stand: 3, owners: 3 });
}
