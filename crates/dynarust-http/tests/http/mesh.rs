//! Where other nodes come in.

use crate::client::Answer;
use crate::door::Door;

const UPGRADE: [(&str, &str); 2] = [("Connection", "Upgrade"), ("Upgrade", "dynarust/1")];

async fn ask(door: &Door, method: &str, headers: &[(&str, &str)]) -> Answer {
    door.client().await.ask(method, "/_mesh", headers, "").await
}

/// Asks to come in; true where that is granted. The connection is the node's then.
async fn comes_in(door: &Door) -> bool {
    let mut client = door.client().await;
    client
        .send(
            "GET /_mesh HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: dynarust/1\r\n\r\n",
        )
        .await;
    let answer = client.head().await;
    let protocol = answer.header("upgrade").map(str::to_owned);
    if answer.status == 101 {
        assert_eq!(
            (protocol.as_deref(), answer.header("connection")),
            (Some("dynarust/1"), Some("Upgrade"))
        );
    }
    answer.status == 101
}

#[tokio::test]
async fn a_node_alone_lets_nobody_in() {
    let door = Door::open().await;
    ask(&door, "GET", &UPGRADE).await.assert_problem(403, "no_cluster");
    ask(&door, "GET", &[]).await.assert_problem(403, "no_cluster");
}

#[tokio::test]
async fn who_asks_for_the_protocol_comes_in() {
    let door = Door::of_cluster(10).await;
    assert!(comes_in(&door).await);
}

#[tokio::test]
async fn who_does_not_ask_for_it_is_told_to() {
    let door = Door::of_cluster(10).await;
    let cases: [&[(&str, &str)]; 5] = [
        &[],
        &[("Upgrade", "dynarust/1")],
        &[("Connection", "Upgrade")],
        &[("Connection", "Upgrade"), ("Upgrade", "dynarust/2")],
        &[("Connection", "keep-alive"), ("Upgrade", "dynarust/1")],
    ];
    for headers in cases {
        let refused = ask(&door, "GET", headers).await;
        refused.assert_problem(426, "upgrade_required");
        assert_eq!(refused.header("upgrade"), Some("dynarust/1"), "{headers:?}");
    }
    assert_eq!(ask(&door, "HEAD", &UPGRADE).await.status, 426);
    let refused = ask(&door, "POST", &UPGRADE).await;
    refused.assert_problem(405, "method_not_allowed");
    // After a refusal the connection is an ordinary one.
    let mut client = door.client().await;
    client.ask("GET", "/_mesh", &[("Upgrade", "x"), ("Connection", "Upgrade")], "").await;
    assert_eq!(client.ask("GET", "/livez", &[], "").await.status, 200);
}

#[tokio::test]
async fn clients_that_take_all_places_keep_no_peer_out() {
    let door = Door::of_cluster(1).await;
    let mut one = door.client().await;
    assert_eq!(one.ask("GET", "/livez", &[], "").await.status, 200);
    door.ask("GET", "/livez").await.assert_problem(503, "overloaded");
    assert!(comes_in(&door).await);
}

#[tokio::test]
async fn a_peer_keeps_no_client_out() {
    let door = Door::of_cluster(1).await;
    assert!(comes_in(&door).await);
    // Its place among the clients is free once the door has seen it go over.
    while door.ask("GET", "/livez").await.status != 200 {}
}
