//! A node with little memory: each large thing waits for its turn, or is refused, and all is as before
//! once those who held the memory are gone.

use dynarust_core::RecordName;

use crate::client::{Answer, Client, JSON, PATIENCE};
use crate::door::{Door, VALUE_BYTES_MAX};

/// Two listings have room, and seven values of the largest size, on their way out.
const MEMORY_BYTES: usize = 16 << 20;
/// More than the kernel takes from a node for a client that reads nothing.
const VALUES: usize = 24;

async fn door() -> Door {
    let door = Door::with_memory(MEMORY_BYTES).await;
    let value = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX - 2));
    for number in 0..VALUES {
        let name = RecordName::parse("t", &number.to_string()).unwrap();
        door.store.insert(name, &value, None);
    }
    door
}

/// Sends so many requests for this whose answers nobody reads, but for their heads.
async fn unread(door: &Door, target: &str, clients: usize) -> Vec<Client> {
    let mut held = Vec::new();
    for _ in 0..clients {
        let mut client = door.client().await;
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        assert_eq!(client.head().await.status, 200, "{target}");
        held.push(client);
    }
    held
}

/// Asks until the answer is no refusal any more.
async fn in_the_end(door: &Door, target: &str) -> Answer {
    let began = std::time::Instant::now();
    loop {
        let answer = door.ask("GET", target).await;
        if answer.status != 503 || began.elapsed() > PATIENCE {
            return answer;
        }
    }
}

#[tokio::test]
async fn listings_that_nobody_reads_do_not_add_up() {
    let door = door().await;
    let held = unread(&door, "/t/store", 2).await;
    let refused = door.ask("GET", "/t/store").await;
    refused.assert_problem(503, "overloaded");
    assert!(refused.header("retry-after").is_some());
    // What needs little goes on.
    assert_eq!(door.ask("GET", "/t/keys?limit=3").await.status, 200);
    door.put("/t/key/other", "1").await;
    drop(held);
    let all = in_the_end(&door, "/t/store").await;
    assert!(all.status == 200 && all.whole && all.body.len() > VALUES * VALUE_BYTES_MAX);
}

#[tokio::test]
async fn large_values_that_nobody_reads_do_not_add_up() {
    let door = door().await;
    // The kernel takes some from the node for a client that reads nothing; so each asks for many.
    let requests = "GET /t/key/1 HTTP/1.1\r\nHost: test\r\n\r\n".repeat(VALUES);
    let mut held = Vec::new();
    let mut refused = None;
    for _ in 0..50 {
        let mut client = door.client().await;
        client.send(&requests).await;
        let head = client.head().await;
        if head.status != 200 {
            refused = Some(head.status);
            break;
        }
        held.push(client);
    }
    assert_eq!(refused, Some(503), "{} were let in", held.len());
    door.put("/t/key/small", "1").await;
    assert_eq!(door.ask("GET", "/t/key/small").await.status, 200);
    drop(held);
    assert_eq!(in_the_end(&door, "/t/key/1").await.status, 200);
}

#[tokio::test]
async fn a_body_for_many_keys_must_fit() {
    let door = door().await;
    let fits = format!("[\"1\"{}]", " ".repeat(1 << 20));
    let many = door.client().await.ask("POST", "/t/keys", &[JSON], &fits).await;
    assert_eq!(many.status, 200);
    let larger = format!("[\"1\"{}]", " ".repeat(2 << 20));
    for path in ["/t/keys", "/t/batch"] {
        let many = door.client().await.ask("POST", path, &[JSON], &larger).await;
        many.assert_problem(413, "body_too_large");
    }
    let value = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX - 2));
    door.put("/t/key/largest", &value).await;
}
