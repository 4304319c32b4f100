//! HTTP/2 with prior knowledge: the same surface.

use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{HEAD_BYTES_MAX, URI_BYTES_MAX};
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::within;
use crate::contract::Operation;
use crate::door::{Door, VALUE_BYTES_MAX};

struct Client {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
    base: String,
}

impl Client {
    async fn connect(door: &Door) -> Self {
        let stream = TcpStream::connect(door.address).await.unwrap();
        let connected = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = connected.unwrap();
        let base = format!("http://{}", door.address);
        Self { sender, connection: tokio::spawn(connection), base }
    }

    fn request(&self, method: &str, target: &str, body: &str) -> Request<Full<Bytes>> {
        let uri: Uri = format!("{}{target}", self.base).parse().unwrap();
        Request::builder()
            .method(method)
            .uri(uri)
            .version(Version::HTTP_2)
            .header("content-type", "application/json")
            .body(Full::from(body.to_owned()))
            .unwrap()
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let operation = Operation::of(request.method().as_str(), &request.uri().to_string());
        let response = within(self.sender.send_request(request)).await.unwrap();
        if let Some(operation) = operation {
            operation.assert_head(response.status().as_u16(), content_type(&response));
        }
        response
    }

    async fn ask(&mut self, method: &str, target: &str, body: &str) -> (StatusCode, String) {
        let response = self.send(self.request(method, target, body)).await;
        let content_type = content_type(&response).map(str::to_owned);
        let answer = text(response).await;
        if let Some(operation) = Operation::of(method, target) {
            let (status, body) = (answer.0.as_u16(), answer.1.as_bytes());
            operation.assert_answer(status, content_type.as_deref(), body);
        }
        answer
    }
}

fn content_type(response: &Response<Incoming>) -> Option<&str> {
    Some(response.headers().get("content-type")?.to_str().unwrap())
}

