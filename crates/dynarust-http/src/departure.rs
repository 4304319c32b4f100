//! Leaving hyper: a connection that is to carry something else than answers from now on is taken out of it, and
//! what hyper needs for one is given back.
//!
//! ```text
//! handler claims the connection ─▶ its answer goes into the slot, and hyper never sees one
//!   ─▶ connection: hyper lets go ─▶ front door: a peer's link (`mesh_entry`), or a live stream (`live/socket`)
//! ```
//!
//! Only the first request of a connection may claim it, a GET without a body of HTTP/1.1: nothing of another answer
//! can be under way then. What a client has sent behind one that becomes a stream is nobody's: its answer says that
//! the connection closes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, DATE, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use crate::response_body::Body;

/// What becomes of a connection.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// A request has come.
    asked: bool,
    claim: Option<Claim>,
    left: Option<Response<Body>>,
}

/// What a connection is taken out of hyper for.
pub(crate) enum Claim {
    /// It is a peer's, which has this place.
    Peer(OwnedSemaphorePermit),
    /// The body of its answer has no end.
    Stream,
    /// The same, as a WebSocket.
    WebSocket,
}

/// A connection that has left.
pub(crate) struct Departed<S> {
    pub(crate) claim: Claim,
    /// What is said on it first.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Body,
    pub(crate) stream: S,
    /// What was read of it behind the request.
    pub(crate) read: Bytes,
}

impl Slot {
    /// Gives the request a way to claim its connection, where it may have that. `asks` says that it asks for an
    /// upgrade, and that the guard knows of that.
    pub(crate) fn offer<B: http_body::Body>(&self, request: &mut Request<B>, asks: bool) -> bool {
        let is_first = !std::mem::replace(&mut self.0.lock().asked, true);
        let may_leave = is_first
            && request.version() == Version::HTTP_11
            && *request.method() == Method::GET
            && request.body().is_end_stream();
        if may_leave {
            request.extensions_mut().insert(Offer { slot: self.clone(), asks });
        }
        may_leave
    }

    /// Keeps the answer, where the connection was claimed; else gives it back.
    pub(crate) fn keep(&self, answer: Response<Body>) -> Option<Response<Body>> {
        let mut state = self.0.lock();
        if state.claim.is_none() {
            return Some(answer);
        }
        state.left = Some(answer);
        None
    }

    /// Whether the connection is to leave now.
    pub(crate) fn is_left(&self) -> bool {
        self.0.lock().left.is_some()
    }

    /// What it leaves with.
    pub(crate) fn depart<S>(
        &self,
        stream: S,
        first: Bytes,
        second: Vec<u8>,
    ) -> Option<Departed<S>> {
        let (claim, answer) = {
            let mut state = self.0.lock();
            (state.claim.take()?, state.left.take()?)
        };
        let (head, body) = answer.into_parts();
        let head = print(head);
        Some(Departed { claim, head, body, stream, read: joined(first, second) })
    }
}

/// A request may claim its connection by this.
#[derive(Clone)]
pub(crate) struct Offer {
    slot: Slot,
    asks: bool,
}

impl Offer {
    /// Whether the connection may become something else than HTTP's.
    pub(crate) fn is_upgrade(&self) -> bool {
        self.asks
    }

    /// The connection leaves with the answer to this request.
    pub(crate) fn claim(&self, claim: Claim) {
        self.slot.0.lock().claim = Some(claim);
    }
}

/// The head of an answer, as hyper would print it (RFC 9112 section 4), of a connection that closes behind it or
/// was upgraded.
fn print(mut head: http::response::Parts) -> Vec<u8> {
    let now = httpdate::fmt_http_date(SystemTime::now());
    if let Ok(now) = now.parse() {
        head.headers.entry(DATE).or_insert(now);
    }
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let mut line = String::new();
    // It cannot fail.
    let _ = write!(
        line,
        "HTTP/1.1 {} {}\r\n",
        head.status.as_str(),
        head.status.canonical_reason().unwrap_or_default()
    );
    let mut text = line.into_bytes();
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    text
}

fn joined(first: Bytes, second: Vec<u8>) -> Bytes {
    if second.is_empty() {
        return first;
    }
    let mut all = BytesMut::from(first.as_ref());
    all.extend_from_slice(&second);
    all.freeze()
}
