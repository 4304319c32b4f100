//! Section 2, "Retried writes": idempotency keys.

use dynarust_core::RecordName;
use dynarust_store::{Store as _, WriteError};

use crate::client::{Client, JSON};
use crate::door::Door;

const KEY: &str = "/default/key/mykey";
const MERGE: (&str, &str) = ("Content-Type", "application/merge-patch+json");

fn keyed(key: &str) -> (&str, &str) {
    ("Idempotency-Key", key)
}

fn seq(door: &Door) -> u64 {
    door.store.position().seq
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_changes_nothing() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let counter = "{\"value\":{\"n\":[]}}";
    let append = r#"[{"op":"add","path":"/n/-","value":1}]"#;
    let patch = ("Content-Type", "application/json-patch+json");
    let requests = [
        ("PUT", vec![JSON, ("If-None-Match", "*"), keyed("a")], counter),
        ("PATCH", vec![patch, keyed("\"b\"")], append),
        ("DELETE", vec![keyed("c")], ""),
    ];
    for (nth, (method, headers, body)) in requests.iter().enumerate() {
        let first = client.ask(method, KEY, headers, body).await;
        assert_eq!(first.status, 200, "{method} {first:?}");
        for _ in 0..2 {
            let again = client.ask(method, KEY, headers, body).await;
            assert_eq!((again.status, again.text()), (200, first.text()), "{method}");
            assert_eq!(again.header("etag"), first.header("etag"));
        }
        assert_eq!(seq(&door), nth as u64 + 1);
    }
}

#[tokio::test]
async fn a_refusal_is_repeated_too() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let only_new = [JSON, ("If-None-Match", "*"), keyed("a")];
    door.put(KEY, "1").await;
    let refused = client.ask("PUT", KEY, &only_new, "{\"value\":2}").await;
    refused.assert_problem(412, "version_mismatch");
    let failed = client.ask("PATCH", KEY, &[JSON_PATCH, keyed("b")], MISSING).await;
    failed.assert_problem(409, "patch_failed");
    door.ask("DELETE", KEY).await;
    let again = client.ask("PUT", KEY, &only_new, "{\"value\":2}").await;
    again.assert_problem(412, "version_mismatch");
    assert_eq!(again.header("etag"), refused.header("etag"));
    let absent = client.ask("DELETE", KEY, &[keyed("c")], "").await;
    absent.assert_problem(404, "key_not_found");
    door.put(KEY, "{\"missing\":{}}").await;
    client.ask("DELETE", KEY, &[keyed("c")], "").await.assert_problem(404, "key_not_found");
    let failed = client.ask("PATCH", KEY, &[JSON_PATCH, keyed("b")], MISSING).await;
    failed.assert_problem(409, "patch_failed");
}

const JSON_PATCH: (&str, &str) = ("Content-Type", "application/json-patch+json");
const MISSING: &str = r#"[{"op":"add","path":"/missing/x","value":1}]"#;

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let put =
        |headers: Vec<(&'static str, &'static str)>| [vec![JSON, keyed("a")], headers].concat();
    let first = client.ask("PUT", KEY, &put(vec![]), "{\"value\":1}").await;
    assert_eq!(first.status, 200);
    let others = [
        ("PUT", KEY.to_owned(), put(vec![]), "{\"value\":2}"),
        ("PUT", "/default/key/other".to_owned(), put(vec![]), "{\"value\":1}"),
        ("PUT", "/other/key/mykey".to_owned(), put(vec![]), "{\"value\":1}"),
        ("PUT", format!("{KEY}?ttl=1h"), put(vec![]), "{\"value\":1}"),
        ("PUT", format!("{KEY}?durability=relaxed"), put(vec![]), "{\"value\":1}"),
        ("PUT", format!("{KEY}?consistency=all"), put(vec![]), "{\"value\":1}"),
        ("PUT", KEY.to_owned(), put(vec![("If-Match", "*")]), "{\"value\":1}"),
        ("PATCH", KEY.to_owned(), vec![MERGE, keyed("a")], "1"),
        ("DELETE", KEY.to_owned(), vec![keyed("a")], ""),
    ];
    for (method, target, headers, body) in others {
        let answer = client.ask(method, &target, &headers, body).await;
        answer.assert_problem(422, "idempotency_key_reused");
    }
    assert_eq!(seq(&door), 1);
    // The same, written in another way.
    let again = client.ask("PUT", KEY, &put(vec![]), "{ \"value\" : 1 }").await;
    assert_eq!(again.text(), first.text());
}

