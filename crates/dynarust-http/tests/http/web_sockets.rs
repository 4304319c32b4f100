//! Live streams over WebSocket, as a client has them that nobody here wrote.

use dynarust_http::CorsOrigins;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::door::Door;

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(door: &Door, target: &str, origin: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{}{target}", door.address).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let stream = TcpStream::connect(door.address).await.unwrap();
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await?.unwrap() {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Ping(_) => {}
                Message::Close(_) => return None,
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn each_event_is_a_message() {
    let door = Door::open().await;
    let version = door.put("/t/key/a", "[1,\n2]").await;
    let mut socket = Socket::open(&door, "/t/subscribe", None).await.unwrap();
    let state = socket.next().await.unwrap();
    assert_eq!((&state["event"], &state["key"]), (&"change".into(), &"a".into()));
    assert_eq!((&state["value"], &state["version"]), (&serde_json::json!([1, 2]), &version.into()));
    assert_eq!(socket.next().await.unwrap()["event"], "ready");
    door.put("/t/key/b", "1").await;
    let change = socket.next().await.unwrap();
    assert_eq!(change["key"], "b");
    door.put("/t/key/c", "1").await;
    let target = format!("/t/subscribe?last_event_id={}", change["id"].as_str().unwrap());
    let mut resumed = Socket::open(&door, &target, None).await.unwrap();
    assert_eq!(resumed.next().await.unwrap()["key"], "c");
    assert_eq!(resumed.next().await.unwrap()["event"], "ready");
}

#[tokio::test]
async fn it_ends_with_the_node() {
    let door = Door::open().await;
    let mut socket = Socket::open(&door, "/t/subscribe/k", None).await.unwrap();
    assert_eq!(socket.next().await.unwrap()["event"], "ready");
    door.node.close_streams();
    let closing = socket.next().await.unwrap();
    assert_eq!(closing["event"], "closing");
    assert!(closing["retry"].is_u64());
    assert_eq!(socket.next().await, None);
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_open_one_unless_it_is_named() {
    let door = Door::open().await;
    let own = format!("http://{}", door.address);
    for (origin, opens) in [(None, true), (Some(own.as_str()), true), (Some("http://a"), false)] {
        let opened = Socket::open(&door, "/t/subscribe/k", origin).await;
        assert_eq!(opened.err(), (!opens).then_some(403), "{origin:?}");
    }
    let named = CorsOrigins::parse(["http://a"]).unwrap();
    let door = Door::with_origins(named).await;
    for (origin, opens) in [("http://a", true), ("http://b", false), ("null", false)] {
        let opened = Socket::open(&door, "/t/subscribe/k", Some(origin)).await;
        assert_eq!(opened.err(), (!opens).then_some(403), "{origin:?}");
    }
}

#[tokio::test]
async fn one_that_is_asked_for_wrongly_is_refused_and_says_how() {
    let door = Door::open().await;
    let upgrade = [("Connection", "upgrade"), ("Upgrade", "websocket")];
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let ask = async |headers: &[(&str, &str)]| {
        let headers = [upgrade.as_slice(), headers].concat();
        door.client().await.ask("GET", "/t/subscribe/k", &headers, "").await
    };
    for version in [None, Some(("Sec-WebSocket-Version", "8"))] {
        let headers: Vec<_> = version.into_iter().chain([key]).collect();
        let refused = ask(&headers).await;
        refused.assert_problem(426, "upgrade_required");
        assert_eq!(refused.header("sec-websocket-version"), Some("13"));
        assert_eq!(refused.header("upgrade"), Some("websocket"));
    }
    for key in [None, Some(("Sec-WebSocket-Key", "short"))] {
        let headers: Vec<_> = key.into_iter().chain([("Sec-WebSocket-Version", "13")]).collect();
        ask(&headers).await.assert_problem(400, "invalid_parameter");
    }
}
