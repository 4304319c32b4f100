//! Section 2: records.

use dynarust_core::RecordName;
use dynarust_store::{Store as _, SystemClock, WallClock as _, WriteError};

use crate::client::JSON;
use crate::door::Door;

const KEY: &str = "/default/key/mykey";

#[tokio::test]
async fn a_record_is_put_read_and_deleted() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let put = client.put(KEY, "\"mydata\"").await;
    assert_eq!(put.status, 200);
    assert_eq!(put.header("content-type"), Some("application/json"));
    assert_eq!(put.header("cache-control"), Some("no-store"));
    let version = put.json()["version"].as_str().unwrap().to_owned();
    assert_eq!(put.text(), format!("{{\"version\":\"{version}\"}}"));
    let tag = format!("\"{version}\"");
    assert_eq!(put.header("etag"), Some(tag.as_str()));

    let get = client.ask("GET", KEY, &[], "").await;
    assert_eq!((get.status, get.text()), (200, r#"{"value":"mydata"}"#));
    assert_eq!(get.header("etag"), Some(tag.as_str()));
    assert_eq!(get.header("cache-control"), Some("no-cache"));
    assert_eq!(get.header("content-type"), Some("application/json"));
    let modified = httpdate::parse_http_date(get.header("last-modified").unwrap()).unwrap();
    assert!(modified <= std::time::SystemTime::now());

    let head = client.ask("HEAD", KEY, &[], "").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), Some("18"));
    assert_eq!(head.header("etag"), Some(tag.as_str()));

    let delete = client.ask("DELETE", KEY, &[], "").await;
    assert_eq!(delete.status, 200);
    assert!(delete.json()["version"].as_str().unwrap() > version.as_str());
    client.ask("DELETE", KEY, &[], "").await.assert_problem(404, "key_not_found");
    client.ask("GET", KEY, &[], "").await.assert_problem(404, "key_not_found");
    assert_eq!(client.ask("HEAD", KEY, &[], "").await.status, 404);
}

#[tokio::test]
async fn a_value_comes_back_byte_for_byte() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let values = [
        "null",
        "1.50e+1",
        "123456789012345678901234567890",
        "{ \"b\" : 1,\n\t\"a\":[ ],\"a\":2}",
        "\"\\u00e9 é \\ud800\"",
    ];
    for value in values {
        assert_eq!(client.put(KEY, value).await.status, 200, "{value}");
        let got = client.ask("GET", KEY, &[], "").await;
        assert_eq!(got.text(), format!("{{\"value\":{value}}}"));
    }
}

#[tokio::test]
async fn a_record_that_is_not_in_memory_is_read_too() {
    let door = Door::open().await;
    door.put(KEY, "1").await;
    door.store.keep_in_memory(false);
    assert_eq!(door.ask("GET", KEY).await.text(), "{\"value\":1}");
    door.ask("GET", "/default/key/other").await.assert_problem(404, "key_not_found");
}

#[tokio::test]
async fn an_expired_record_is_absent() {
    let door = Door::open().await;
    let name = RecordName::parse("default", "mykey").unwrap();
    door.store.insert(name.clone(), "1", Some(1));
    door.ask("GET", KEY).await.assert_problem(404, "key_not_found");
    door.ask("DELETE", KEY).await.assert_problem(404, "key_not_found");
    assert_eq!(door.ask("GET", "/default/keys").await.text(), "[]");
    door.store.insert(name, "1", Some(u64::MAX));
    assert_eq!(door.ask("GET", KEY).await.status, 200);
}