async fn text(response: Response<Incoming>) -> (StatusCode, String) {
    assert_eq!(response.version(), Version::HTTP_2);
    let status = response.status();
    let body = within(response.into_body().collect()).await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The code of a problem.
fn code(answer: &(StatusCode, String)) -> String {
    let problem: Value = serde_json::from_str(&answer.1).unwrap();
    problem["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn records_are_the_same_as_over_http_1() {
    let door = Door::open().await;
    let mut client = Client::connect(&door).await;
    let put = client.ask("PUT", "/t/key/k", "{\"value\":[1, 2]}").await;
    assert_eq!(put.0, 200);
    assert_eq!(client.ask("GET", "/t/key/k", "").await.1, "{\"value\":[1, 2]}");
    assert_eq!(door.ask("GET", "/t/key/k").await.text(), "{\"value\":[1, 2]}");
    let head = client.send(client.request("HEAD", "/t/key/k", "")).await;
    assert_eq!(head.headers()["content-length"], "16");
    assert_eq!(text(head).await, (StatusCode::OK, String::new()));
    assert_eq!(client.ask("HEAD", "/t/store", "").await, (StatusCode::OK, String::new()));
    assert_eq!(client.ask("HEAD", "/none", "").await, (StatusCode::NOT_FOUND, String::new()));
    let largest = format!("{{\"value\":\"{}\"}}", "x".repeat(VALUE_BYTES_MAX - 2));
    assert_eq!(client.ask("PUT", "/t/key/large", &largest).await.0, 200);
    assert_eq!(client.ask("GET", "/t/key/large", "").await.1, largest);
    let larger = format!("{{\"value\":\"{}\"}}", "x".repeat(VALUE_BYTES_MAX));
    let larger = client.ask("PUT", "/t/key/k", &larger).await;
    assert_eq!((larger.0, &*code(&larger)), (StatusCode::PAYLOAD_TOO_LARGE, "value_too_large"));
    let missing = client.ask("GET", "/t/key/none", "").await;
    assert_eq!((missing.0, &*code(&missing)), (StatusCode::NOT_FOUND, "key_not_found"));
    assert_eq!(client.ask("DELETE", "/t/key/k", "").await.0, 200);
}

#[tokio::test]
async fn requests_run_side_by_side_with_a_live_stream() {
    let door = Door::open().await;
    let mut client = Client::connect(&door).await;
    let stream = client.send(client.request("GET", "/t/subscribe/k", "")).await;
    assert_eq!(stream.status(), 200);
    let mut stream = stream.into_body();
    let mut heard = String::new();
    let mut written = 0;
    while !heard.contains("\"value\":3") {
        let frame = within(stream.frame()).await.unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        if written < 3 && heard.contains("ready") {
            written += 1;
            let put = client.ask("PUT", "/t/key/k", &format!("{{\"value\":{written}}}")).await;
            assert_eq!(put.0, 200);
        }
    }
}

#[tokio::test]
async fn the_authority_stands_for_the_host() {
    let door = Door::open().await;
    let mut client = Client::connect(&door).await;
    let mut same = client.request("GET", "/livez", "");
    let host = door.address.to_string();
    same.headers_mut().insert("host", host.parse().unwrap());
    assert_eq!(text(client.send(same).await).await.0, 200);
    for hosts in [&["other"][..], &[&host, &host]] {
        let mut request = client.request("GET", "/livez", "");
        for host in hosts {
            request.headers_mut().append("host", host.parse().unwrap());
        }
        let refused = text(client.send(request).await).await;
        assert_eq!((refused.0, &*code(&refused)), (StatusCode::BAD_REQUEST, "invalid_request"));
    }
    let mut user = client.request("GET", "/livez", "");
    *user.uri_mut() = "http://user@a/livez".parse().unwrap();
    assert_eq!(text(client.send(user).await).await.0, 400);
    assert_eq!(client.ask("GET", "/livez", "").await.0, 200);
}

#[tokio::test]
async fn large_heads_are_refused() {
    let door = Door::open().await;
    let mut client = Client::connect(&door).await;
    let target = format!("/t/keys?_={}", "x".repeat(URI_BYTES_MAX));
    let refused = client.ask("GET", &target, "").await;
    assert_eq!((refused.0, &*code(&refused)), (StatusCode::URI_TOO_LONG, "uri_too_long"));
    let mut bomb = client.request("GET", "/livez", "");
    let value = "y".repeat(HEAD_BYTES_MAX / 8);
    for nth in 0..16 {
        let name = http::HeaderName::try_from(format!("x-{nth}")).unwrap();
        bomb.headers_mut().insert(name, value.parse().unwrap());
    }
    // hyper's own client may give up first.
    let answer = within(client.sender.send_request(bomb)).await;
    assert!(answer.is_err() || answer.is_ok_and(|it| it.status() == 431));
    let mut client = Client::connect(&door).await;
    assert_eq!(client.ask("GET", "/livez", "").await.0, 200);
}

#[tokio::test]
async fn streams_that_are_reset_in_masses_leave_nothing_behind() {
    let door = Door::open().await;
    let mut client = Client::connect(&door).await;
    assert_eq!(client.ask("GET", "/livez", "").await.0, 200);
    for _ in 0..3000 {
        if client.connection.is_finished() {
            // The node had enough.
            client = Client::connect(&door).await;
        }
        // Sent, and reset before the answer is read.
        let request = client.request("GET", "/t/subscribe", "");
        let _ = timeout(Duration::ZERO, client.sender.send_request(request)).await;
    }
    drop(client);
    while door.ask("GET", "/stats").await.json()["streams"]["open"] != 0 {}
    while door.ask("GET", "/stats").await.json()["connections"]["open"] != 1 {}
}

#[tokio::test]
async fn a_door_that_closes_finishes_what_runs() {
    let mut door = Door::open().await;
    let mut idle = Client::connect(&door).await;
    assert_eq!(idle.ask("GET", "/livez", "").await.0, 200);
    let mut writer = Client::connect(&door).await;
    door.store.hold_writes(true);
    let request = writer.request("PUT", "/t/key/k", "{\"value\":1}");
    let answer = tokio::spawn(writer.sender.send_request(request));
    within(door.store.until_waiting(1)).await;
    door.begin_close();
    within(idle.connection).await.unwrap().unwrap();
    door.store.hold_writes(false);
    let answer = within(answer).await.unwrap().unwrap();
    assert_eq!(text(answer).await.0, 200);
    within(writer.connection).await.unwrap().unwrap();
    within(door.closed()).await;
}

#[tokio::test]
async fn frames_that_are_none_end_the_connection() {
    let door = Door::open().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let frames: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
        // Headers on stream 0, of an even number, and what is no HPACK.
        b"\0\0\x01\x01\x05\0\0\0\0\x82",
        b"\0\0\x01\x01\x05\0\0\0\x02\x82",
        b"\0\0\x02\x01\x05\0\0\0\x01\xff\xff",
        // A continuation of nothing.
        b"\0\0\x01\x09\x04\0\0\0\x01\x82",
    ];
    for frame in frames {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        stream.write_all(&[&preface[..], settings, frame].concat()).await.unwrap();
        let mut answered = Vec::new();
        let _ = within(stream.read_to_end(&mut answered)).await;
        let go_away = answered.windows(4).any(|it| it[3] == 7);
        assert!(go_away, "{}: {}", frame.escape_ascii(), answered.escape_ascii());
    }
    // Neither this nor that.
    let mut client = door.client().await;
    client.send("PRI * HTTP/2.0\r\n\r\nXY\r\n\r\n").await;
    client.answer("GET").await.assert_problem(505, "version_not_supported");
    assert_eq!(door.ask("GET", "/livez").await.status, 200);
}
