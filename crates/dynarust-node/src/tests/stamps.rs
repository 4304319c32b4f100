//! Stamps of a clock that is ahead.

use dynarust_core::Consistency::Available;
use dynarust_store::WallClock;

use super::members::{Members, until_found};
use crate::Acknowledged;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;

/// Of two nodes one is an hour ahead, and nobody is fenced. What it writes is taken, and written over; and the
/// other's clock is its own still.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_ahead_carries_no_other_with_it() {
    let members = Members::running(2).await;
    members.clock(1).set_ahead(HOUR_MILLIS);
    let theirs = members.put(1, "theirs", "1", Available).await.unwrap().version;
    assert!(theirs.unix_millis() > members.clock(0).now());
    let own = async |key: &str| {
        let Acknowledged { version, .. } = members.put(0, key, "2", Available).await.unwrap();
        version
    };
    let is_own = |millis: u64| millis <= members.clock(0).now();
    assert!(is_own(own("a").await.unix_millis()));
    assert!(own("theirs").await > theirs);
    assert!(is_own(own("b").await.unix_millis()));
    for number in [0, 1] {
        let has = async || members.held(number, "theirs").await.as_deref() == Some(b"2");
        until_found("both have what was written last", has).await;
    }
}
