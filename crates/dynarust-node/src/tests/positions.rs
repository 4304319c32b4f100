//! Where a node goes on in the feeds of others.

use std::fs;
use std::time::Duration;

use dynarust_core::Consistency::{All, Available};
use dynarust_core::{Epoch, Seq};
use dynarust_store::Store;
use tokio::time::sleep;

use super::members::{Members, until};
use crate::following::{Position, PositionText};

const RECORDS: usize = 30;

/// Three nodes that hold the same.
async fn filled() -> Members {
    let members = Members::running(3).await;
    for number in 0..RECORDS {
        members.put(number % 3, &format!("key-{number}"), "1", All).await.unwrap();
    }
    until_all_read(&members).await;
    members
}

/// Until each knows that it has all that each other has published.
async fn until_all_read(members: &Members) {
    let has_read = |number: usize, source: usize| {
        let head = members.store(source).position().seq;
        let known = members.node(number).cluster.positions.get(members.id(source));
        known.is_some_and(|known| known.seq >= head)
    };
    let pairs = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)];
    let all = || pairs.iter().all(|(number, source)| has_read(*number, *source));
    until("all have read all feeds", all).await;
}

/// Behind which seqs node 0 was asked for its feed.
fn asked(members: &Members) -> Vec<Seq> {
    members.store(0).feeds_read()
}

async fn assert_whole(members: &Members) {
    members.until_whole().await;
    for number in 0..3 {
        for key in (0..RECORDS).map(|key| format!("key-{key}")).chain(["missed".to_owned()]) {
            assert!(members.held(number, &key).await.is_some(), "node {number} lacks {key}");
        }
    }
}

/// A node that was stopped and comes back reads what it missed, and not all there is.
#[tokio::test(start_paused = true)]
async fn a_node_that_returns_goes_on_where_it_was() {
    let mut members = filled().await;
    let head = members.store(0).position().seq;
    members.stop(2).await;
    members.put(0, "missed", "1", Available).await.unwrap();
    members.store(0).forget_feeds_read();
    members.start(2);
    assert_whole(&members).await;
    let asked = asked(&members);
    assert!(!asked.is_empty() && asked.iter().all(|after| *after >= head), "{asked:?}, not {head}");
}

/// One that was killed goes on where it knew for sure that it was: nothing is missing, and little is read
/// again.
#[tokio::test(start_paused = true)]
async fn a_node_that_was_killed_goes_on_where_it_remembers_that_it_was() {
    let mut members = filled().await;
    // Longer than it takes until that is noted.
    sleep(Duration::from_secs(5)).await;
    let noted = members.store(0).position().seq;
    members.put(0, "later", "1", All).await.unwrap();
    members.kill(2).await;
    members.put(0, "missed", "1", Available).await.unwrap();
    members.store(0).forget_feeds_read();
    members.start(2);
    assert_whole(&members).await;
    let asked = asked(&members);
    assert!(
        !asked.is_empty() && asked.iter().all(|after| *after >= noted),
        "{asked:?}, not {noted}"
    );
}

/// Without its note it knows nothing of where it was, and reads all feeds from the beginning; until then it
/// serves nothing.
#[tokio::test(start_paused = true)]
async fn a_node_that_lost_its_note_reads_from_the_beginning() {
    let mut members = filled().await;
    members.stop(2).await;
    members.put(0, "missed", "1", Available).await.unwrap();
    fs::remove_file(members.folder(2).join("CLUSTER")).unwrap();
    members.store(0).forget_feeds_read();
    members.start(2);
    assert_whole(&members).await;
    let asked = asked(&members);
    assert_eq!(asked.iter().min(), Some(&0), "{asked:?}");
}

/// A source that does not know the epoch in which a position was reached can't tell what it was: its feed is
/// read from the beginning.
#[tokio::test(start_paused = true)]
async fn a_position_of_an_epoch_that_is_not_known_counts_for_nothing() {
    let mut members = filled().await;
    let source = members.id(0);
    let positions = &members.node(2).cluster.positions;
    let known = positions.get(source).unwrap();
    let unknown = Position { epoch: Epoch(1), ..known };
    positions.remember(PositionText::of((&source, &unknown))).unwrap();
    members.stop(2).await;
    members.put(0, "missed", "1", Available).await.unwrap();
    members.store(0).forget_feeds_read();
    members.start(2);
    assert_whole(&members).await;
    let asked = asked(&members);
    assert_eq!(asked.first(), Some(&0), "{asked:?}");
}

/// A source that was itself started again knows its earlier starts.
#[tokio::test(start_paused = true)]
async fn a_source_that_started_again_is_read_from_where_it_was() {
    let mut members = filled().await;
    let head = members.store(0).position().seq;
    members.stop(0).await;
    members.put(1, "missed", "1", Available).await.unwrap();
    members.start(0);
    assert_whole(&members).await;
    let asked = asked(&members);
    assert!(!asked.is_empty() && asked.iter().all(|after| *after >= head), "{asked:?}, not {head}");
}
