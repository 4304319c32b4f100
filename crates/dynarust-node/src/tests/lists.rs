//! Lists of a node that is cut off while it tells them.

use std::sync::Arc;

use dynarust_core::Consistency::{All, Available, Quorum};
use dynarust_core::limits::CHUNK_BYTES_MAX;
use dynarust_core::{KeyRange, Replicas, Stored, TableName};

use super::members::{Members, until};
use crate::mesh::Channel;
use crate::{RefusedRead, Scanner};

/// All of the table, as that node lists it.
fn list(members: &Members, number: usize) -> Scanner {
    let range = KeyRange::table(TableName::parse("t").unwrap());
    Arc::clone(members.node(number)).scan(range, false, Available)
}

fn cut_off(members: &Members, number: usize) {
    for other in members.numbers().into_iter().filter(|other| *other != number) {
        members.wires.cut(number, other);
    }
}

fn values(records: &[Arc<Stored>]) -> Vec<&[u8]> {
    records.iter().map(|stored| &*stored.record.value).collect()
}

/// It is to ask another owner, too, which it has just lost; the others write on. In the end it tells what it has
/// itself, and that nobody else stands behind that.
#[tokio::test(start_paused = true)]
async fn a_list_says_who_stood_behind_it_when_it_was_told() {
    let members = Members::running(3).await;
    members.put(0, "key", "old", All).await.unwrap();
    let mut scanner = list(&members, 0);
    let replicas = scanner.replicas();
    cut_off(&members, 0);
    let lost = |other| members.link(0, other, Channel::Data).is_none();
    until("it has lost the others", || lost(1) && lost(2)).await;
    assert!([1, 2].iter().all(|other| members.sees(0, members.id(*other)).is_live()));
    let listing = tokio::spawn(async move { scanner.page(10).await });
    members.put(1, "key", "new", Quorum).await.unwrap();
    assert!(!listing.is_finished(), "it was told by those that are cut off");
    assert_eq!(replicas.get(), None, "nothing is told yet");
    let page = listing.await.unwrap().unwrap();
    assert_eq!(values(&page.records), [b"old"]);
    let alone = Replicas { stand: 1, owners: 3 };
    assert_eq!(replicas.get(), Some(&alone), "its own records passed for those of a majority");
}

/// Who stood behind it is told with its first part: of what comes later it is not fewer than a majority.
#[tokio::test(start_paused = true)]
async fn a_list_of_a_majority_is_not_ended_by_one() {
    let members = Members::running(3).await;
    // A part of a list ends behind each.
    let large = format!("\"{}\"", "x".repeat(CHUNK_BYTES_MAX));
    for key in ["a", "b"] {
        members.put(0, key, &large, All).await.unwrap();
    }
    let mut scanner = list(&members, 0);
    let replicas = scanner.replicas();
    assert_eq!(scanner.next().await.unwrap().unwrap().len(), 1);
    assert_eq!(replicas.get(), Some(&Replicas { stand: 2, owners: 3 }));
    cut_off(&members, 0);
    members.until_down(&[0], &[1, 2]).await;
    let refused = scanner.next().await.map(|part| part.map(|records| records.len()));
    assert_eq!(refused, Err(RefusedRead::NotEnoughReplicas { needed: 2, live: 1 }));
    for other in [1, 2] {
        members.wires.heal(0, other);
    }
    members.until_whole().await;
    assert_eq!(scanner.next().await.unwrap().unwrap().len(), 1, "the call may be repeated");
    assert_eq!(scanner.next().await, Ok(None));
}