#[tokio::test]
async fn while_the_first_runs_a_repeat_is_told_so() {
    let door = Door::open().await;
    door.store.hold_writes(true);
    let mut first = door.client().await;
    first.send(put_text("a", 1)).await;
    door.store.until_waiting(1).await;
    let mut second = door.client().await;
    let again = ask(&mut second, "a", 1).await;
    again.assert_problem(409, "request_in_progress");
    ask(&mut second, "a", 2).await.assert_problem(422, "idempotency_key_reused");
    door.store.hold_writes(false);
    let answer = first.answer("PUT").await;
    assert_eq!(ask(&mut second, "a", 1).await.text(), answer.text());
    assert_eq!(seq(&door), 1);
}

fn put_text(key: &str, value: u32) -> String {
    let body = format!("{{\"value\":{value}}}");
    format!(
        "PUT {KEY} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn ask(client: &mut Client, key: &str, value: u32) -> crate::client::Answer {
    client.send(put_text(key, value)).await;
    client.answer("PUT").await
}

#[tokio::test]
async fn what_did_not_work_is_tried_again() {
    let door = Door::open().await;
    let mut client = door.client().await;
    door.store.refuse_writes(Some(WriteError::Full));
    ask(&mut client, "a", 1).await.assert_problem(507, "storage_full");
    door.store.refuse_writes(None);
    assert_eq!(ask(&mut client, "a", 1).await.status, 200);
    assert_eq!(ask(&mut client, "a", 1).await.status, 200);
    assert_eq!(seq(&door), 1);
}

#[tokio::test]
async fn each_item_of_a_batch_is_known() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let headers = [JSON, keyed("a")];
    let items = r#"[{"key":"x","value":1},{"key":"x","value":2},{"key":"y","deleted":true}]"#;
    let first = client.ask("POST", "/t/batch", &headers, items).await;
    assert_eq!(first.status, 200);
    let statuses = |answer: &crate::client::Answer| {
        let items = answer.json().as_array().unwrap().clone();
        items.iter().map(|item| item["status"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&first), [200, 200, 404]);
    let again = client.ask("POST", "/t/batch", &headers, items).await;
    assert_eq!(again.text(), first.text());
    assert_eq!(seq(&door), 2);
    let x = RecordName::parse("t", "x").unwrap();
    assert_eq!(door.store.peek(&x).unwrap().record.value, "2");
    let other = r#"[{"key":"x","value":1},{"key":"x","value":3}]"#;
    let other = client.ask("POST", "/t/batch", &headers, other).await;
    assert_eq!(statuses(&other), [200, 422]);
    assert_eq!(seq(&door), 2);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for key in ["", "a b", "\"a", "\"\"", &"k".repeat(256)] {
        let answer = client.ask("PUT", KEY, &[JSON, keyed(key)], "{\"value\":1}").await;
        answer.assert_problem(400, "invalid_idempotency_key");
        client
            .ask("DELETE", KEY, &[keyed(key)], "")
            .await
            .assert_problem(400, "invalid_idempotency_key");
    }
    let twice = [JSON, keyed("a"), keyed("a")];
    let answer = client.ask("PUT", KEY, &twice, "{\"value\":1}").await;
    answer.assert_problem(400, "invalid_idempotency_key");
    assert_eq!(seq(&door), 0);
}
