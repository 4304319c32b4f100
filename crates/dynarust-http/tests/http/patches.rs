//! Section 2: PATCH.

use std::sync::Arc;

use dynarust_core::RecordName;

use crate::client::{Answer, JSON};
use crate::door::{Door, VALUE_BYTES_MAX};

const KEY: &str = "/default/key/mykey";
const MERGE: (&str, &str) = ("Content-Type", "application/merge-patch+json");
const OPERATIONS: (&str, &str) = ("Content-Type", "application/json-patch+json");

async fn patch(door: &Door, headers: &[(&str, &str)], body: &str) -> Answer {
    door.client().await.ask("PATCH", KEY, headers, body).await
}

async fn value(door: &Door) -> String {
    door.ask("GET", KEY).await.text().to_owned()
}

#[tokio::test]
async fn a_value_is_changed_in_part_and_the_rest_keeps_its_text() {
    let door = Door::open().await;
    let before = door.put(KEY, r#"{"n": 1.50, "s": [ 1 ],"gone":0}"#).await;
    let patched = patch(&door, &[MERGE], r#"{"gone":null,"new":"x"}"#).await;
    assert_eq!(patched.status, 200);
    let version = patched.json()["version"].as_str().unwrap().to_owned();
    assert!(version > before);
    let tag = format!("\"{version}\"");
    assert_eq!(patched.header("etag"), Some(tag.as_str()));
    assert_eq!(patched.header("cache-control"), Some("no-store"));
    assert_eq!(value(&door).await, r#"{"value":{"n":1.50,"s":[ 1 ],"new":"x"}}"#);
    let operations =
        r#"[{"op":"test","path":"/n","value":1.5},{"op":"add","path":"/s/-","value":2}]"#;
    assert_eq!(patch(&door, &[OPERATIONS], operations).await.status, 200);
    assert_eq!(value(&door).await, r#"{"value":{"n":1.50,"s":[1,2],"new":"x"}}"#);
}

#[tokio::test]
async fn what_cannot_be_done_is_told_and_changes_nothing() {
    let door = Door::open().await;
    patch(&door, &[MERGE], "{}").await.assert_problem(404, "key_not_found");
    door.put(KEY, r#"{"a":1}"#).await;
    let cases = [
        (OPERATIONS, r#"[{"op":"test","path":"/a","value":2}]"#, 409, "patch_failed"),
        (OPERATIONS, r#"[{"op":"remove","path":"/b"}]"#, 409, "patch_failed"),
        (OPERATIONS, r#"[{"op":"remove","path":""}]"#, 400, "invalid_patch"),
        (OPERATIONS, r#"{"op":"remove","path":"/a"}"#, 400, "invalid_patch"),
        (OPERATIONS, "[{}]", 400, "invalid_patch"),
        (OPERATIONS, "[", 400, "invalid_json"),
        (MERGE, "", 400, "invalid_json"),
        (MERGE, r#"{"a":1,"a":2}"#, 400, "invalid_patch"),
        (MERGE, "{\"a\":\"\u{0}\"}", 400, "invalid_json"),
        (JSON, "{}", 415, "unsupported_media_type"),
    ];
    for (header, body, status, code) in cases {
        patch(&door, &[header], body).await.assert_problem(status, code);
    }
    let deep = "[".repeat(129) + &"]".repeat(129);
    patch(&door, &[MERGE], &deep).await.assert_problem(400, "invalid_patch");
    let large = format!("{{\"b\":\"{}\"}}", "x".repeat(VALUE_BYTES_MAX - 8));
    patch(&door, &[MERGE], &large).await.assert_problem(413, "value_too_large");
    let huge = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX + (64 << 10)));
    patch(&door, &[MERGE], &huge).await.assert_problem(413, "body_too_large");
    patch(&door, &[], "{}").await.assert_problem(415, "unsupported_media_type");
    // A bad patch is told before an absent key.
    let mut client = door.client().await;
    let absent = client.ask("PATCH", "/t/key/absent", &[OPERATIONS], "{}").await;
    absent.assert_problem(400, "invalid_patch");
    assert_eq!(value(&door).await, r#"{"value":{"a":1}}"#);
}

#[tokio::test]
async fn the_forms_of_patches_are_told() {
    let door = Door::open().await;
    let forms = Some("application/merge-patch+json, application/json-patch+json");
    assert_eq!(patch(&door, &[JSON], "{}").await.header("accept-patch"), forms);
    assert_eq!(door.ask("OPTIONS", KEY).await.header("accept-patch"), forms);
    assert_eq!(door.ask("OPTIONS", "/t/keys").await.header("accept-patch"), None);
}

#[tokio::test]
async fn patches_keep_to_their_conditions() {
    let door = Door::open().await;
    patch(&door, &[MERGE, ("If-Match", "*")], "1").await.assert_problem(412, "version_mismatch");
    let version = door.put(KEY, "1").await;
    let tag = format!("\"{version}\"");
    patch(&door, &[MERGE, ("If-Match", "\"x\"")], "2")
        .await
        .assert_problem(412, "version_mismatch");
    let none = patch(&door, &[MERGE, ("If-None-Match", "*")], "2").await;
    none.assert_problem(412, "version_mismatch");
    assert_eq!(none.header("etag"), Some(tag.as_str()));
    assert_eq!(patch(&door, &[MERGE, ("If-Match", &tag)], "2").await.status, 200);
    patch(&door, &[MERGE, ("If-Match", &tag)], "3").await.assert_problem(412, "version_mismatch");
    assert_eq!(value(&door).await, "{\"value\":2}");
}

#[tokio::test]
async fn a_patch_sets_an_expiry_or_clears_it() {
    let door = Door::open().await;
    let name = RecordName::parse("default", "mykey").unwrap();
    let expiry = || door.store.expiry(&name);
    door.put(KEY, "{}").await;
    let mut client = door.client().await;
    let patched = client.ask("PATCH", &format!("{KEY}?ttl=90s"), &[MERGE], "{}").await;
    assert_eq!(patched.status, 200);
    assert!(expiry().is_some());
    assert_eq!(patch(&door, &[MERGE], "{}").await.status, 200);
    assert_eq!(expiry(), None);
    let wrong = client.ask("PATCH", &format!("{KEY}?ttl=1"), &[MERGE], "{}").await;
    wrong.assert_problem(400, "invalid_parameter");
}

#[tokio::test]
async fn of_64_patches_at_a_time_none_is_lost() {
    let door = Arc::new(Door::open().await);
    door.put(KEY, "{}").await;
    let patches = (0..64).map(|nth| {
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            let body = format!(r#"[{{"op":"add","path":"/{nth}","value":1}}]"#);
            patch(&door, &[OPERATIONS], &body).await.status
        })
    });
    for patched in patches.collect::<Vec<_>>() {
        assert_eq!(patched.await.unwrap(), 200);
    }
    let value: serde_json::Value = serde_json::from_str(&value(&door).await).unwrap();
    assert_eq!(value["value"].as_object().unwrap().len(), 64);
}
