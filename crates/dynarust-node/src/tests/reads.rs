//! Reads by default at an owner: it asks the others only how far their feeds go, and answers what is newest all
//! the same.

use std::time::Duration;

use dynarust_core::Consistency::{All, Available, One};
use dynarust_core::Replicas;
use tokio::time::sleep;

use super::members::{Members, until};

/// What only others have taken in is found, though this owner was told that it is there, and has it not yet.
#[tokio::test(start_paused = true)]
async fn what_has_not_come_here_yet_is_read_all_the_same() {
    let members = Members::running(3).await;
    members.put(1, "k", "1", All).await.unwrap();
    members.store(0).hold_arrivals(true);
    members.put(1, "k", "2", Available).await.unwrap();
    assert_eq!(members.held(0, "k").await.as_deref(), Some(&b"1"[..]));
    let release = async {
        sleep(Duration::from_millis(500)).await;
        members.store(0).hold_arrivals(false);
    };
    let (found, ()) = tokio::join!(members.get(0, "k", Available), release);
    assert_eq!(found.unwrap().stored.unwrap().record.value, "2");
}

/// What this owner has alone is not shown before another has it, too: else a later read could miss it.
#[tokio::test(start_paused = true)]
async fn what_the_others_lack_is_not_shown_before_one_of_them_has_it() {
    let members = Members::running(3).await;
    members.put(1, "k", "1", All).await.unwrap();
    for other in [1, 2] {
        members.store(other).hold_arrivals(true);
    }
    members.put(0, "k", "2", One).await.unwrap();
    let read = async {
        let found = members.get(0, "k", Available).await.unwrap();
        let there = members.held(1, "k").await.as_deref() == Some(&b"2"[..])
            || members.held(2, "k").await.as_deref() == Some(&b"2"[..]);
        (found, there)
    };
    let release = async {
        sleep(Duration::from_millis(500)).await;
        for other in [1, 2] {
            members.store(other).hold_arrivals(false);
        }
    };
    let ((found, there), ()) = tokio::join!(read, release);
    assert_eq!(found.stored.unwrap().record.value, "2");
    assert!(there, "it was shown while nobody else had it");
}

/// Where nothing is under way, a majority stands behind the answer, and nobody looks into a store but the
/// node that is asked.
#[tokio::test(start_paused = true)]
async fn what_everybody_has_is_read_from_one_store() {
    let members = Members::running(3).await;
    members.put(1, "k", "1", All).await.unwrap();
    let lag = |number: usize| members.node(number).cluster.stats().lag_records;
    until("all is acknowledged", || (0..3).all(|number| lag(number) == 0)).await;
    let looked = |number: usize| {
        let stats = members.node(number).stats().store;
        stats.cache_hits + stats.cache_misses
    };
    // Something may be under way still, as what each hears of what the others took in.
    for tries in 1.. {
        let before = [looked(1), looked(2)];
        for key in ["k", "nothing"] {
            let found = members.get(0, key, Available).await.unwrap();
            assert_eq!(found.replicas, Replicas { stand: 2, owners: 3 });
            assert_eq!(found.stored.is_some(), key == "k");
        }
        if before == [looked(1), looked(2)] {
            break;
        }
        assert!(tries < 5, "the others' stores are looked into again and again");
        sleep(Duration::from_secs(1)).await;
    }
}

/// An owner that may have missed something says so, and all are asked.
#[tokio::test(start_paused = true)]
async fn an_owner_that_is_behind_is_not_enough() {
    let members = Members::running(3).await;
    let place = |order: &[usize], number| order.iter().position(|it| *it == number);
    let key = members.key_where(|order| place(order, 1) < place(order, 2));
    members.put(0, &key, "1", All).await.unwrap();
    members.wires.cut(1, 2);
    members.until_down(&[1], &[2]).await;
    assert!(!members.node(0).cluster.is_behind());
    let found = members.get(0, &key, Available).await.unwrap();
    assert_eq!(found.replicas, Replicas { stand: 3, owners: 3 });
}
