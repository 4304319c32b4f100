//! What few owners stand behind says so, whichever node is asked; what is refused for what a record is, too.

use std::time::Duration;

use super::nodes::Cluster;
use crate::client::{Answer, JSON, put_body};

const MERGE_PATCH: (&str, &str) = ("content-type", "application/merge-patch+json");
const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");
const OVER_ANY: (&str, &str) = ("if-match", "*");
/// The record's value is 0.
const IS_ONE: &str = r#"[{"op":"test","path":"","value":1}]"#;

#[test]
fn a_refusal_that_few_owners_stand_behind_says_so() {
    let mut cluster = Cluster::start(3);
    cluster.client(0).put("t", "there", "0").unwrap().expect(200);
    cluster.until_equal("t");
    for node in cluster.all() {
        assert_refusals_tell(&cluster, node, "one", Some("1/3"));
        assert_refusals_tell(&cluster, node, "available", None);
    }
    cluster.kill9(1);
    cluster.kill9(2);
    cluster.within(Duration::from_secs(5), "a majority is not to be had", || {
        let answer = cluster.client(0).get("/t/key/there?consistency=quorum").unwrap();
        if answer.status == 503 { Ok(()) } else { Err(format!("{}", answer.status)) }
    });
    assert_refusals_tell(&cluster, 0, "available", Some("1/3"));
}

#[track_caller]
fn assert_refusals_tell(cluster: &Cluster, node: usize, consistency: &str, told: Option<&str>) {
    let mut client = cluster.client(node);
    let mut refused = |method, key: &str, headers: &[_], body: &str| -> Answer {
        let path = format!("/t/key/{key}?consistency={consistency}");
        client.call(method, &path, headers, body).unwrap()
    };
    let refusals = [
        (404, refused("GET", "absent", &[], "")),
        (404, refused("DELETE", "absent", &[], "")),
        (404, refused("PATCH", "absent", &[MERGE_PATCH], "1")),
        (412, refused("PUT", "absent", &[JSON, OVER_ANY], &put_body("1"))),
        (412, refused("PATCH", "absent", &[MERGE_PATCH, OVER_ANY], "1")),
        (409, refused("PATCH", "there", &[JSON_PATCH], IS_ONE)),
    ];
    for (status, answer) in refusals {
        let answer = answer.expect(status);
        assert_eq!(answer.header("dynarust-replicas"), told, "{status} of node {node}");
    }
    let path = format!("/t/batch?consistency={consistency}");
    let items = r#"[{"key":"absent","deleted":true}]"#;
    let answer = client.call("POST", &path, &[JSON], items).unwrap().expect(200);
    let items: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let item = &items[0];
    assert_eq!((item["status"].as_u64(), item["replicas"].as_str()), (Some(404), told), "{item}");
}
