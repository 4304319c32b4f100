//! What an acknowledged write stands on.

use std::time::Duration;

use dynarust_core::Consistency::{All, Available, Quorum};
use dynarust_core::Replicas;
use dynarust_core::limits::{COORDINATE_MILLIS_MAX, SILENCE_MILLIS_MAX};
use tokio::time::{Instant, sleep};

use super::members::{Members, until, until_found};
use super::wires::Way;
use crate::mesh::Channel;
use crate::{Acknowledged, RefusedWrite};

type Outcome = Result<Acknowledged, RefusedWrite>;

fn refused(outcome: Outcome) -> (u16, u16, bool) {
    match outcome {
        Err(RefusedWrite::NotEnoughReplicas { needed, live, indeterminate }) => {
            (needed, live, indeterminate)
        }
        other => panic!("it was not refused for want of owners: {other:?}"),
    }
}

/// By default it is acknowledged when a majority of the live owners has it, and not before.
#[tokio::test(start_paused = true)]
async fn a_write_waits_for_a_majority_of_the_live_owners() {
    let members = Members::running(3).await;
    // The others have it at once, and nobody hears that.
    for from in [1, 2] {
        members.wires.shut(Way { from, to: 0, channel: Channel::Data });
    }
    let write = members.begin(0, "key", "new", Available);
    sleep(Duration::from_millis(SILENCE_MILLIS_MAX / 2)).await;
    assert!(!write.is_finished(), "acknowledged before anybody else had it for sure");
    members.wires.open(Way { from: 1, to: 0, channel: Channel::Data });
    let acknowledged = write.await.unwrap().unwrap();
    assert_eq!(acknowledged.replicas, Replicas { stand: 2, owners: 3 });
    assert_eq!(members.held(1, "key").await.as_deref(), Some(&b"new"[..]));
}

/// While only one owner is there it stands there alone, and the answer says so.
#[tokio::test(start_paused = true)]
async fn an_owner_alone_takes_a_write_and_says_so() {
    let mut members = Members::running(3).await;
    members.kill(1).await;
    members.kill(2).await;
    let acknowledged = members.put(0, "key", "new", Available).await.unwrap();
    assert_eq!(acknowledged.replicas, Replicas { stand: 1, owners: 3 });
}

/// At quorum the smaller side of a cut refuses, and nothing has changed; the larger goes on.
#[tokio::test(start_paused = true)]
async fn at_quorum_a_minority_takes_nothing() {
    let members = Members::running(3).await;
    members.wires.cut(0, 1);
    members.wires.cut(0, 2);
    members.until_down(&[0], &[1, 2]).await;
    members.until_down(&[1, 2], &[0]).await;
    assert_eq!(refused(members.put(0, "key", "new", Quorum).await), (2, 1, false));
    assert_eq!(members.stored(0, "key").await, None);
    let acknowledged = members.put(1, "key", "new", Quorum).await.unwrap();
    assert_eq!(acknowledged.replicas, Replicas { stand: 2, owners: 3 });
    let missing = refused(members.put(1, "key", "newer", All).await);
    assert_eq!(missing, (3, 2, false));
}

/// A write that went out, and that not enough have when its time is over, may have taken: the answer says
/// so. It does not go lost when those that were slow come to themselves.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_late_is_indeterminate() {
    for (consistency, needed) in [(Available, 2), (Quorum, 2), (All, 3)] {
        let members = Members::running(3).await;
        for number in [1, 2] {
            members.store(number).hold_arrivals(true);
        }
        let began = Instant::now();
        let outcome = members.begin(0, "key", "new", consistency).await.unwrap();
        assert_eq!(refused(outcome), (needed, 3, true), "at {consistency:?}");
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(COORDINATE_MILLIS_MAX), "after {took:?}");
        assert!(took < Duration::from_millis(COORDINATE_MILLIS_MAX + 100), "after {took:?}");
        for number in [1, 2] {
            assert_eq!(members.stored(number, "key").await, None);
            members.store(number).hold_arrivals(false);
        }
        for number in [1, 2] {
            let has = async || members.held(number, "key").await.as_deref() == Some(b"new");
            until_found("the late write is everywhere", has).await;
        }
    }
}

/// A write that went out, and for which too few owners are left, has not been refused for good either.
#[tokio::test(start_paused = true)]
async fn a_write_whose_owners_go_is_indeterminate() {
    let mut members = Members::running(3).await;
    for number in [1, 2] {
        members.store(number).hold_arrivals(true);
    }
    let write = members.begin(0, "key", "new", Quorum);
    sleep(Duration::from_millis(100)).await;
    assert!(!write.is_finished(), "acknowledged by a minority");
    members.kill(1).await;
    members.kill(2).await;
    assert_eq!(refused(write.await.unwrap()), (2, 1, true));
    assert_eq!(members.held(0, "key").await.as_deref(), Some(&b"new"[..]));
}

/// The two are linked anew, and the one follows the other again.
async fn link_anew(members: &Members, source: usize, follower: usize) {
    members.wires.cut(source, follower);
    let link = || members.link(source, follower, Channel::Data);
    until("the link is given up", || link().is_none()).await;
    members.wires.heal(source, follower);
    until("there is another", || link().is_some()).await;
    // Long enough for all that needs no store that is held.
    sleep(Duration::from_millis(100)).await;
}

/// An owner whose link breaks and comes back, and that tells again what it has, is still one.
#[tokio::test(start_paused = true)]
async fn no_owner_is_counted_twice() {
    let members = Members::running(3).await;
    members.store(2).hold_arrivals(true);
    let write = members.begin(0, "key", "new", All);
    let has = async || members.held(1, "key").await.is_some();
    until_found("the write is at node 1", has).await;
    link_anew(&members, 0, 1).await;
    assert!(!write.is_finished(), "two owners of three were taken for all: {:?}", write.await);
    members.store(2).hold_arrivals(false);
    let acknowledged = write.await.unwrap().unwrap();
    assert_eq!(acknowledged.replicas, Replicas { stand: 3, owners: 3 });
}

/// An owner that begins to follow anew behind a write does not have it before it has caught up.
#[tokio::test(start_paused = true)]
async fn an_owner_that_came_back_behind_a_write_is_not_counted_for_it() {
    let members = Members::running(3).await;
    members.store(2).hold_arrivals(true);
    let write = members.begin(0, "key", "new", All);
    sleep(Duration::from_millis(100)).await;
    link_anew(&members, 0, 2).await;
    assert!(!write.is_finished(), "it was counted for what it does not have: {:?}", write.await);
    members.store(2).hold_arrivals(false);
    let acknowledged = write.await.unwrap().unwrap();
    assert_eq!(acknowledged.replicas, Replicas { stand: 3, owners: 3 });
}
