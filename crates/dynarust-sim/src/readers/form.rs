//! The forms of a live stream: how each is asked for, and what arrives says.

use bytes::Bytes;
use dynarust_history::{Event, Seen, Told};
use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::upgrade::{self, Upgraded};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::network::End;
use crate::time;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Server-sent events.
    Sse,
    /// Lines of JSON.
    Lines,
    WebSocket,
}

impl Form {
    pub(super) const ALL: [Self; 3] = [Self::Sse, Self::Lines, Self::WebSocket];

    /// What comes on that connection of what stands at `path`, behind the id.
    pub(super) async fn open(self, io: End, path: &str, id: Option<&str>) -> Option<Source> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.ok()?;
        tokio::spawn(async move {
            // The body tells how it ended.
            let _ = connection.with_upgrades().await;
        });
        let response = sender.send_request(self.request(path, id)?).await.ok()?;
        if self == Self::WebSocket {
            let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            let io = if upgrades { upgrade::on(response).await.ok()? } else { return None };
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Client, None);
            return Some(Source::Messages(Box::new(socket.await)));
        }
        let said =
            Text { ends: if self == Self::Sse { b"\n\n" } else { b"\n" }, unread: Vec::new() };
        response.status().is_success().then(|| Source::Body(response.into_body(), said))
    }

    fn request(self, path: &str, id: Option<&str>) -> Option<Request<Empty<Bytes>>> {
        let mut request = Request::get(path);
        match (self, id) {
            // Browsers can't give a WebSocket a header.
            (Self::WebSocket, Some(id)) => {
                let joint = if path.contains('?') { '&' } else { '?' };
                request = Request::get(format!("{path}{joint}last_event_id={id}"));
            }
            (_, Some(id)) => request = request.header("Last-Event-ID", id),
            (_, None) => {}
        }
        let request = match self {
            Self::Sse => request.header(ACCEPT, "text/event-stream"),
            Self::Lines => request.header(ACCEPT, "application/x-ndjson"),
            Self::WebSocket => request
                .header(CONNECTION, "Upgrade")
                .header(UPGRADE, "websocket")
                .header(SEC_WEBSOCKET_VERSION, "13")
                .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        };
        request.header(HOST, "node").body(Empty::new()).ok()
    }
}

/// Where events come from.
pub(super) enum Source {
    Body(Incoming, Text),
    Messages(Box<WebSocketStream<TokioIo<Upgraded>>>),
}

impl Source {
    /// What comes next, which may be no event; nothing where it ended.
    pub(super) async fn next(&mut self) -> Option<Vec<Event>> {
        match self {
            Self::Body(body, text) => {
                let data = body.frame().await?.ok()?.into_data().unwrap_or_default();
                Some(text.take(&data))
            }
            Self::Messages(socket) => Some(match socket.next().await?.ok()? {
                Message::Text(line) => event_of_line(&line).into_iter().collect(),
                Message::Close(_) => return None,
                _ => Vec::new(),
            }),
        }
    }
}

/// A text of blocks or lines, as it comes.
pub(super) struct Text {
    ends: &'static [u8],
    unread: Vec<u8>,
}

impl Text {
    /// The events that are whole now.
    fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.unread.extend_from_slice(bytes);
        let length = self.ends.len();
        let event = if length == 1 { event_of_line } else { event_of_block };
        let mut events = Vec::new();
        while let Some(end) = self.unread.windows(length).position(|it| it == self.ends) {
            let piece: Vec<u8> = self.unread.drain(..end + length).collect();
            events.extend(std::str::from_utf8(&piece).ok().and_then(event));
        }
        events
    }
}

fn event_of_block(block: &str) -> Option<Event> {
    let (mut id, mut name, mut data) = (None, "change", None);
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", text)) => id = Some(text.to_owned()),
            Some(("event", text)) => name = text,
            Some(("data", text)) => data = Some(text),
            _ => {}
        }
    }
    Some(Event { at: time::nanos(), id: id?, what: told(name, data?)? })
}

#[derive(Deserialize)]
struct Line<'a> {
    event: &'a str,
    id: String,
}

fn event_of_line(line: &str) -> Option<Event> {
    let Line { event, id } = serde_json::from_str(line).ok()?;
    Some(Event { at: time::nanos(), id, what: told(event, line)? })
}

fn told(name: &str, data: &str) -> Option<Told> {
    match name {
        "change" => change(data),
        "ready" => Some(Told::Ready),
        "reset" => Some(Told::Reset),
        "lagged" => Some(Told::Lagged),
        "closing" => Some(Told::Closing),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Change<'a> {
    key: String,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    expired: bool,
    version: String,
}

fn change(data: &str) -> Option<Told> {
    let change: Change<'_> = serde_json::from_str(data).ok()?;
    let version = change.version.parse().ok()?;
    let seen = match change.value {
        Some(value) => Seen::of(version, value.get()),
        None => Seen::Absent { version: Some(version) },
    };
    Some(Told::Change { key: change.key, seen, expired: change.expired })
}
