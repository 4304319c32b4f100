//! The forms of a live stream: how each is asked for, how it arrives, and what stands in it.
//!
//! What arrives is a text of pieces: blocks of server-sent events, or lines of JSON. A WebSocket's messages are such
//! lines without their ends.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONNECTION, UPGRADE};
use hyper::http::request::Builder;
use hyper::upgrade::{self, Upgraded};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::client::encoded;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Server-sent events.
    #[default]
    Sse,
    /// `application/x-ndjson`.
    Lines,
    WebSocket,
}

/// What a piece of a stream says.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Of the event, if it is one; empty where the stream gives none, as changes and state do.
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    /// Nothing where no event is dispatched.
    pub(crate) data: Option<String>,
    /// Comments, blank lines and pings: the heartbeat.
    pub(crate) comments: u32,
}

#[derive(Deserialize)]
struct Opening<'a> {
    event: &'a str,
    id: String,
}

impl Form {
    /// Asks for a stream behind an event, if one is named: as a program says it, or a browser.
    pub(crate) fn request(self, path: &str, last_event_id: Option<&str>) -> Builder {
        match (self, last_event_id) {
            (Form::WebSocket, id) => {
                let separator = if path.contains('?') { '&' } else { '?' };
                let behind = id.map(|id| format!("{separator}last_event_id={}", encoded(id)));
                Request::get(format!("{path}{}", behind.unwrap_or_default()))
                    .header(CONNECTION, "Upgrade")
                    .header(UPGRADE, "websocket")
                    .header("sec-websocket-version", "13")
                    .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            }
            (form, id) => {
                let mut request = Request::get(path);
                if form == Form::Lines {
                    request = request.header(ACCEPT, "application/x-ndjson");
                }
                id.into_iter().fold(request, |request, id| request.header("last-event-id", id))
            }
        }
    }

    /// What comes behind the head of the answer, which must be the right one.
    pub(crate) async fn source(self, answer: Response<Incoming>) -> Result<Source, String> {
        let (status, headers) = (answer.status(), answer.headers());
        let content_type = match self {
            Form::Sse => "text/event-stream",
            Form::Lines => "application/x-ndjson",
            Form::WebSocket => {
                assert_eq!(status, 101, "{headers:?}");
                let io = upgrade::on(answer).await.map_err(|error| error.to_string())?;
                let socket =
                    WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Client, None).await;
                return Ok(Source::Socket(Box::new(socket)));
            }
        };
        assert_eq!(
            (status.as_u16(), &headers["content-type"]),
            (200, &content_type.parse().unwrap())
        );
        Ok(Source::Body(answer.into_body()))
    }

    /// Takes the next piece, if all of it is there already.
    pub(crate) fn take(self, unread: &mut BytesMut) -> Option<Said> {
        // A comment is a line of its own; what tells something is a block.
        let is_block = self == Form::Sse && !unread.starts_with(b":");
        let end: &[u8] = if is_block { b"\n\n" } else { b"\n" };
        let length = unread.windows(end.len()).position(|bytes| bytes == end)? + end.len();
        let piece = unread.split_to(length);
        let piece = std::str::from_utf8(&piece).unwrap();
        Some(if self == Form::Sse { said_by_block(piece) } else { said_by_line(piece.trim_end()) })
    }
}

fn said_by_block(block: &str) -> Said {
    let (mut said, mut data) = (Said::default(), Vec::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => said.comments += 1,
            "event" => value.clone_into(&mut said.name),
            "id" => said.id = Some(value.to_owned()),
            "retry" => said.retry = Some(value.parse().unwrap()),
            "data" => data.push(value),
            _ => {}
        }
    }
    Said { data: (!data.is_empty()).then(|| data.join("\n")), ..said }
}

fn said_by_line(line: &str) -> Said {
    if line.is_empty() {
        return Said { comments: 1, ..Said::default() };
    }
    let Opening { event, id } =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let name = if event == "change" { "" } else { event }.to_owned();
    let data = (event != "cursor").then(|| line.to_owned());
    Said { name, id: Some(id), data, ..Said::default() }
}

/// Where the pieces come from. Dropping it cuts the connection.
#[derive(Debug)]
pub(crate) enum Source {
    Body(Incoming),
    Socket(Box<WebSocketStream<TokioIo<Upgraded>>>),
}

impl Source {
    /// What comes next; nothing at the end, however that comes.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        match self {
            Source::Body(body) => {
                let frame = body.frame().await?.ok()?;
                Some(frame.into_data().unwrap_or_default())
            }
            Source::Socket(socket) => match socket.next().await?.ok()? {
                Message::Text(line) => Some(format!("{line}\n").into()),
                Message::Ping(_) => Some(Bytes::from_static(b"\n")),
                Message::Close(_) => None,
                other => panic!("{other:?}"),
            },
        }
    }
}
