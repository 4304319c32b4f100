//! A live stream over WebSocket (RFC 6455): the same events as lines of JSON, a message each, and a ping as the
//! heartbeat.
//!
//! A page of any origin may open one, and CORS has no say in that: so the origin is looked at here.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::connection::Io;
use crate::cors::CorsOrigins;
use crate::departure::Departed;
use crate::door_counts::OpenConnection;
use crate::preceded::Preceded;
use crate::problem::{Code, Problem};
use crate::response_body::Body;

/// A client says nothing but pongs and its end: what it says is thrown away, and is no longer than this.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Bytes that are read at a time.
const READ_BYTES: usize = 1024;
/// How long a client has for its end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Whether the request asks for a WebSocket.
pub(super) fn is_asked_for<B>(request: &Request<B>) -> bool {
    let lists = |name, wanted: &str| {
        let lines = request.headers().get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|it| it.trim().eq_ignore_ascii_case(wanted))
    };
    *request.method() == Method::GET && lists(UPGRADE, "websocket") && lists(CONNECTION, "upgrade")
}

/// The answer to one that does (RFC 6455 section 4.2.2).
///
/// # Errors
/// `forbidden`, `invalid_parameter`, `upgrade_required`.
pub(super) fn accept(
    headers: &HeaderMap,
    origins: &CorsOrigins,
) -> Result<Response<Body>, Problem> {
    if !may_open(headers, origins) {
        let detail = "pages of this origin may not open a WebSocket here: name it in --cors-origin";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Problem::web_socket_required());
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let Some(key) = key else {
        let detail = "a WebSocket is asked for with a `Sec-WebSocket-Key` of 24 characters";
        return Err(Problem::new(Code::InvalidParameter, detail));
    };
    let accepted = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    // It is base64.
    accepted.map(|accepted| headers.insert(SEC_WEBSOCKET_ACCEPT, accepted)).ok();
    Ok(response)
}

/// Whether the page that asks is the node's own, or of an origin that may read answers. What is no browser says
/// nothing of it.
fn may_open(headers: &HeaderMap, origins: &CorsOrigins) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let authority = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
    let own = headers.get(HOST).and_then(|host| host.to_str().ok());
    authority.is_some() && authority == own || origins.hold(origin)
}

/// See the module.
pub(crate) struct WebSocketConnection<I> {
    io: I,
    head: Vec<u8>,
    read: Bytes,
    /// The events as lines.
    lines: Body,
    _open: OpenConnection,
}

impl<I: Io> WebSocketConnection<I> {
    /// One that has left hyper.
    pub(crate) fn new(departed: Departed<I>, open: OpenConnection) -> Self {
        let Departed { stream, head, body, read, .. } = departed;
        Self { io: stream, head, read, lines: body, _open: open }
    }

    /// To the end of the stream, or until its client has gone.
    pub(crate) async fn serve(self) {
        let Self { mut io, head, read, mut lines, _open } = self;
        if io.write_all(&head).await.is_err() {
            return;
        }
        drop(head);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let io = Preceded::new(read, io);
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        // However it ended, there is nobody left to tell.
        let _ = tell(&mut socket, &mut lines).await;
    }
}

async fn tell<I: Io>(
    socket: &mut WebSocketStream<Preceded<I>>,
    lines: &mut Body,
) -> Result<(), Error> {
    loop {
        tokio::select! {
            biased;
            said = socket.next() => match said {
                None => return Ok(()),
                // What is to be answered has been.
                Some(said) => drop(said?),
            },
            frame = lines.frame() => match frame {
                None => return close(socket).await,
                Some(Err(cut)) => return Err(io::Error::other(cut).into()),
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    for message in messages(&bytes) {
                        socket.feed(message?).await?;
                    }
                    socket.flush().await?;
                }
            },
        }
    }
}

/// Says that it ends, and waits for a moment until the client does (RFC 6455 section 7.1.1).
async fn close<I: Io>(socket: &mut WebSocketStream<Preceded<I>>) -> Result<(), Error> {
    socket.close(None).await?;
    let its_end = async { while let Some(Ok(_)) = socket.next().await {} };
    // Without it the connection is cut.
    let _ = timeout(CLOSE_PATIENCE, its_end).await;
    Ok(())
}

/// Of lines, each with its end: an empty one is a ping.
fn messages(lines: &Bytes) -> impl Iterator<Item = Result<Message, Error>> {
    let whole = lines.strip_suffix(b"\n").map(|lines| lines.split(|byte| *byte == b'\n'));
    whole.into_iter().flatten().map(|line| {
        if line.is_empty() {
            return Ok(Message::Ping(Bytes::new()));
        }
        let text =
            Utf8Bytes::try_from(line.to_vec()).map_err(|error| Error::Utf8(error.to_string()))?;
        Ok(Message::Text(text))
    })
}
