//! What an operator does with the cluster, and who may.

use dynarust_http::authorization;
use dynarust_node::Secret;

use crate::client::Answer;
use crate::door::{Door, SECRET};

/// Asks twice: for the challenge, and with the proof under this secret.
async fn ask(door: &Door, secret: &str, path: &str) -> Answer {
    let mut client = door.client().await;
    let challenged = client.ask("POST", path, &[], "").await;
    challenged.assert_problem(401, "unauthenticated");
    let challenge = challenged.header("www-authenticate").unwrap();
    let proof = authorization(&Secret::new(secret), "POST", path, challenge).unwrap();
    client.ask("POST", path, &[("Authorization", &proof)], "").await
}

#[tokio::test]
async fn who_knows_the_secret_is_heard() {
    let door = Door::of_cluster(10).await;
    ask(&door, SECRET, "/_cluster/leave").await.assert_problem(409, "membership_conflict");
    let node = "/_cluster/remove/0123456789abcdef";
    ask(&door, SECRET, node).await.assert_problem(409, "membership_conflict");
    for wrong in ["/_cluster/remove/1", "/_cluster/remove/+123456789abcdef", "/_cluster/remove/"] {
        ask(&door, SECRET, wrong).await.assert_problem(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn who_does_not_is_not() {
    let door = Door::of_cluster(10).await;
    for path in ["/_cluster/leave", "/_cluster/remove/0123456789abcdef"] {
        ask(&door, "another secret altogether", path).await.assert_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_node_alone_has_nothing_to_prove() {
    let door = Door::open().await;
    for path in ["/_cluster/leave", "/_cluster/remove/0123456789abcdef"] {
        door.ask("POST", path).await.assert_problem(403, "no_cluster");
    }
    door.ask("GET", "/_cluster/leave").await.assert_problem(405, "method_not_allowed");
    door.ask("POST", "/_cluster").await.assert_problem(404, "not_found");
    door.ask("POST", "/_cluster/join").await.assert_problem(404, "not_found");
}
