//! Bodies of requests: their shape, their size, their memory.

use dynarust_core::limits::{MANY_KEYS_BODY_BYTES_MAX, MANY_KEYS_MAX, REFUSED_BODY_BYTES_MAX};

use crate::client::JSON;
use crate::door::{Door, VALUE_BYTES_MAX};

const KEY: &str = "/t/key/k";

#[tokio::test]
async fn the_body_of_a_put_has_one_shape() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let cases = [
        ("", "invalid_json"),
        ("{\"value\":", "invalid_json"),
        ("{\"value\":1}}", "invalid_json"),
        ("{\"value\":NaN}", "invalid_json"),
        ("{}", "invalid_body"),
        ("[1]", "invalid_body"),
        ("1", "invalid_body"),
        ("{\"value\":1,\"value\":2}", "invalid_body"),
        ("{\"value\":1,\"ttl\":\"1s\"}", "invalid_body"),
    ];
    for (body, code) in cases {
        let answer = client.ask("PUT", KEY, &[JSON], body).await;
        answer.assert_problem(400, code);
        if code == "invalid_body" {
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(r#"{"value": <any JSON>}"#), "{detail}");
        }
    }
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(client.put(KEY, &deep(128)).await.status, 200);
    client.put(KEY, &deep(129)).await.assert_problem(400, "invalid_json");
}

#[tokio::test]
async fn the_body_of_a_put_is_said_to_be_json() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let body = r#"{"value":1}"#;
    for good in ["application/json", "APPLICATION/JSON; charset=UTF-8"] {
        let answer = client.ask("PUT", KEY, &[("Content-Type", good)], body).await;
        assert_eq!(answer.status, 200, "{good}");
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for headers in [&[][..], &form] {
        let answer = client.ask("PUT", KEY, headers, body).await;
        answer.assert_problem(415, "unsupported_media_type");
        let answer = client.ask("POST", "/t/keys", headers, "[]").await;
        answer.assert_problem(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn a_value_has_a_largest_size() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let largest = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX - 2));
    assert_eq!(client.put(KEY, &largest).await.status, 200);
    let got = client.ask("GET", KEY, &[], "").await;
    assert_eq!(got.body.len(), VALUE_BYTES_MAX + 10);
    let larger = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX - 1));
    client.put(KEY, &larger).await.assert_problem(413, "value_too_large");
    // It was read to its end, so the connection goes on.
    assert_eq!(client.put(KEY, "1").await.status, 200);
    let much = format!("\"{}\"", "x".repeat(VALUE_BYTES_MAX + (512 << 10)));
    client.put(KEY, &much).await.assert_problem(413, "value_too_large");
    assert_eq!(client.put(KEY, "1").await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_refused_is_read_on_for_a_while() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let length = 10 * REFUSED_BODY_BYTES_MAX;
    client
        .send(format!(
            "PUT {KEY} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        ))
        .await;
    client.try_send(vec![b' '; REFUSED_BODY_BYTES_MAX]).await;
    client.answer("PUT").await.assert_problem(413, "value_too_large");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_chunked_body_is_cut_at_its_limit() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let head = format!(
        "PUT {KEY} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    client.send(format!("{head}5\r\n{{\"val\r\n6\r\nue\":1}}\r\n0\r\n\r\n")).await;
    assert_eq!(client.answer("PUT").await.status, 200);
    client.send(&head).await;
    for _ in 0..3 {
        let part = " ".repeat(VALUE_BYTES_MAX / 2);
        client.send(format!("{:x}\r\n{part}\r\n", part.len())).await;
    }
    client.send("0\r\n\r\n").await;
    client.answer("PUT").await.assert_problem(413, "value_too_large");
    assert_eq!(client.put(KEY, "1").await.status, 200);
}

#[tokio::test]
async fn who_asks_before_sending_is_answered_before() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let head = |length: usize| {
        format!(
            "PUT {KEY} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    client.send(head(11)).await;
    assert_eq!(client.answer("PUT").await.status, 100);
    client.send("{\"value\":1}").await;
    assert_eq!(client.answer("PUT").await.status, 200);
    client.send(head(10 << 20)).await;
    client.answer("PUT").await.assert_problem(413, "value_too_large");
}

#[tokio::test]
async fn many_keys_have_their_limits() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let cases = [
        ("", "invalid_json"),
        ("[\"a\"", "invalid_json"),
        ("{}", "invalid_body"),
        ("[1]", "invalid_body"),
        ("[\"\"]", "invalid_key"),
    ];
    for (body, code) in cases {
        client.ask("POST", "/t/keys", &[JSON], body).await.assert_problem(400, code);
    }
    let keys = vec!["\"k\""; MANY_KEYS_MAX].join(",");
    let most = client.ask("POST", "/t/keys", &[JSON], &format!("[{keys}]")).await;
    assert_eq!(most.text(), "{}");
    let more = client.ask("POST", "/t/keys", &[JSON], &format!("[{keys},\"k\"]")).await;
    more.assert_problem(400, "too_many_keys");
    client
        .send(format!(
            "POST /t/keys HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            MANY_KEYS_BODY_BYTES_MAX + 1
        ))
        .await;
    client.answer("POST").await.assert_problem(413, "body_too_large");
}
