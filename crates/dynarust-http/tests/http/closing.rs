//! The end of a front door.

use crate::client::within;
use crate::door::Door;

#[tokio::test]
async fn a_request_that_runs_is_finished() {
    let mut door = Door::open().await;
    let mut idle = door.client().await;
    assert_eq!(idle.ask("GET", "/livez", &[], "").await.status, 200);
    let mut writer = door.client().await;
    door.store.hold_writes(true);
    let body = r#"{"value":1}"#;
    writer
        .send(format!(
            "PUT /t/key/k HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    within(door.store.until_waiting(1)).await;
    door.begin_close();
    // Whoever asks nothing is closed at once; nobody new is let in.
    assert!(idle.is_closed().await);
    assert!(tokio::net::TcpStream::connect(door.address).await.is_err());
    door.store.hold_writes(false);
    let answer = writer.answer("PUT").await;
    assert_eq!(answer.status, 200);
    assert!(writer.is_closed().await);
    within(door.closed()).await;
}

#[tokio::test]
async fn a_node_that_closes_is_not_ready() {
    let door = Door::open().await;
    door.node.close_streams();
    assert_eq!(door.ask("GET", "/livez").await.status, 200);
    let answer = door.ask("GET", "/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("closing"));
}
