//! Writes that something newer stands in the way of, at another owner, which their node has not seen
//! (`docs/adr/0021`).

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::Consistency::{All, One};
use dynarust_core::limits::FEED_PAGE_RECORDS_MAX;
use dynarust_core::{NodeId, Partition, Record, Seq, Stored, Version};
use dynarust_store::Durability;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::members::{Members, name, put, until, until_found};
use super::wires::Way;
use crate::mesh::Channel;
use crate::{Acknowledged, Put, RefusedWrite};

type Writing = JoinHandle<Result<Acknowledged, RefusedWrite>>;

const TO_THE_OTHER: Way = Way { from: 0, to: 1, channel: Channel::Data };
const FROM_THE_OTHER: Way = Way { from: 1, to: 0, channel: Channel::Data };

/// What another node stamped a little later than that.
fn later(than: Version, previous: Option<Version>) -> Record {
    Record {
        version: Version { hlc: than.hlc + 1000, node: NodeId(77) },
        previous,
        expiry: None,
        tombstone: false,
        expired: false,
        value: Bytes::from_static(b"newer"),
    }
}

/// A write at all owners that has come to node 1, and not to node 2: there lies already what `made` makes of its
/// version. The version and seq of the write.
async fn write_in_its_way(
    members: &Members,
    made: impl FnOnce(Version) -> Record,
) -> (Writing, Version, Seq) {
    // What is newer comes to node 0 by no other way.
    members.store(0).hold_arrivals(true);
    let to_the_third = Way { from: 0, to: 2, channel: Channel::Data };
    members.wires.shut(to_the_third);
    let write = members.begin(0, "key", "mine", All);
    until_found("it is at node 1", async || members.held(1, "key").await.is_some()).await;
    let mine = members.stored(0, "key").await.unwrap();
    let version = mine.record.version;
    members.take_in(2, "key", made(version)).await;
    members.wires.open(to_the_third);
    (write, version, mine.seq)
}

/// Node 2 has what node 0 published as that.
async fn until_taken(members: &Members, seq: Seq) {
    let source = members.id(0);
    let positions = &members.node(2).cluster.positions;
    until("it was taken in", || positions.get(source).is_some_and(|it| it.seq >= seq)).await;
}

async fn assert_above(write: Writing, newer: Version) {
    let acknowledged = write.await.unwrap().unwrap();
    assert!(acknowledged.version > newer, "acknowledged below what it did not see");
}

/// Whoever is shipped a write says what stands in its way.
#[tokio::test(start_paused = true)]
async fn a_write_is_stamped_anew_above_what_it_is_shipped_to() {
    let members = Members::running(3).await;
    let (write, mine, _) = write_in_its_way(&members, |mine| later(mine, None)).await;
    assert_above(write, later(mine, None).version).await;
}

/// That it stands in the way is told once, with an acknowledgement; and again where that went down with its link.
#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_told_again_over_the_next_link() {
    let members = Members::running(3).await;
    let acknowledgements = Way { from: 2, to: 0, channel: Channel::Data };
    members.wires.shut(acknowledgements);
    let (write, mine, seq) = write_in_its_way(&members, |mine| later(mine, None)).await;
    until_taken(&members, seq).await;
    let link = members.link(0, 2, Channel::Data).unwrap();
    members.wires.cut(0, 2);
    until("the link is given up", || members.link(0, 2, Channel::Data).is_none()).await;
    assert!(link.is_closed());
    members.wires.heal(0, 2);
    assert_above(write, later(mine, None).version).await;
}

/// Who wrote over a write had read it: it has been there, and is over.
#[tokio::test(start_paused = true)]
async fn what_was_written_over_is_not_written_again() {
    let members = Members::running(3).await;
    let (write, mine, _) = write_in_its_way(&members, |mine| later(mine, Some(mine))).await;
    assert_eq!(write.await.unwrap().unwrap().version, mine);
    members.store(0).hold_arrivals(false);
    for number in 0..3 {
        let is_over = async || members.held(number, "key").await.as_deref() == Some(b"newer");
        until_found("what was written over it stays", is_over).await;
    }
}

