//! Section 5, as far as one node has it.

use crate::door::Door;

#[tokio::test]
async fn the_membership_is_of_one() {
    let door = Door::open().await;
    let answer = door.ask("GET", "/membership").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let membership = answer.json();
    assert_eq!(membership["active_count"], 1);
    let nodes = membership["nodes"].as_object().unwrap();
    assert_eq!(nodes.len(), 1);
    let node = &nodes["node.example:6660"];
    assert_eq!(node["id"], door.node.id().to_string());
    assert_eq!((&node["status"], &node["partitions"]), (&"Active".into(), &1024.into()));
    assert_eq!((&node["incarnation"], &node["weight"]), (&0.into(), &100.into()));
    assert_eq!(node.get("zone"), None);
    assert_eq!(node["last_heartbeat"], membership["timestamp"]);
    assert!(membership["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
}

#[tokio::test]
async fn health_has_reasons() {
    let door = Door::open().await;
    for target in ["/livez", "/readyz"] {
        assert_eq!(door.ask("GET", target).await.status, 200);
        assert_eq!(door.ask("HEAD", target).await.status, 200);
        let refused = door.ask("GET", &format!("{target}?verbose=1")).await;
        refused.assert_problem(400, "invalid_parameter");
    }
    door.store.fail("the disk is on fire");
    for target in ["/livez", "/readyz"] {
        let answer = door.ask("GET", target).await;
        assert_eq!(answer.status, 503);
        let reason = answer.json()["reasons"][0].as_str().unwrap().to_owned();
        assert!(reason.contains("the disk is on fire"), "{reason}");
    }
    assert_eq!(&*door.node.store_failure().await, "the disk is on fire");
}
