//! A deleted record is forgotten once everybody has heard of it.

use std::time::Duration;

use dynarust_core::Consistency::{All, Available, One};
use dynarust_core::{FeedPosition, Seq};
use dynarust_store::Store;
use tokio::time::sleep;

use super::members::{Members, Plan, real_time, until};
use crate::cluster::Liveness;

/// Far longer than any node needs to tell what it remembers.
const LONG: Duration = Duration::from_secs(600);

/// Node 2 is away, and nodes 0 and 1 have deleted the key meanwhile; the seqs of that in their feeds.
async fn deleted_while_away() -> (Members, [Seq; 2]) {
    let mut members = Members::running(3).await;
    members.put(0, "key", "1", All).await.unwrap();
    members.kill(2).await;
    members.delete(0, "key", Available).await.unwrap();
    let seq = async |number| members.stored(number, "key").await.unwrap().seq;
    let seqs = [seq(0).await, seq(1).await];
    (members, seqs)
}

fn may_be_forgotten(members: &Members, seqs: [Seq; 2]) -> [bool; 2] {
    [0, 1].map(|number| members.store(number).forgets_up_to() >= seqs[number])
}

/// A tombstone waits for a member that is away, however long, over restarts too; when that member is back and
/// has it for good, it may go.
#[tokio::test(start_paused = true)]
async fn tombstones_wait_for_a_member_that_is_away() {
    let (mut members, seqs) = deleted_while_away().await;
    sleep(LONG / 2).await;
    assert_eq!(may_be_forgotten(&members, seqs), [false, false]);
    members.stop(0).await;
    members.start(0);
    let whole = || members.node(0).cluster.is_ready() && members.node(1).cluster.is_ready();
    until("node 0 is back", whole).await;
    sleep(LONG / 4).await;
    assert_eq!(may_be_forgotten(&members, seqs), [false, false]);
    members.start(2);
    members.until_whole().await;
    assert_eq!(members.held(2, "key").await, None, "it came back");
    let may = || may_be_forgotten(&members, seqs) == [true, true];
    until("all have it for good", may).await;
}

/// Who has not read what another has keeps its tombstones: there may be older records among that.
#[tokio::test(start_paused = true)]
async fn tombstones_wait_until_the_others_feeds_are_read() {
    let members = Members::running(3).await;
    let key = members.key_where(|order| order[0] == 0);
    members.put(0, &key, "1", All).await.unwrap();
    members.wires.cut(0, 2);
    members.until_down(&[0], &[2]).await;
    members.until_down(&[2], &[0]).await;
    members.put(2, "other", "1", One).await.unwrap();
    members.store(0).hold_arrivals(true);
    members.delete(0, &key, Available).await.unwrap();
    let seq = members.stored(0, &key).await.unwrap().seq;
    members.wires.heal(0, 2);
    until("node 2 has read it", || !members.is_behind_in(2, 0)).await;
    sleep(LONG / 4).await;
    assert!(members.is_behind_in(0, 2) && members.store(0).forgets_up_to() < seq);
    members.store(0).hold_arrivals(false);
    until("it may go", || members.store(0).forgets_up_to() >= seq).await;
}

/// It waits for nobody who is gone.
#[tokio::test(start_paused = true)]
async fn tombstones_do_not_wait_for_a_member_that_is_gone() {
    let (members, seqs) = deleted_while_away().await;
    let away = members.node(0).cluster.view();
    let id = away.others().map(|it| it.id).find(|id| *id != members.id(1)).unwrap();
    until("node 2 is down", || members.sees(0, id) == Liveness::Down).await;
    assert_eq!(may_be_forgotten(&members, seqs), [false, false]);
    members.node(0).remove(id).await.unwrap();
    let may = || may_be_forgotten(&members, seqs) == [true, true];
    until("it may go", may).await;
}

/// What may go is gone when it is old, everywhere.
#[tokio::test(start_paused = true)]
async fn what_all_have_is_forgotten_when_it_is_old() {
    let tombstone_age = Duration::from_secs(1);
    let members = Members::running_with(3, Plan { tombstone_age, ..Plan::default() }).await;
    members.put(0, "key", "1", All).await.unwrap();
    members.delete(0, "key", All).await.unwrap();
    for number in 0..3 {
        let store = members.store(number);
        let seq = members.stored(number, "key").await.unwrap().seq;
        // Who has not heard of it can't be told any more.
        let before = FeedPosition { seq: seq - 1, ..store.position() };
        let mut looks = 0;
        while store.resume(before).is_some() {
            looks += 1;
            assert!(looks < 3_000, "node {number} has not forgotten it");
            // Its age is told by the node's clock, and how often it is looked at by the machine's.
            sleep(tombstone_age).await;
            real_time(Duration::from_millis(10)).await;
        }
    }
}
