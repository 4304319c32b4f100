//! A node answers for nothing before it and those that answer will know after a crash that it is a member.

use std::time::Duration;

use dynarust_core::Consistency::{All, Available};
use dynarust_store::Store;
use tokio::time::sleep;

use super::members::{Members, until};

const LONG: Duration = Duration::from_secs(20);

fn serves(members: &Members, number: usize) -> bool {
    let view = members.node(number).cluster.view();
    view.own().is_some_and(|own| !own.serves.is_empty())
}

/// Where that would be forgotten, whichever of the two is killed, the other has acknowledged nothing that the
/// one must know of.
#[tokio::test(start_paused = true)]
async fn nobody_serves_before_its_membership_is_noted_at_both_ends() {
    for unnoted in [0, 1] {
        let mut members = Members::running_of_seats(1, 2).await;
        until("it knows its cluster", || members.store(0).kept().is_some()).await;
        members.store(0).hold_notes(unnoted == 0);
        members.start_with(1, |store| store.hold_notes(unnoted == 1));
        let knows = || members.node(0).cluster.view().others().next().is_some();
        until("the founder knows it", knows).await;
        sleep(LONG).await;
        assert!(!serves(&members, 1), "{unnoted} would forget it");
        // One of one, as it is.
        let written = members.put(0, "key", "1", All).await.unwrap();
        assert_eq!((written.replicas.stand, written.replicas.owners), (1, 1));
        members.kill(unnoted).await;
        members.start(unnoted);
        members.until_whole().await;
        let found = members.get(1, "key", All).await.unwrap();
        assert_eq!((found.replicas.stand, found.replicas.owners), (2, 2));
    }
}

/// A founder that would found another cluster after a crash lets nobody in.
#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_before_the_cluster_is_noted() {
    let mut members = Members::running_of_seats(0, 2).await;
    members.start_with(0, |store| store.hold_notes(true));
    members.start(1);
    sleep(LONG).await;
    assert!(members.node(0).cluster.view().others().next().is_none());
    members.kill(0).await;
    members.start(0);
    members.until_whole().await;
}

/// Once both serve, either is killed and comes back to nobody: it knows that it is not alone.
#[tokio::test(start_paused = true)]
async fn who_has_let_another_in_does_not_take_itself_for_the_only_one() {
    for killed in [0, 1] {
        let mut members = Members::running_of_seats(1, 2).await;
        members.start(1);
        until("it serves", || serves(&members, 1)).await;
        members.kill(killed).await;
        members.wires.cut(0, 1);
        members.start(killed);
        let ready = || members.node(killed).readiness().is_well();
        until("it answers", ready).await;
        assert!(members.put(killed, "key", "1", All).await.is_err(), "{killed} answers for all");
        let written = members.put(killed, "key", "1", Available).await.unwrap();
        assert_eq!(written.replicas.stand, 1);
        members.wires.heal(0, 1);
        members.until_whole().await;
    }
}
