//! What RFC 9112 forbids, section by section, sent raw: each gets its problem, and the connection ends.

mod bodies;
mod heads;

use bodies::{chunks, lengths};
use heads::{fields, first_lines, hosts, line_ends};

use crate::client::Client;
use crate::door::Door;

/// Every case is one request, and must be refused with this status and code.
struct Case(u16, &'static str, Vec<u8>);

const INVALID: (u16, &str) = (400, "invalid_request");

/// A request that is well but for its first line.
fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a\r\n\r\n").into_bytes()
}

/// A GET that is well but for these lines, which end as they are given.
fn head(lines: &str) -> Vec<u8> {
    format!("GET /livez HTTP/1.1\r\nHost: a\r\n{lines}\r\n").into_bytes()
}

/// A GET with no other headers than these.
fn bare(lines: &str) -> Vec<u8> {
    format!("GET /livez HTTP/1.1\r\n{lines}\r\n").into_bytes()
}

/// A PUT with these lines before the body.
fn put(lines: &str, body: &str) -> Vec<u8> {
    let head = "PUT /t/key/k HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    format!("{head}{lines}\r\n{body}").into_bytes()
}

/// A PUT of a chunked body.
fn chunked(body: &str) -> Vec<u8> {
    put("Transfer-Encoding: chunked\r\n", body)
}