/// A write at both of two nodes, of which the other one does not hear: nothing comes over its link from now on.
async fn write_that_is_not_heard(members: &Members) -> (Writing, Arc<Stored>) {
    // What is newer comes to node 0 by no other way.
    members.store(0).hold_arrivals(true);
    members.wires.shut(TO_THE_OTHER);
    members.wires.shut(FROM_THE_OTHER);
    let write = members.begin(0, "key", "mine", All);
    until_found("it is published", async || members.held(0, "key").await.is_some()).await;
    (write, members.stored(0, "key").await.unwrap())
}

/// The two have given up the link between them, and what was held in it.
async fn until_given_up(members: &Members) {
    let lost = |one, other| members.link(one, other, Channel::Data).is_none();
    until("the link is given up", || lost(0, 1) && lost(1, 0)).await;
}

/// The next link is there soon.
fn link_anew(members: &Members) {
    members.wires.open(TO_THE_OTHER);
    members.wires.open(FROM_THE_OTHER);
}

/// Whoever comes back and reads what it has missed says what stands in its way.
#[tokio::test(start_paused = true)]
async fn a_write_is_stamped_anew_above_what_stands_where_it_is_read() {
    let members = Members::running(2).await;
    let (write, mine) = write_that_is_not_heard(&members).await;
    let newer = later(mine.record.version, None);
    members.take_in(1, "key", newer.clone()).await;
    members.store(0).forget_feeds_read();
    until_given_up(&members).await;
    link_anew(&members);
    assert_above(write, newer.version).await;
    assert!(members.store(0).feeds_read().iter().any(|after| *after < mine.seq), "it was read");
}

/// It is written over here before the other one reads it, by a later write that nothing stands in the way of: what
/// the other one reads, to the end of its page, is neither. That it has read so far does not count for the first.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_written_over_before_it_is_read_is_stamped_anew() {
    let members = Members::running(2).await;
    let (write, mine) = write_that_is_not_heard(&members).await;
    let newer = later(mine.record.version, None);
    members.take_in(1, "key", newer.clone()).await;
    until_given_up(&members).await;
    let asks = Way { channel: Channel::Bulk, ..FROM_THE_OTHER };
    members.wires.shut(asks);
    link_anew(&members);
    let (acks, other) = (&members.node(0).cluster.acks, members.id(1));
    until("the other one follows, behind it", || acks.reached(other, mine.seq)).await;
    members.wires.shut(TO_THE_OTHER);
    let between = (0..FEED_PAGE_RECORDS_MAX)
        .map(|nth| Put { durability: Durability::Relaxed, ..put(&nth.to_string(), "0", One) });
    for between in join_all(between.map(|it| members.node(0).put(it))).await {
        between.unwrap();
    }
    let second = members.put(0, "key", "second", One).await.unwrap();
    assert!(second.version > newer.version, "nothing stands in its way");
    members.wires.open(asks);
    let partition = Partition::of(&name("key"));
    until("it has caught up", || acks.has_all(other, partition, mine.seq)).await;
    members.wires.open(TO_THE_OTHER);
    assert_above(write, newer.version).await;
}

/// What is newer takes its place here: it is stamped anew at once, whoever may read it.
#[tokio::test(start_paused = true)]
async fn a_write_is_stamped_anew_above_what_takes_its_place() {
    let members = Members::running(2).await;
    let (write, mine) = write_that_is_not_heard(&members).await;
    members.store(0).hold_arrivals(false);
    members.wires.open(FROM_THE_OTHER);
    members.clock(1).set_ahead(10);
    let newer = members.put(1, "key", "newer", One).await.unwrap().version;
    assert!(newer > mine.record.version);
    let anew = async || members.stored(0, "key").await.unwrap().record.version > newer;
    until_found("it is stamped anew", anew).await;
    members.wires.open(TO_THE_OTHER);
    assert_above(write, newer).await;
}

/// The same, where that is not known any more by the time that the other one has read on: too much was noted since,
/// or, here, nothing ever was.
#[tokio::test(start_paused = true)]
async fn a_write_whose_place_is_taken_before_it_is_read_is_stamped_anew() {
    let members = Members::running(2).await;
    let (write, mine) = write_that_is_not_heard(&members).await;
    members.store(0).hold_arrivals(false);
    let newer = later(mine.record.version, None);
    for number in [0, 1] {
        members.take_in(number, "key", newer.clone()).await;
    }
    until_given_up(&members).await;
    link_anew(&members);
    assert_above(write, newer.version).await;
}
