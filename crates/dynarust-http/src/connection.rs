//! One connection: hyper's HTTP/1.1 or HTTP/2 behind the guard, with our limits.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use dynarust_core::limits::{HEAD_BYTES_MAX, STALL_MILLIS_MAX, TURNED_AWAY_MILLIS_MAX};
use futures_util::future::Either;
use http::header::{CONTENT_LENGTH, UPGRADE};
use http::{Method, Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::departure::{Claim, Departed, Slot};
use crate::door_counts::{DoorCounts, OpenConnection};
use crate::http2::{self, Streams};
use crate::live::WebSocketConnection;
use crate::mesh_entry::{self, MeshConnection};
use crate::problem::{Code, Problem};
use crate::response_body::Body;
use crate::stall_limit::StallLimit;
use crate::surface::Surface;
use crate::wire::{Guard, Protocol, Verdict};

/// What a connection is made of.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// How long a client may take nothing of what waits for it.
const STALL_PATIENCE: Duration = Duration::from_millis(STALL_MILLIS_MAX);
const TURNED_AWAY_PATIENCE: Duration = Duration::from_millis(TURNED_AWAY_MILLIS_MAX);
/// A head that the guard passes always fits hyper's buffer.
const BUFFER_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;

/// What a connection goes on as, that has left hyper.
pub(crate) enum GoesOn<I, S> {
    /// The link of a peer.
    Peer(MeshConnection<I>),
    /// A live stream.
    Stream(Departed<S>, OpenConnection),
    /// A live stream over WebSocket.
    WebSocket(WebSocketConnection<S>),
}

/// Serves the connection to its end, or until it goes on as something else. Once `stopping` is true, it ends behind
/// the requests that run.
pub(crate) async fn serve<S: Io>(
    stream: S,
    client: Option<IpAddr>,
    surface: Arc<Surface>,
    mut stopping: watch::Receiver<bool>,
) -> Option<GoesOn<impl Io + use<S>, StallLimit<S>>> {
    let open = surface.door().open();
    let guard = guard(stream, &surface);
    let verdict = guard.verdict();
    let counts = Arc::clone(surface.door());
    let slot = Slot::default();
    let theirs = slot.clone();
    let service = service_fn(move |request| answer(&surface, &verdict, &theirs, client, request));
    let stop = async {
        // Fails where nobody can stop us any more: then so be it.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let departed = converse(guard, service, counts, &slot, stop).await?;
    Some(match departed.claim {
        Claim::Peer(_) => GoesOn::Peer(MeshConnection::new(departed, open)?),
        Claim::Stream => GoesOn::Stream(departed, open),
        Claim::WebSocket => GoesOn::WebSocket(WebSocketConnection::new(departed, open)),
    })
}

/// Answers requests, whatever they are, with 503; but peers come in.
pub(crate) async fn turn_away<S: Io>(
    stream: S,
    surface: Arc<Surface>,
) -> Option<GoesOn<impl Io + use<S>, StallLimit<S>>> {
    surface.door().count_turned_away();
    let guard = guard(stream, &surface);
    let verdict = guard.verdict();
    let counts = Arc::clone(surface.door());
    let slot = Slot::default();
    let theirs = slot.clone();
    let door = Arc::clone(&counts);
    let service = service_fn(move |request: Request<Incoming>| {
        if request.uri().path() == mesh_entry::PATH {
            return Either::Left(answer(&surface, &verdict, &theirs, None, request));
        }
        let detail = "more connections than this node takes on: try again later, and keep few";
        let refused = Problem::new(Code::Overloaded, detail).closing_connection();
        Either::Right(surface.refuse(refused))
    });
    // However it ends, it is closed.
    let conversation = converse(guard, service, counts, &slot, pending());
    let departed = timeout(TURNED_AWAY_PATIENCE, conversation).await.ok()??;
    MeshConnection::new(departed, door.open()).map(GoesOn::Peer)
}

/// Speaks what the client speaks, to the end, or until the connection leaves. Once `stop` has come, it ends behind
/// the requests that run.
pub(crate) async fn converse<S, A, F>(
    mut guard: Guard<S>,
    service: A,
    counts: Arc<DoorCounts>,
    slot: &Slot,
    stop: impl Future<Output = ()>,
) -> Option<Departed<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = F>
        + Unpin,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + Unpin + 'static,
{
    let mut stop = pin!(stop);
    let protocol = tokio::select! {
        protocol = guard.protocol() => protocol,
        () = stop.as_mut() => return None,
    };
    let ended = match protocol {
        None => return None,
        Some(Protocol::Http1) => {
            let mut connection = http1_builder().serve_connection(TokioIo::new(guard), service);
            let mut stopping = false;
            let ended = loop {
                let served = poll_fn(|context| match connection.poll_without_shutdown(context) {
                    Poll::Pending if slot.is_left() => Poll::Ready(None),
                    served => served.map(Some),
                });
                tokio::select! {
                    served = served => break served,
                    () = stop.as_mut(), if !stopping => stopping = true,
                }
                Pin::new(&mut connection).graceful_shutdown();
            };
            let parts = connection.into_parts();
            let mut guard = parts.io.into_inner();
            match ended {
                None => {
                    let (stream, held) = guard.into_parts();
                    return slot.depart(stream, parts.read_buf, held);
                }
                Some(Ok(())) => {
                    // What is left of it is read on for a while, so that the answer arrives.
                    let _ = guard.shutdown().await;
                    return None;
                }
                Some(Err(error)) => Err(error),
            }
        }
        Some(Protocol::Http2) => {
            let streams = Streams::new(counts);
            let builder = http2::builder(&streams);
            let mut connection = pin!(builder.serve_connection(TokioIo::new(guard), service));
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = either(stop, streams.idle()) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    None
}

async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

fn guard<S: Io>(stream: S, surface: &Surface) -> Guard<StallLimit<S>> {
    let counts = surface.door();
    let stream = StallLimit::new(stream, STALL_PATIENCE, Arc::clone(counts));
    Guard::new(stream, Arc::clone(counts))
}

/// hyper as it stands behind the guard.
fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER_BYTES_MAX);
    builder
}

/// The answer to a request, or to what stands for one that the guard refused; none where the connection leaves
/// instead. The guard hears what becomes of an upgrade.
pub(crate) fn answer(
    surface: &Surface,
    verdict: &Arc<Verdict>,
    slot: &Slot,
    client: Option<IpAddr>,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Unpin + use<> {
    if let Some(fault) = verdict.refusal_of(&request) {
        return Either::Left(surface.refuse(fault.into()));
    }
    let asks = verdict.awaits_decision() && request.headers().contains_key(UPGRADE);
    let may_leave = slot.offer(&mut request, asks);
    let without_body = request.version() == Version::HTTP_2 && request.method() == Method::HEAD;
    let answer = surface.answer(request, client);
    if !may_leave && !asks && !without_body {
        return Either::Left(answer);
    }
    let (verdict, slot) = (Arc::clone(verdict), slot.clone());
    Either::Right(Box::pin(async move {
        let Ok(answer) = answer.await;
        let Some(mut answer) = slot.keep(answer) else {
            return pending().await;
        };
        if asks {
            verdict.decide(false);
        }
        if without_body {
            leave_out_body(&mut answer);
        }
        Ok(answer)
    }))
}

/// hyper sees to it in HTTP/1 only.
fn leave_out_body(answer: &mut Response<Body>) {
    let body = std::mem::replace(answer.body_mut(), Body::empty());
    if let Some(bytes) = body.size_hint().exact().filter(|bytes| *bytes > 0) {
        answer.headers_mut().insert(CONTENT_LENGTH, bytes.into());
    }
}