#[tokio::test]
async fn a_ttl_sets_the_expiry_and_a_write_without_one_clears_it() {
    let door = Door::open().await;
    let name = RecordName::parse("default", "mykey").unwrap();
    let expiry = || door.store.peek(&name).unwrap().record.expiry;
    let before = SystemClock.now();
    door.put(&format!("{KEY}?ttl=2h"), "1").await;
    let (lifetime, two_hours) = (expiry().unwrap() - before, 2 * 60 * 60 * 1000);
    assert!((two_hours..=two_hours + 60_000).contains(&lifetime), "{lifetime}");
    door.put(KEY, "1").await;
    assert_eq!(expiry(), None);
    let mut client = door.client().await;
    for ttl in ["", "0s", "5", "-1s", "11y", "3654d", "1s&ttl=1s"] {
        let answer = client.put(&format!("{KEY}?ttl={ttl}"), "1").await;
        answer.assert_problem(400, "invalid_parameter");
    }
    let target = format!("{KEY}?ttl=1s");
    for method in ["GET", "DELETE"] {
        client.ask(method, &target, &[], "").await.assert_problem(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn writes_keep_to_their_conditions() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let body = r#"{"value":1}"#;
    let absent = client.ask("PUT", KEY, &[JSON, ("If-Match", "*")], body).await;
    absent.assert_problem(412, "version_mismatch");
    assert_eq!(absent.header("etag"), None);
    // The condition comes before the existence.
    client
        .ask("DELETE", KEY, &[("If-Match", "\"x\"")], "")
        .await
        .assert_problem(412, "version_mismatch");

    let first = client.ask("PUT", KEY, &[JSON, ("If-None-Match", "*")], body).await;
    assert_eq!(first.status, 200);
    let tag = first.header("etag").unwrap();
    let again = client.ask("PUT", KEY, &[JSON, ("If-None-Match", "*")], body).await;
    again.assert_problem(412, "version_mismatch");
    assert_eq!(again.header("etag"), Some(tag));

    let weak = format!("W/{tag}");
    let second = client.ask("PUT", KEY, &[JSON, ("If-Match", &weak)], body).await;
    second.assert_problem(412, "version_mismatch");
    let second = client.ask("PUT", KEY, &[JSON, ("If-Match", tag)], body).await;
    assert_eq!(second.status, 200);
    client
        .ask("PUT", KEY, &[JSON, ("If-Match", tag)], body)
        .await
        .assert_problem(412, "version_mismatch");
    client
        .ask("DELETE", KEY, &[("If-Match", tag)], "")
        .await
        .assert_problem(412, "version_mismatch");
    let tag = second.header("etag").unwrap();
    let list = format!("\"other\", {tag}");
    assert_eq!(client.ask("DELETE", KEY, &[("If-Match", &list)], "").await.status, 200);
}

#[tokio::test]
async fn reads_keep_to_their_conditions() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let tag = format!("\"{}\"", door.put(KEY, "1").await);
    for matching in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let got = client.ask("GET", KEY, &[("If-None-Match", &matching)], "").await;
        assert_eq!((got.status, got.header("etag")), (304, Some(tag.as_str())), "{matching}");
        assert_eq!(got.header("cache-control"), Some("no-cache"));
        let head = client.ask("HEAD", KEY, &[("If-None-Match", &matching)], "").await;
        assert_eq!(head.status, 304);
    }
    assert_eq!(client.ask("GET", KEY, &[("If-None-Match", "\"x\"")], "").await.status, 200);
    assert_eq!(client.ask("GET", KEY, &[("If-Match", &tag)], "").await.status, 200);
    let other = client.ask("GET", KEY, &[("If-Match", "\"x\"")], "").await;
    other.assert_problem(412, "version_mismatch");
    let absent = client.ask("GET", "/t/key/k", &[("If-None-Match", "*")], "").await;
    absent.assert_problem(404, "key_not_found");
}

#[tokio::test]
async fn malformed_conditions_are_refused() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for (method, body) in [("GET", ""), ("HEAD", ""), ("PUT", r#"{"value":1}"#), ("DELETE", "")] {
        for header in ["If-Match", "If-None-Match"] {
            let answer = client.ask(method, KEY, &[JSON, (header, "v1")], body).await;
            if method == "HEAD" {
                assert_eq!(answer.status, 400);
            } else {
                answer.assert_problem(400, "invalid_condition");
            }
        }
    }
}

#[tokio::test]
async fn guarantees_are_taken_or_refused() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for consistency in ["one", "available", "quorum", "all"] {
        let target = format!("{KEY}?consistency={consistency}&_trace=1");
        assert_eq!(client.put(&target, "1").await.status, 200);
        assert_eq!(client.ask("GET", &target, &[], "").await.status, 200);
        assert_eq!(client.ask("DELETE", &target, &[], "").await.status, 200);
    }
    for durability in ["sync", "relaxed"] {
        let target = format!("{KEY}?durability={durability}");
        assert_eq!(client.put(&target, "1").await.status, 200);
        assert_eq!(client.ask("DELETE", &target, &[], "").await.status, 200);
        client.ask("GET", &target, &[], "").await.assert_problem(400, "invalid_parameter");
    }
    for query in [
        "consistency=most",
        "consistency=",
        "consistency=one&consistency=one",
        "consistancy=one",
        "durability=maybe",
        "a=%",
    ] {
        let target = format!("{KEY}?{query}");
        client.put(&target, "1").await.assert_problem(400, "invalid_parameter");
        client.ask("GET", &target, &[], "").await.assert_problem(400, "invalid_parameter");
        client.ask("DELETE", &target, &[], "").await.assert_problem(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn what_the_store_refuses_is_told() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let stopped = WriteError::Stopped("the disk is on fire".into());
    let cases = [
        (WriteError::Full, 507, "storage_full", false),
        (WriteError::Overloaded, 503, "overloaded", false),
        (stopped, 503, "store_stopped", true),
    ];
    for (refusal, status, code, indeterminate) in cases {
        door.store.refuse_writes(Some(refusal));
        for answer in [client.put(KEY, "1").await, client.ask("DELETE", KEY, &[], "").await] {
            answer.assert_problem(status, code);
            assert_eq!(answer.header("retry-after").is_some(), status == 503);
            assert_eq!(answer.json().get("indeterminate").is_some(), indeterminate);
        }
    }
    door.store.refuse_writes(None);
    assert_eq!(client.put(KEY, "1").await.status, 200);
}

#[tokio::test]
async fn a_corrupt_record_is_its_own_error_alone() {
    let door = Door::open().await;
    door.put(KEY, "1").await;
    door.put("/default/key/other", "2").await;
    door.store.corrupt(RecordName::parse("default", "mykey").unwrap());
    door.ask("GET", KEY).await.assert_problem(500, "corrupt_record");
    assert_eq!(door.ask("GET", "/default/key/other").await.status, 200);
    // Writing it mends it.
    door.put(KEY, "3").await;
    assert_eq!(door.ask("GET", KEY).await.text(), "{\"value\":3}");
}
