//! Sections 1, 6 and 7: names, addresses, methods, and what is wrong with a request.

use std::collections::BTreeSet;

use dynarust_core::limits::{KEY_BYTES_MAX, TABLE_BYTES_MAX, URI_BYTES_MAX};

use crate::door::Door;

#[tokio::test]
async fn keys_are_taken_as_they_are_written() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let longest = "k".repeat(KEY_BYTES_MAX);
    let cases = [
        ("a%2Fb", "a/b"),
        ("..", ".."),
        (".", "."),
        ("%2e%2e", ".."),
        ("a+b", "a+b"),
        ("%20", " "),
        ("%00", "\0"),
        ("%D0%BA%D0%BB%D1%8E%D1%87", "ключ"),
        ("%22%5C", "\"\\"),
        (&longest, &longest),
    ];
    for (nth, (encoded, key)) in cases.into_iter().enumerate() {
        let put = client.put(&format!("/t{nth}/key/{encoded}"), "1").await;
        assert_eq!(put.status, 200, "{encoded}: {put:?}");
        let keys = client.ask("GET", &format!("/t{nth}/keys"), &[], "").await;
        assert_eq!(keys.json(), serde_json::json!([key]));
    }
}

#[tokio::test]
async fn names_that_break_the_rules_are_refused() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let too_long = "k".repeat(KEY_BYTES_MAX + 1);
    for key in ["", "%", "%2", "%zz", "%FF", "%C3", &too_long] {
        for target in [format!("/t/key/{key}"), format!("/t/subscribe/{key}")] {
            client.ask("GET", &target, &[], "").await.assert_problem(400, "invalid_key");
        }
        let target = format!("/t/key/{key}");
        client.put(&target, "1").await.assert_problem(400, "invalid_key");
        client.ask("DELETE", &target, &[], "").await.assert_problem(400, "invalid_key");
    }
    let too_long = "t".repeat(TABLE_BYTES_MAX + 1);
    for table in ["_t", ".t", "..", "a%2Fb", "a%20b", "%FF", "%", "%C3%A9", &too_long] {
        for rest in ["key/k", "subscribe/k", "subscribe", "store", "keys"] {
            let target = format!("/{table}/{rest}");
            client.ask("GET", &target, &[], "").await.assert_problem(400, "invalid_table");
        }
        client.put(&format!("/{table}/key/k"), "1").await.assert_problem(400, "invalid_table");
    }
    client.ask("GET", "//key/k", &[], "").await.assert_problem(400, "invalid_table");
    assert_eq!(client.ask("GET", "/t%2E/key/k", &[], "").await.status, 404);
}

#[tokio::test]
async fn unknown_addresses_are_not_found() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for target in [
        "/",
        "/t",
        "/t/",
        "/t/key",
        "/t/key/a/b",
        "/t/key/a/",
        "/t/key/../x",
        "/t/store/",
        "/t/other",
        "/t/subscribe/a/b",
        "/livez/",
        "/_x",
    ] {
        for method in ["GET", "PUT", "DELETE", "POST", "OPTIONS"] {
            client.ask(method, target, &[], "").await.assert_problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn other_methods_are_told_the_right_ones() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let record = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    let keys = "GET, HEAD, POST, OPTIONS";
    let read = "GET, HEAD, OPTIONS";
    let cases = [
        ("/t/key/k", record),
        ("/t/keys", keys),
        ("/t/batch", "POST, OPTIONS"),
        ("/t/store", read),
        ("/t/subscribe", read),
        ("/t/subscribe/k", read),
        ("/subscribe", read),
        ("/tables", read),
        ("/membership", read),
        ("/stats", read),
        ("/metrics", read),
        ("/livez", read),
        ("/readyz", read),
    ];
    for (target, allow) in cases {
        let other = client.ask("BREW", target, &[], "").await;
        other.assert_problem(405, "method_not_allowed");
        assert_eq!(other.header("allow"), Some(allow), "{target}");
        let options = client.ask("OPTIONS", target, &[], "").await;
        assert_eq!((options.status, options.header("allow")), (204, Some(allow)), "{target}");
    }
}

#[tokio::test]
async fn a_request_has_one_host() {
    let door = Door::open().await;
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let mut client = door.client().await;
        client.send(format!("GET /livez HTTP/1.1\r\n{hosts}\r\n")).await;
        client.answer("GET").await.assert_problem(400, "invalid_request");
    }
    let mut client = door.client().await;
    client.send("GET /livez HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer("GET").await.status, 200);
    let mut client = door.client().await;
    client.send("GET http://a/livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer("GET").await.status, 200);
}

#[tokio::test]
async fn an_address_that_is_too_long_is_refused() {
    let door = Door::open().await;
    let target = format!("/t/keys?_={}", "x".repeat(URI_BYTES_MAX));
    door.ask("GET", &target).await.assert_problem(414, "uri_too_long");
}

#[tokio::test]
async fn requests_that_are_sent_ahead_are_answered_in_order() {
    let door = Door::open().await;
    let mut client = door.client().await;
    door.put("/t/key/k", "1").await;
    let one = "GET /t/key/k HTTP/1.1\r\nHost: a\r\n\r\n";
    let other = "GET /t/keys HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send([one, other, one].concat()).await;
    assert_eq!(client.answer("GET").await.text(), "{\"value\":1}");
    assert_eq!(client.answer("GET").await.text(), "[\"k\"]");
    assert_eq!(client.answer("GET").await.text(), "{\"value\":1}");
}

#[tokio::test]
async fn odd_targets_are_not_found() {
    let door = Door::open().await;
    for line in ["CONNECT a:80", "OPTIONS /*", "GET /?x"] {
        let mut client = door.client().await;
        client.send(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        client.answer("GET").await.assert_problem(404, "not_found");
    }
}

#[tokio::test]
async fn the_node_itself_tells_the_methods_of_all_addresses() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let told = client.ask("OPTIONS", "*", &[], "").await;
    assert_eq!((told.status, told.header("cache-control")), (204, Some("no-store")));
    let allow: BTreeSet<_> = told.header("allow").unwrap().split(", ").collect();
    let mut methods = BTreeSet::new();
    for target in ["/t/key/k", "/t/keys", "/t/batch", "/t/store", "/livez"] {
        let told = client.ask("OPTIONS", target, &[], "").await;
        methods.extend(told.header("allow").unwrap().split(", ").map(str::to_owned));
    }
    assert_eq!(allow, methods.iter().map(String::as_str).collect());
}
