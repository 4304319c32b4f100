//! More connections than the door takes on.

use dynarust_core::limits::{TURNED_AWAY_MAX, VALUES_SENT_BYTES_MAX};

use crate::door::{Door, VALUE_BYTES_MAX};

#[tokio::test]
async fn who_is_one_too_many_is_told_at_once() {
    let door = Door::with_connections_max(2).await;
    let mut one = door.client().await;
    let mut other = door.client().await;
    for client in [&mut one, &mut other] {
        assert_eq!(client.ask("GET", "/livez", &[], "").await.status, 200);
    }
    for _ in 0..3 {
        let mut more = door.client().await;
        let refused = more.ask("PUT", "/t/key/k", &[], "{}").await;
        refused.assert_problem(503, "overloaded");
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.header("connection"), Some("close"));
        assert!(more.is_closed().await);
    }
    assert_eq!(one.ask("GET", "/livez", &[], "").await.status, 200);
    let stats = one.ask("GET", "/stats", &[], "").await.json();
    let connections = &stats["connections"];
    assert_eq!((&connections["open"], &connections["accepted"]), (&2.into(), &2.into()));
    assert_eq!(connections["turned_away"], 3);
    drop(other);
    // Its place is free once the door has seen it go.
    while door.ask("GET", "/livez").await.status != 200 {}
}

#[tokio::test]
async fn who_is_turned_away_and_says_nothing_keeps_no_place() {
    let door = Door::with_connections_max(1).await;
    let mut one = door.client().await;
    assert_eq!(one.ask("GET", "/livez", &[], "").await.status, 200);
    let mut silent = Vec::new();
    for _ in 0..TURNED_AWAY_MAX {
        silent.push(door.client().await);
    }
    // This one waits in the kernel until one of them is cut.
    door.ask("GET", "/livez").await.assert_problem(503, "overloaded");
    for mut client in silent {
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn large_values_for_readers_that_take_nothing_are_bounded() {
    let door = Door::open().await;
    door.put("/t/key/large", &format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX - 2))).await;
    door.put("/t/key/small", "1").await;
    let mut silent = Vec::new();
    for _ in 0..VALUES_SENT_BYTES_MAX / VALUE_BYTES_MAX {
        let mut client = door.client().await;
        client.send("GET /t/key/large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        // The head tells that the answer has begun, and holds its memory.
        assert_eq!(client.head().await.status, 200);
        silent.push(client);
    }
    door.ask("GET", "/t/key/large").await.assert_problem(503, "overloaded");
    assert_eq!(door.ask("HEAD", "/t/key/large").await.status, 200);
    assert_eq!(door.ask("GET", "/t/key/small").await.status, 200);
    drop(silent);
    while door.ask("GET", "/t/key/large").await.status != 200 {}
}
