//! One input, and all that must hold of it:
//!
//! - nothing panics, nothing hangs, and nothing of the connection is left;
//! - hyper sees the requests that the guard sees: as many, with the same targets and lengths;
//! - each has one answer, well-formed, with a status that the node has;
//! - what is refused is refused behind all that was sound before it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use dynarust_node::{Node, NodeConfig};
use dynarust_store::SystemClock;
use http::{Method, Request};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::answers::{self, Answer};
use crate::backend::Backend;
use crate::connection::{self, answer};
use crate::departure::{Claim, Departed, Slot};
use crate::live::{StreamConnection, WebSocketConnection};
use crate::surface::Surface;
use crate::wire::Guard;
use crate::wire::reference::{Ending, Expected, requests};
use crate::{HttpConfig, store_in_memory::StoreInMemory};

/// How long a connection is read from, on the clock that stands: longer than all patience, and as long as
/// a live stream is looked at.
const READ_PATIENCE: Duration = Duration::from_secs(400);
/// How long the node has to notice that the client has gone.
const END_PATIENCE: Duration = Duration::from_secs(400);

/// What hyper saw.
#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Expected>,
    /// The sentinel came, with this method.
    refused: Option<Method>,
}

/// Sends the bytes, in parts that `cuts` makes; what is wrong is a text.
pub(super) fn exercise(bytes: &[u8], cuts: u64) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(converse(bytes, cuts))
}

async fn converse(bytes: &[u8], cuts: u64) -> Result<(), String> {
    let backend = Arc::new(backend());
    let surface = Arc::new(Surface::new(Arc::clone(&backend)));
    let seen = Arc::<Mutex<Seen>>::default();
    let (ours, theirs) = duplex(16 << 10);
    let serving = tokio::spawn(serve(ours, surface, Arc::clone(&seen)));
    let (mut read_half, write_half) = tokio::io::split(theirs);
    let writing = tokio::spawn(send(write_half, parts(bytes, cuts)));
    let mut received = Vec::new();
    let closed = timeout(READ_PATIENCE, read_half.read_to_end(&mut received)).await.is_ok();
    drop(read_half);
    writing.abort();
    // Both halves are gone now.
    let _ = writing.await;
    match timeout(END_PATIENCE, serving).await {
        Err(_) => return Err("it hangs".to_owned()),
        Ok(Err(error)) => return Err(format!("it panicked: {error}")),
        Ok(Ok(())) => {}
    }
    let held_bytes = backend.door.now().held_bytes;
    if held_bytes != 0 {
        return Err(format!("{held_bytes} bytes are held still"));
    }
    let seen = seen.lock();
    compare(bytes, &seen, &received, closed)
}

fn backend() -> Backend {
    let config = NodeConfig::alone("a:1");
    let node = Node::start(StoreInMemory::new(), Arc::new(SystemClock), config);
    let http = HttpConfig { value_bytes_max: 1000, connections_max: 1, ..HttpConfig::default() };
    Backend::new(node, http)
}

/// As `connection::serve`, with an eye on what hyper sees.
async fn serve(stream: DuplexStream, surface: Arc<Surface>, seen: Arc<Mutex<Seen>>) {
    let guard = Guard::new(stream, Arc::clone(surface.door()));
    let verdict = guard.verdict();
    let counts = Arc::clone(surface.door());
    let slot = Slot::default();
    let theirs = slot.clone();
    let open = counts.open();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut seen = seen.lock();
        if verdict.refusal_of(&request).is_some() {
            seen.refused = Some(request.method().clone());
        } else {
            let length = request.body().size_hint().exact();
            let (method, uri) = (request.method().clone(), request.uri().clone());
            seen.requests.push(Expected { method, uri, length });
        }
        answer(&surface, &verdict, &theirs, None, request)
    });
    let departed = connection::converse(guard, service, counts, &slot, pending()).await;
    match departed {
        Some(departed @ Departed { claim: Claim::Stream, .. }) => {
            let place = Arc::new(Semaphore::new(1)).acquire_owned().await;
            let stream = place.ok().and_then(|it| StreamConnection::new(departed, open, it));
            if let Some(stream) = stream {
                stream.await;
            }
        }
        Some(departed @ Departed { claim: Claim::WebSocket, .. }) => {
            WebSocketConnection::new(departed, open).serve().await;
        }
        _ => {}
    }
}

async fn send(mut to: impl AsyncWriteExt + Unpin, parts: Vec<Vec<u8>>) {
    for part in parts {
        if to.write_all(&part).await.is_err() {
            return;
        }
        yield_now().await;
    }
    // Open until the other side has closed, or everything is over.
    pending().await
}

/// `cuts` 0: all at once.
fn parts(bytes: &[u8], cuts: u64) -> Vec<Vec<u8>> {
    let mut dice = StdRng::seed_from_u64(cuts);
    let mut parts = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let part_bytes = match cuts {
            0 => rest.len(),
            cuts if cuts % 16 == 1 => 1,
            _ => dice.random_range(1..=rest.len().min(100)),
        };
        let (part, behind) = rest.split_at(part_bytes);
        parts.push(part.to_vec());
        rest = behind;
    }
    parts
}

fn compare(bytes: &[u8], seen: &Seen, received: &[u8], closed: bool) -> Result<(), String> {
    if bytes.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
        // Another protocol: that it stands is enough.
        return closed.then_some(()).ok_or("it was never closed".to_owned());
    }
    let (expected, ending) = requests(bytes);
    if !expected.starts_with(&seen.requests) {
        return Err(format!("hyper saw {:?}, the guard {expected:?}", seen.requests));
    }
    let methods = seen.requests.iter().map(|it| &it.method).chain(&seen.refused);
    let methods: Vec<_> = methods.cloned().collect();
    let answers = answers::read(received, &methods)?;
    if answers.len() != methods.len() {
        return Err(format!("{} answers to {} requests", answers.len(), methods.len()));
    }
    let ended = answers.last().is_some_and(|answer| answer.last);
    let streaming = answers.last().is_some_and(|answer| !answer.whole);
    let all_seen = seen.requests.len() == expected.len();
    // A body that the answer did not need is not always read: then the connection ends behind it.
    let unread = seen.requests.last().is_some_and(|last| last.length != Some(0));
    if !(all_seen || ended || streaming || unread) {
        return Err(format!("only {} of {} requests were served", methods.len(), expected.len()));
    }
    let refusal = matches!(ending, Ending::FaultyHead | Ending::AmidHead);
    if all_seen && refusal && !ended && !streaming && !unread {
        return Err("what is no request was not refused".to_owned());
    }
    if seen.refused.is_some() && !(refusal && all_seen && ended) {
        return Err(format!("refused without reason, or too early: {ending:?}, {answers:?}"));
    }
    if !closed && !streaming {
        return Err("it was never closed".to_owned());
    }
    answers.iter().rev().skip(1).try_for_each(in_between)
}

/// Behind it there is another answer.
fn in_between(answer: &Answer) -> Result<(), String> {
    let sound = answer.whole && !answer.last;
    sound.then_some(()).ok_or(format!("an answer behind {answer:?}"))
}
