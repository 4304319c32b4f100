//! A node that comes copies each partition from one owner, and has all that the others have besides.

use dynarust_core::Consistency::{All, One};
use dynarust_core::Partition;

use super::members::{Members, name, until};
use super::wires::Way;
use crate::mesh::Channel;

const RECORDS: usize = 200;

fn key(number: usize) -> String {
    format!("key-{number}")
}

/// Whether the node serves all that it is to own.
fn serves_its_share(members: &Members, number: usize) -> bool {
    let view = members.node(number).cluster.view();
    let serves = view.own().map(|own| own.serves.clone()).unwrap_or_default();
    let owned = view.placement.owned(members.id(number));
    view.members().count() > 1 && owned.difference(&serves).is_empty()
}

/// The keys that the node is to own, by number.
fn owned_by(members: &Members, number: usize) -> Vec<usize> {
    let owned = members.node(number).cluster.view().placement.owned(members.id(number));
    (0..RECORDS).filter(|it| owned.contains(Partition::of(&name(&key(*it))))).collect()
}

#[tokio::test(start_paused = true)]
async fn each_record_comes_once() {
    let mut members = Members::running_of_seats(3, 4).await;
    for number in 0..RECORDS {
        members.put(number % 3, &key(number), "1", All).await.unwrap();
    }
    members.start(3);
    members.until_whole().await;
    let owned = owned_by(&members, 3);
    for number in &owned {
        assert!(members.held(3, &key(*number)).await.is_some(), "{number} is missing");
    }
    let received = members.node(3).cluster.stats().catch_up_records_received;
    assert_eq!(received, owned.len() as u64, "records of its share");
}

/// Two of three owners lack what the third has: records, and tombstones of records that they never had.
#[tokio::test(start_paused = true)]
async fn what_one_owner_alone_has_comes_too() {
    let mut members = Members::running_of_seats(3, 4).await;
    for other in [0, 2] {
        members.store(other).hold_arrivals(true);
    }
    // A delete is carried out by the first owner.
    let deleted: Vec<usize> =
        (0..RECORDS).filter(|number| members.serving(&key(*number))[0] == 1).collect();
    for number in 0..RECORDS {
        members.put(1, &key(number), "1", One).await.unwrap();
    }
    for number in &deleted {
        members.delete(1, &key(*number), One).await.unwrap();
    }
    members.start(3);
    until("the new node serves its share", || serves_its_share(&members, 3)).await;
    let owned = owned_by(&members, 3);
    assert!(deleted.iter().any(|number| owned.contains(number)));
    for number in owned {
        let stored = members.stored(3, &key(number)).await;
        let stored = stored.unwrap_or_else(|| panic!("nothing is known of {number}"));
        assert_eq!(stored.record.tombstone, deleted.contains(&number), "{number}");
    }
}

/// What came before a copy was cut off need not come again.
#[tokio::test(start_paused = true)]
async fn a_copy_that_was_cut_off_by_a_restart_goes_on() {
    let mut members = Members::running_of_seats(3, 4).await;
    for number in 0..RECORDS {
        members.put(number % 3, &key(number), "1", All).await.unwrap();
    }
    let way = Way { from: 1, to: 3, channel: Channel::Bulk };
    members.wires.shut(way);
    members.start(3);
    until("most of its share is there", || {
        let view = members.node(3).cluster.view();
        let owned = view.placement.owned(members.id(3)).len();
        let received = members.node(3).cluster.stats().catch_up_records_received;
        view.others().count() == 3 && owned > 0 && received > (RECORDS / 4) as u64
    })
    .await;
    let before = members.node(3).cluster.stats().catch_up_records_received;
    assert!(!serves_its_share(&members, 3));
    members.kill(3).await;
    members.wires.open(way);
    members.start(3);
    members.until_whole().await;
    let owned = owned_by(&members, 3);
    for number in &owned {
        assert!(members.held(3, &key(*number)).await.is_some(), "{number} is missing");
    }
    let received = members.node(3).cluster.stats().catch_up_records_received;
    assert!(received + before <= owned.len() as u64, "{before} before, and {received} again");
}
