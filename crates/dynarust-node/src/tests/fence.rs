//! A node whose clock is off from a majority's is fenced.

use std::time::Duration;

use dynarust_core::Consistency::{Available, One};
use dynarust_core::limits::RETURN_MILLIS_MAX;
use dynarust_core::skew::Verdict;
use dynarust_core::{KeyRange, RequestKey, TableName};
use tokio::time::sleep;

use super::members::{Members, name, put, until};
use crate::{Put, RefusedRead, RefusedWrite};

const HOUR_MILLIS: i64 = 60 * 60 * 1000;

async fn until_verdict(members: &Members, number: usize, verdict: Verdict) {
    let so = || members.node(number).cluster.clock_verdict() == verdict;
    until(&format!("node {number} makes {verdict:?} of its clock"), so).await;
}

/// Of three the one that is an hour off answers nobody, whichever way it is off; the others go on. Once its
/// clock is set it goes on, too.
#[tokio::test(start_paused = true)]
async fn of_three_the_one_that_is_off_answers_nobody() {
    for ahead in [HOUR_MILLIS, -HOUR_MILLIS] {
        let members = Members::running(3).await;
        members.put(0, "key", "1", Available).await.unwrap();
        members.clock(2).set_ahead(ahead);
        until_verdict(&members, 2, Verdict::Fenced).await;
        let write = members.put(2, "key", "2", Available).await;
        assert!(matches!(write, Err(RefusedWrite::ClockSkew)), "{write:?}");
        for consistency in [Available, One] {
            let read = members.get(2, "key", consistency).await;
            assert!(matches!(read, Err(RefusedRead::ClockSkew)), "{consistency:?}: {read:?}");
            let at_hand = members.node(2).get_at_hand(&name("key"), consistency);
            assert_eq!(at_hand, None, "{consistency:?}");
        }
        for consistency in [Available, One] {
            let range = KeyRange::table(TableName::parse("t").unwrap());
            let list = members.node(2).clone().scan(range, false, consistency).next().await;
            assert!(matches!(list, Err(RefusedRead::ClockSkew)), "{consistency:?}: {list:?}");
        }
        let tables = members.node(2).clone().tables().next().await;
        assert!(matches!(tables, Err(RefusedRead::ClockSkew)), "{tables:?}");
        for number in [0, 1] {
            assert_eq!(members.node(number).cluster.clock_verdict(), Verdict::Fine);
            members.put(number, "key", "3", Available).await.unwrap();
            let found = members.get(number, "key", Available).await.unwrap();
            assert_eq!(found.stored.unwrap().record.value, "3");
        }
        members.clock(2).set_ahead(0);
        until_verdict(&members, 2, Verdict::Fine).await;
        members.put(2, "key", "4", Available).await.unwrap();
    }
}

/// A write that is decided by the first owner does not fail while that one is fenced: the next one decides it,
/// whichever node was asked.
#[tokio::test(start_paused = true)]
async fn what_a_fenced_owner_would_decide_the_next_one_decides() {
    let members = Members::running(3).await;
    let key = members.key_where(|order| order[0] == 2);
    let next = members.id(members.serving(&key)[1]);
    members.clock(2).set_ahead(HOUR_MILLIS);
    until_verdict(&members, 2, Verdict::Fenced).await;
    for number in [0, 1] {
        let request = RequestKey { key: format!("request-{number}").into(), fingerprint: 1 };
        let write = Put { request: Some(request), ..put(&key, "1", Available) };
        let acknowledged = members.node(number).put(write).await.unwrap();
        assert_eq!(acknowledged.version.node, next, "asked at node {number}");
    }
}

/// Of two nobody can tell which is off: both say so, and go on.
#[tokio::test(start_paused = true)]
async fn of_two_nobody_is_fenced() {
    let members = Members::running(2).await;
    members.clock(1).set_ahead(HOUR_MILLIS);
    for number in [0, 1] {
        until_verdict(&members, number, Verdict::Unsure).await;
        members.put(number, "key", "1", Available).await.unwrap();
        members.get(number, "key", Available).await.unwrap();
        let readiness = members.node(number).readiness();
        assert!(readiness.is_well() && !readiness.notes.is_empty(), "{readiness:?}");
    }
}

/// Neither expires a record nor forgets a tombstone by a clock that is off, or may be.
#[tokio::test(start_paused = true)]
async fn nothing_is_due_by_a_clock_that_is_off() {
    let mut members = Members::running(3).await;
    let trusts = |members: &Members, number: usize| members.store(number).trusts_clock();
    for number in [0, 1, 2] {
        until("its clock is compared", || trusts(&members, number)).await;
    }
    members.clock(2).set_ahead(HOUR_MILLIS);
    until_verdict(&members, 2, Verdict::Fenced).await;
    assert!(!trusts(&members, 2) && trusts(&members, 0) && trusts(&members, 1));
    members.stop(2).await;
    members.start(2);
    until_verdict(&members, 2, Verdict::Fenced).await;
    assert!(!trusts(&members, 2));
    members.clock(2).set_ahead(0);
    until("its clock is right", || trusts(&members, 2)).await;
}

/// A node among others does not rely on its clock before it has compared it; one alone does at once.
#[tokio::test(start_paused = true)]
async fn a_clock_is_relied_upon_once_it_was_compared() {
    let mut members = Members::running(2).await;
    members.stop(1).await;
    members.wires.cut(0, 1);
    members.start(1);
    assert!(!members.store(1).trusts_clock());
    let ready = || members.node(1).cluster.is_ready();
    let early = || !ready() && members.store(1).trusts_clock();
    until("it is ready", || ready() || early()).await;
    assert!(!early());
    until("nobody is there to compare with", || members.store(1).trusts_clock()).await;
    let alone = Members::running(1).await;
    until("it relies on its clock", || alone.store(0).trusts_clock()).await;
}

/// One whose clock is off from that of the first whom it meets answers nobody before it has met those who can tell
/// whose it is; but where they do not come, it does.
#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_tell_whose_clock_is_off_waits_for_those_who_can() {
    for comes in [true, false] {
        let mut members = Members::running(3).await;
        members.stop(1).await;
        members.stop(2).await;
        members.clock(2).set_ahead(HOUR_MILLIS);
        members.start(2);
        let ready = |members: &Members| members.node(2).cluster.is_ready();
        until_verdict(&members, 2, Verdict::Unsure).await;
        sleep(Duration::from_millis(RETURN_MILLIS_MAX / 4)).await;
        assert!(!ready(&members));
        if comes {
            members.start(1);
        }
        until("node 2 is ready", || ready(&members)).await;
        let verdict = if comes { Verdict::Fenced } else { Verdict::Unsure };
        assert_eq!(members.node(2).cluster.clock_verdict(), verdict);
    }
}

/// A node whose clock is off when it starts again is fenced before it has answered anybody.
#[tokio::test(start_paused = true)]
async fn a_node_that_returns_with_a_clock_that_is_off_answers_nothing_before_it_is_fenced() {
    let mut members = Members::running(3).await;
    members.stop(2).await;
    members.clock(2).set_ahead(HOUR_MILLIS);
    members.start(2);
    until("node 2 is ready", || members.node(2).cluster.is_ready()).await;
    assert_eq!(members.node(2).cluster.clock_verdict(), Verdict::Fenced);
}
