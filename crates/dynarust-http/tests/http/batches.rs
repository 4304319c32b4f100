//! Section 3: batch.

use dynarust_core::limits::MANY_KEYS_MAX;
use dynarust_store::WriteError;
use serde_json::Value;

use crate::client::{Answer, JSON};
use crate::door::{Door, VALUE_BYTES_MAX};

const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");

async fn post(door: &Door, header: (&str, &str), body: &str) -> Answer {
    door.client().await.ask("POST", "/t/batch", &[header], body).await
}

async fn array(door: &Door, body: &str) -> Vec<Value> {
    let answer = post(door, JSON, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json().as_array().unwrap().clone()
}

async fn lines(door: &Door, body: &str) -> Vec<Value> {
    let answer = post(door, LINES, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert!(answer.body.is_empty() || answer.body.ends_with(b"\n"));
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn status_and_code(answer: &Value) -> (u64, &str) {
    (answer["status"].as_u64().unwrap(), answer["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn items_are_written_and_answered_in_order() {
    let door = Door::open().await;
    let body = r#"[{"key":"a","value":1.50},{"key":"\u0062/é","value":{ "x" : null }},{"key":"a","deleted":true},
                   {"value":null,"key":"c","version":"ignored"},{"key":"a","deleted":true}]"#;
    let answers = array(&door, body).await;
    let keys: Vec<_> = answers.iter().map(|answer| answer["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["a", "b/é", "a", "c", "a"]);
    let versions: Vec<_> = answers.iter().filter_map(|answer| answer["version"].as_str()).collect();
    assert_eq!(versions.len(), 4);
    assert!(versions.is_sorted());
    assert_eq!(status_and_code(&answers[4]), (404, "key_not_found"));
    assert!(!answers[4]["detail"].as_str().unwrap().is_empty());
    assert_eq!(door.ask("GET", "/t/store").await.text(), r#"{"b/é":{ "x" : null },"c":null}"#);
    let tag = format!("\"{}\"", versions[3]);
    assert_eq!(door.ask("GET", "/t/key/c").await.header("etag"), Some(tag.as_str()));
}

#[tokio::test]
async fn lines_are_answered_by_lines() {
    let door = Door::open().await;
    let body = "{\"key\":\"a\",\"value\":1}\r\n\n  {\"key\":\"b\",\"value\":[]}\n{\"key\":\"a\",\"value\":2}";
    let answers = lines(&door, body).await;
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|answer| answer["status"] == 200));
    assert_eq!(door.ask("GET", "/t/store").await.text(), r#"{"a":2,"b":[]}"#);
    assert_eq!(lines(&door, "\n").await.len(), 0);
    assert_eq!(lines(&door, "").await.len(), 0);
    assert_eq!(array(&door, "[]").await.len(), 0);
}

#[tokio::test]
async fn what_is_wrong_with_an_item_is_its_answer_alone() {
    let door = Door::open().await;
    let large = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX));
    let deep = "[".repeat(129) + &"]".repeat(129);
    let items = [
        (r#"{"key":"ok","value":1}"#.to_owned(), "ok", 200, ""),
        (r#"{"key":"","value":1}"#.to_owned(), "", 400, "invalid_key"),
        (r#"{"key":"a"}"#.to_owned(), "a", 400, "invalid_body"),
        (r#"{"key":"a","value":1,"deleted":true}"#.to_owned(), "a", 400, "invalid_body"),
        (r#"{"key":"a","deleted":false}"#.to_owned(), "a", 400, "invalid_body"),
        (r#"{"key":"a","value":1,"expires":1}"#.to_owned(), "a", 400, "invalid_body"),
        (r#"{"key":"a","value":1,"ttl":90}"#.to_owned(), "a", 400, "invalid_body"),
        (r#"{"key":"a","value":1,"ttl":"90"}"#.to_owned(), "a", 400, "invalid_body"),
        (r#"{"key":"a","deleted":true,"ttl":"90s"}"#.to_owned(), "a", 400, "invalid_body"),
        (r#"{"key":"a","value":1,"if_match":null}"#.to_owned(), "a", 400, "invalid_body"),
        (r#"{"key":"a","value":1,"value":2}"#.to_owned(), "a", 400, "invalid_body"),
        (format!(r#"{{"key":"a","value":{large}}}"#), "a", 413, "value_too_large"),
        (format!(r#"{{"key":"a","value":{deep}}}"#), "a", 400, "invalid_json"),
        (r#"{"key":1,"value":1}"#.to_owned(), "null", 400, "invalid_body"),
        (r#"{"value":1}"#.to_owned(), "null", 400, "invalid_body"),
        ("[]".to_owned(), "null", 400, "invalid_body"),
        ("1".to_owned(), "null", 400, "invalid_body"),
        (r#"{"key":"last","value":1}"#.to_owned(), "last", 200, ""),
    ];
    let texts: Vec<&str> = items.iter().map(|(text, ..)| text.as_str()).collect();
    let whole = array(&door, &format!("[{}]", texts.join(","))).await;
    let by_line = lines(&door, &texts.join("\n")).await;
    for answers in [whole, by_line] {
        assert_eq!(answers.len(), items.len());
        for (answer, (text, key, status, code)) in answers.iter().zip(&items) {
            assert_eq!(status_and_code(answer), (*status, *code), "{text:.80} {answer}");
            assert_eq!(answer["key"].as_str().unwrap_or("null"), *key, "{text:.80}");
        }
    }
    assert_eq!(door.ask("GET", "/t/keys").await.text(), r#"["last","ok"]"#);
}

#[tokio::test]
async fn a_line_that_is_no_json_is_that_lines_answer_and_an_array_that_is_none_is_refused_whole() {
    let door = Door::open().await;
    let answers =
        lines(&door, "{\"key\":\"a\",\"value\":1}\n{\"key\":\nx\n{\"key\":\"b\",\"value\":1}")
            .await;
    let codes: Vec<_> = answers.iter().map(status_and_code).collect();
    let no_json = (400, "invalid_json");
    assert_eq!(codes, [(200, ""), no_json, no_json, (200, "")]);
    let surrogate = lines(&door, r#"{"key":"\ud800","value":1}"#).await;
    assert_eq!(status_and_code(&surrogate[0]), (400, "invalid_key"));
    for (body, code) in [
        ("", "invalid_json"),
        ("[{\"key\":\"c\",\"value\":1},", "invalid_json"),
        ("{\"key\":\"c\",\"value\":1}", "invalid_body"),
        ("1", "invalid_body"),
    ] {
        post(&door, JSON, body).await.assert_problem(400, code);
    }
    assert_eq!(door.ask("GET", "/t/keys").await.text(), r#"["a","b"]"#);
}

#[tokio::test]
async fn items_keep_to_their_conditions() {
    let door = Door::open().await;
    let version = door.put("/t/key/a", "1").await;
    let body = format!(
        r#"[{{"key":"a","value":2,"if_match":"{version}"}},{{"key":"a","value":3,"if_match":"{version}"}},
            {{"key":"b","value":1,"if_match":"*"}},{{"key":"a","deleted":true,"if_match":"*"}},
            {{"key":"a","value":4,"if_match":"other"}}]"#
    );
    let answers = array(&door, &body).await;
    let mismatch = (412, "version_mismatch");
    let codes: Vec<_> = answers.iter().map(status_and_code).collect();
    assert_eq!(codes, [(200, ""), mismatch, mismatch, (200, ""), mismatch]);
    assert_eq!(answers[1]["version"], answers[0]["version"]);
    assert_eq!(answers[2].get("version"), None);
}

#[tokio::test]
async fn items_expire() {
    let door = Door::open().await;
    array(&door, r#"[{"key":"a","value":1,"ttl":"90s"},{"key":"b","value":1}]"#).await;
    let expiry = |key| door.store.expiry(&dynarust_core::RecordName::parse("t", key).unwrap());
    assert!(expiry("a").is_some());
    assert_eq!(expiry("b"), None);
}

#[tokio::test]
async fn what_the_store_does_not_take_is_told_item_by_item() {
    let door = Door::open().await;
    for (refusal, status, code) in [
        (WriteError::Overloaded, 503, "overloaded"),
        (WriteError::Full, 507, "storage_full"),
        (WriteError::Stopped("a disk".into()), 503, "store_stopped"),
    ] {
        door.store.refuse_writes(Some(refusal));
        let answers = array(&door, r#"[{"key":"a","value":1},{"key":"","value":1}]"#).await;
        assert_eq!(status_and_code(&answers[0]), (status, code));
        let unknown = answers[0]["indeterminate"].as_bool();
        assert_eq!(unknown, (code == "store_stopped").then_some(true));
        assert_eq!(status_and_code(&answers[1]), (400, "invalid_key"));
    }
}

#[tokio::test]
async fn the_whole_request_keeps_to_its_rules() {
    let door = Door::open().await;
    post(&door, ("Content-Type", "text/plain"), "[]")
        .await
        .assert_problem(415, "unsupported_media_type");
    let mut client = door.client().await;
    let ask = async |client: &mut crate::client::Client, target: &str| {
        client.ask("POST", target, &[JSON], "[]").await
    };
    ask(&mut client, "/_t/batch").await.assert_problem(400, "invalid_table");
    ask(&mut client, "/t/batch?durabilty=sync").await.assert_problem(400, "invalid_parameter");
    ask(&mut client, "/t/batch?ttl=1s").await.assert_problem(400, "invalid_parameter");
    let fine = ask(&mut client, "/t/batch?durability=relaxed&consistency=quorum").await;
    assert_eq!(fine.status, 200);
    let get = client.ask("GET", "/t/batch", &[], "").await;
    get.assert_problem(405, "method_not_allowed");
    assert_eq!(get.header("allow"), Some("POST, OPTIONS"));
}

#[tokio::test]
async fn as_many_as_may_be_are_written_and_not_one_more() {
    let door = Door::open().await;
    let item = |nth: usize| format!("{{\"key\":\"{nth:05}\",\"value\":{nth}}}");
    let items: Vec<String> = (0..MANY_KEYS_MAX).map(item).collect();
    let answers = array(&door, &format!("[{}]", items.join(","))).await;
    assert_eq!(answers.len(), MANY_KEYS_MAX);
    assert!(answers.iter().all(|answer| answer["status"] == 200));
    let keys: Vec<String> = serde_json::from_slice(&door.ask("GET", "/t/keys").await.body).unwrap();
    assert_eq!(keys.len(), MANY_KEYS_MAX);
    let more = format!("{}\n{{\"key\":\"x\",\"value\":1}}", items.join("\n"));
    post(&door, LINES, &more).await.assert_problem(400, "too_many_keys");
    post(&door, JSON, &format!("[{}]", more.replace('\n', ",")))
        .await
        .assert_problem(400, "too_many_keys");
    door.ask("GET", "/t/key/x").await.assert_problem(404, "key_not_found");
}
