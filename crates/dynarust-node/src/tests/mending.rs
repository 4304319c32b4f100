//! A copy that rots: who is asked for it takes the record anew from the others, where all of them can tell what
//! they have; else the damage is told. What nobody asks for is mended in the same way.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::Consistency::{All, Available, One};
use dynarust_core::limits::{MEND_MILLIS, REPAIR_MILLIS};
use dynarust_core::{KeyRange, TableName};
use dynarust_store::{ReadError, Store};
use tokio::time::sleep;

use super::members::{Members, name, real_time, until};
use crate::RefusedRead;
use crate::cluster::Liveness;

pub(super) const ROTTEN: &str = r#""a needle in the haystack""#;

/// So many nodes, of which the first has a copy that has rotted.
pub(super) async fn with_a_rotten_copy(count: usize) -> Members {
    let mut members = Members::running(count).await;
    for key in ["a", "c"] {
        members.put(0, key, "1", All).await.unwrap();
    }
    members.put(0, "b", ROTTEN, All).await.unwrap();
    rot(&mut members).await;
    members.until_whole().await;
    let damaged = members.store(0).get(name("b")).await;
    assert_eq!(damaged.unwrap_err(), ReadError::CorruptRecord(name("b")));
    members
}

/// The first's copy rots, and it begins anew: nothing of it is in memory.
async fn rot(members: &mut Members) {
    // After a clean stop all is in the base.
    members.stop(0).await;
    flip(&members.folder(0).join("base.sqlite"));
    members.start(0);
}

fn flip(file: &Path) {
    let mut text = std::fs::read(file).unwrap();
    let places = text.windows(ROTTEN.len()).position(|window| window == ROTTEN.as_bytes());
    text[places.unwrap() + 3] ^= 1;
    std::fs::write(file, text).unwrap();
}

async fn assert_mended(members: &Members) {
    assert_eq!(members.held(0, "b").await.as_deref(), Some(ROTTEN.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn a_read_mends_it() {
    for consistency in [Available, One, All] {
        let members = with_a_rotten_copy(3).await;
        let found = members.get(0, "b", consistency).await.unwrap();
        assert_eq!(found.stored.unwrap().record.value, ROTTEN);
        assert_mended(&members).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_mends_it_whoever_is_asked() {
    for (asked, consistency) in [(0, Available), (0, One), (1, All)] {
        let members = with_a_rotten_copy(3).await;
        let range = KeyRange::table(TableName::parse("t").unwrap());
        let mut scanner = Arc::clone(members.node(asked)).scan(range, false, consistency);
        assert_eq!(scanner.page(10).await.unwrap().records.len(), 3);
        assert_mended(&members).await;
    }
}

/// Of two, the other has it.
#[tokio::test(start_paused = true)]
async fn one_other_is_enough_where_there_is_no_more() {
    let members = with_a_rotten_copy(2).await;
    members.get(0, "b", Available).await.unwrap();
    assert_mended(&members).await;
}

/// The one that is away may have a newer one.
#[tokio::test(start_paused = true)]
async fn it_stays_as_it_is_while_another_copy_is_out_of_reach() {
    let mut members = with_a_rotten_copy(3).await;
    let away = members.id(2);
    members.stop(2).await;
    until("the third is down", || members.sees(0, away) == Liveness::Down).await;
    let refused = members.get(0, "b", Available).await.unwrap_err();
    assert!(matches!(refused, RefusedRead::Store(ReadError::CorruptRecord(_))), "{refused:?}");
    members.start(2);
    members.until_whole().await;
    members.get(0, "b", Available).await.unwrap();
    assert_mended(&members).await;
}

/// What it had taken alone, and lost to rot before anybody had it, is not given for what the others have: that is older.
#[tokio::test(start_paused = true)]
async fn what_claims_to_be_newer_than_all_other_copies_is_told_as_damaged() {
    let mut members = Members::running(3).await;
    members.put(1, "b", "1", All).await.unwrap();
    [1, 2].into_iter().for_each(|other| members.wires.cut(0, other));
    members.until_down(&[0], &[1, 2]).await;
    members.put(0, "b", ROTTEN, One).await.unwrap();
    rot(&mut members).await;
    [1, 2].into_iter().for_each(|other| members.wires.heal(0, other));
    members.until_whole().await;
    let is_damaged = async |consistency| {
        let refused = members.get(0, "b", consistency).await.unwrap_err();
        matches!(refused, RefusedRead::Store(ReadError::CorruptRecord(_)))
    };
    for _ in 0..3 {
        assert!(is_damaged(Available).await && is_damaged(One).await);
        let_it_look().await;
    }
    // Nor once digests are compared.
    sleep(Duration::from_millis(3 * REPAIR_MILLIS)).await;
    assert!(is_damaged(Available).await && is_damaged(One).await);
    members.put(0, "b", "3", All).await.unwrap();
    assert_eq!(members.held(0, "b").await.as_deref(), Some(&b"3"[..]));
}

/// Nobody can tell any more what it was.
#[tokio::test(start_paused = true)]
async fn two_rotten_copies_of_two_do_not_ask_each_other_for_ever() {
    let mut members = with_a_rotten_copy(2).await;
    members.stop(1).await;
    flip(&members.folder(1).join("base.sqlite"));
    members.start(1);
    members.until_whole().await;
    let refused = members.get(0, "b", One).await.unwrap_err();
    assert!(matches!(refused, RefusedRead::Store(ReadError::CorruptRecord(_))), "{refused:?}");
}

/// How many records the first has taken anew.
fn mended(members: &Members) -> u64 {
    members.node(0).cluster.stats().records_repaired
}

/// Until the first has mended something. Its scrub takes real time.
async fn until_mended(members: &Members) {
    let began = std::time::Instant::now();
    while mended(members) == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it is not mended");
        let_it_look().await;
    }
}

/// It looks for what is to be mended.
async fn let_it_look() {
    real_time(Duration::from_millis(20)).await;
    sleep(Duration::from_millis(MEND_MILLIS)).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_is_mended_too() {
    let mut members = Members::running(3).await;
    members.put(0, "b", ROTTEN, All).await.unwrap();
    rot(&mut members).await;
    members.until_whole().await;
    until_mended(&members).await;
    assert_mended(&members).await;
    let_it_look().await;
    assert_eq!(mended(&members), 1, "once is enough");
}

/// Nobody asks for it a second time: the node tries again by itself.
#[tokio::test(start_paused = true)]
async fn what_nobody_reads_is_mended_once_all_owners_are_back() {
    let mut members = Members::running(3).await;
    members.put(0, "b", ROTTEN, All).await.unwrap();
    let there = members.id(1);
    members.stop(2).await;
    rot(&mut members).await;
    until("the second is there", || members.sees(0, there) == Liveness::Up).await;
    for _ in 0..10 {
        let_it_look().await;
    }
    let damaged = members.store(0).get(name("b")).await;
    assert_eq!(damaged.unwrap_err(), ReadError::CorruptRecord(name("b")));
    assert_eq!(mended(&members), 0);
    members.start(2);
    members.until_whole().await;
    until_mended(&members).await;
    assert_mended(&members).await;
}