fn cases(of: (u16, &'static str), requests: impl IntoIterator<Item = Vec<u8>>) -> Vec<Case> {
    requests.into_iter().map(|request| Case(of.0, of.1, request)).collect()
}

fn all_cases() -> Vec<Case> {
    let all = [line_ends(), first_lines(), hosts(), fields(), lengths(), chunks()];
    all.into_iter().flatten().collect()
}

#[test]
fn there_are_enough_cases() {
    assert!(all_cases().len() > 250, "{}", all_cases().len());
}

fn shown(request: &[u8]) -> String {
    let start = request.get(..200).unwrap_or(request);
    start.escape_ascii().to_string()
}

#[tokio::test]
async fn what_is_forbidden_is_refused_and_the_connection_closed() {
    let door = Door::open().await;
    door.put("/t/key/before", "1").await;
    for Case(status, code, request) in all_cases() {
        let what = shown(&request);
        let mut client = door.client().await;
        // Behind it a request that must never be served: it would be another client's.
        client.try_send(&request).await;
        client.try_send("GET /t/key/before HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let method = if request.starts_with(b"HEAD") { "HEAD" } else { "GET" };
        let answer = client.answer(method).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
        if method == "GET" {
            answer.assert_problem(status, code);
        }
        assert!(client.is_closed().await, "{what}");
    }
    // Nothing of it was taken for a write, and the door still stands.
    assert_eq!(door.ask("GET", "/t/key/k").await.status, 404);
    assert_eq!(door.ask("GET", "/livez").await.status, 200);
}

#[tokio::test]
async fn requests_before_a_refused_one_are_answered_first() {
    let door = Door::open().await;
    door.put("/t/key/k", "1").await;
    for Case(status, _, request) in all_cases() {
        if request.starts_with(b"\r") || request.starts_with(b"HEAD") {
            continue;
        }
        let what = shown(&request);
        let mut client = door.client().await;
        let before =
            "GET /t/key/k HTTP/1.1\r\nHost: a\r\n\r\nGET /t/keys HTTP/1.1\r\nHost: a\r\n\r\n";
        client.try_send([before.as_bytes(), &request].concat()).await;
        assert_eq!(client.answer("GET").await.text(), "{\"value\":1}", "{what}");
        assert_eq!(client.answer("GET").await.text(), "[\"k\"]", "{what}");
        assert_eq!(client.answer("GET").await.status, status, "{what}");
        assert!(client.is_closed().await, "{what}");
    }
}

/// What looks odd, and is allowed: each answered, and the connection goes on.
#[tokio::test]
async fn what_is_allowed_is_served() {
    let door = Door::open().await;
    door.put("/t/key/k", "1").await;
    let body = "{\"value\":1}";
    let chunk = |before: &str| format!("{before}\r\n{body}\r\n0\r\n\r\n");
    let requests = [
        head(""),
        head("X:\r\nY: \t \r\nZ:\ty\t\r\n"),
        head("X: é\u{a0}\"(),:;<=>?@[\\]{}\r\n"),
        head("!#$%&'*+-.^_`|~0: y\r\n"),
        head("content-LENGTH: 0\r\n"),
        head("Content-Length:3\r\n").into_iter().chain(*b"abc").collect(),
        head(&"X: y\r\n".repeat(99)),
        head(&format!("X: {}\r\n", "y".repeat(100 << 10))),
        b"\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        bare("hOST:a\r\n"),
        bare("Host:  a:6660 \r\n"),
        bare("Host: [::1]:6660\r\n"),
        line("GET http://other:1/livez?_=1 HTTP/1.1"),
        line("GET /livez?_={}[]|^\\ HTTP/1.1"),
        put("Content-Length: 011\r\n", body),
        put("Transfer-Encoding:\tCHUNKED \r\n", &chunk("b")),
        chunked(&chunk("000B")),
        chunked(&chunk("b;x")),
        chunked(&chunk("b ; x = y;z=\"a\\\"b;\r\"".replace('\r', "").as_str())),
        chunked("5\r\n{\"val\r\n6\r\nue\":1}\r\n0;x=y\r\nX: y\r\nContent-Length: 3\r\n\r\n"),
        head(
            "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n",
        ),
    ];
    let mut client = door.client().await;
    for request in requests {
        let what = shown(&request);
        client.send(&request).await;
        assert_eq!(client.answer("GET").await.status, 200, "{what}");
        let next = client.ask("GET", "/t/key/k", &[], "").await;
        assert_eq!(next.text(), "{\"value\":1}", "{what}");
    }
}

#[tokio::test]
async fn a_request_is_the_same_wherever_it_is_split() {
    let door = Door::open().await;
    let get = "\r\nGET /t/key/k HTTP/1.1\r\nHost: a\r\n\r\n";
    let put = String::from_utf8(put("Content-Length: 11\r\n", "{\"value\":2}")).unwrap();
    let parts = "5;x=\"y\"\r\n{\"val\r\n6\r\nue\":2}\r\n0\r\nX: y\r\n\r\n";
    let chunked = String::from_utf8(chunked(parts)).unwrap();
    let bad = "GET /t/key/k HTTP/1.1\r\nHost : a\r\n\r\n";
    let all = [&put, get, &chunked, get, bad].concat().into_bytes();
    for at in 0..all.len() {
        let (one, other) = all.split_at(at);
        let mut client = door.client().await;
        client.send(one).await;
        // So that they come one by one.
        tokio::task::yield_now().await;
        client.try_send(other).await;
        for expected in [200, 200, 200, 200, 400] {
            assert_eq!(client.answer("GET").await.status, expected, "split at {at}");
        }
        assert!(client.is_closed().await, "split at {at}");
    }
}

#[tokio::test]
async fn bodies_that_are_cut_short_write_nothing() {
    let door = Door::open().await;
    let with_length = put("Content-Length: 11\r\n", "{\"value\":1}");
    let in_chunks = chunked("b\r\n{\"value\":1}\r\n0\r\n\r\n");
    for whole in [with_length, in_chunks] {
        let head_bytes = whole.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        for bytes in 0..whole.len() {
            let mut client = door.client().await;
            client.send(&whole[..bytes]).await;
            client.finish().await;
            if bytes < head_bytes {
                assert!(client.is_closed().await, "{bytes}");
            } else {
                let answered = client.answer_or_end("PUT").await;
                assert!(answered.is_none_or(|answer| answer.status == 400), "{bytes}");
            }
        }
    }
    assert_eq!(door.ask("GET", "/t/key/k").await.status, 404);
}

#[tokio::test]
async fn a_refused_head_leaves_the_answer_to_be_read() {
    let door = Door::open().await;
    // Much more than any buffer holds: were the connection closed with it unread, it would be reset,
    // and the answer lost.
    let mut client = door.client().await;
    client.try_send("PUT /t/key/k HTTP/1.1\r\nHost : a\r\n\r\n").await;
    client.try_send(vec![b'x'; 1 << 20]).await;
    client.answer("PUT").await.assert_problem(400, "invalid_request");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn many_requests_sent_ahead_are_all_answered() {
    let door = Door::open().await;
    door.put("/t/key/k", "1").await;
    let get = "GET /t/key/k HTTP/1.1\r\nHost: a\r\n\r\n";
    let put = String::from_utf8(put("Content-Length: 11\r\n", "{\"value\":1}")).unwrap();
    let mut client: Client = door.client().await;
    client.send([get, &put].concat().repeat(500)).await;
    for _ in 0..500 {
        assert_eq!(client.answer("GET").await.text(), "{\"value\":1}");
        assert_eq!(client.answer("PUT").await.status, 200);
    }
}
