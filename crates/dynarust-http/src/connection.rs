//! One connection: hyper's HTTP/1.1 or HTTP/2 behind the guard, with our limits.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{HEAD_BYTES_MAX, STALL_MILLIS_MAX, TURNED_AWAY_MILLIS_MAX};
use futures_util::future::Either;
use http::header::{CONTENT_LENGTH, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::door_counts::DoorCounts;
use crate::http2::{self, Streams};
use crate::mesh_entry::{self, MeshConnection, Slot};
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

/// Serves the connection to its end, or until it is a peer's. Once `stopping` is true, it ends behind
/// the requests that run.
pub(crate) async fn serve<S: Io>(
    stream: S,
    surface: Arc<Surface>,
    mut stopping: watch::Receiver<bool>,
) -> Option<MeshConnection<impl Io + use<S>>> {
    let open = surface.door().open();
    let guard = guard(stream, &surface);
    let verdict = guard.verdict();
    let counts = Arc::clone(surface.door());
    let slot = Slot::default();
    let upgrade = slot.clone();
    let service = service_fn(move |request| answer(&surface, &verdict, &upgrade, request));
    let stop = async {
        // Fails where nobody can stop us any more: then so be it.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    converse(guard, service, counts, stop).await;
    slot.take::<S>(move || open).await
}

/// Answers requests, whatever they are, with 503; but peers come in.
pub(crate) async fn turn_away<S: Io>(
    stream: S,
    surface: Arc<Surface>,
) -> Option<MeshConnection<impl Io + use<S>>> {
    surface.door().count_turned_away();
    let guard = guard(stream, &surface);
    let verdict = guard.verdict();
    let counts = Arc::clone(surface.door());
    let slot = Slot::default();
    let upgrade = slot.clone();
    let door = Arc::clone(&counts);
    let service = service_fn(move |request: Request<Incoming>| {
        if request.uri().path() == mesh_entry::PATH {
            return Either::Left(answer(&surface, &verdict, &upgrade, request));
        }
        let detail = "more connections than this node takes on: try again later, and keep few";
        let refused = Problem::new(Code::Overloaded, detail).closing_connection();
        Either::Right(surface.refuse(refused))
    });
    // However it ends, it is closed.
    let conversation = converse(guard, service, counts, pending());
    timeout(TURNED_AWAY_PATIENCE, conversation).await.ok()?;
    slot.take::<S>(move || door.open()).await
}

/// Speaks what the client speaks, to the end. Once `stop` has come, it ends behind the requests that
/// run.
pub(crate) async fn converse<S, A, F>(
    mut guard: Guard<S>,
    service: A,
    counts: Arc<DoorCounts>,
    stop: impl Future<Output = ()>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future = F>,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let mut stop = pin!(stop);
    let protocol = tokio::select! {
        protocol = guard.protocol() => protocol,
        () = stop.as_mut() => return,
    };
    let ended = match protocol {
        None => return,
        Some(Protocol::Http1) => {
            let mut connection = pin!(
                http1_builder().serve_connection(TokioIo::new(guard), service).with_upgrades()
            );
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
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

/// The answer to a request, or to what stands for one that the guard refused. The guard hears what
/// becomes of an upgrade.
pub(crate) fn answer(
    surface: &Surface,
    verdict: &Arc<Verdict>,
    upgrade: &Slot,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    if let Some(fault) = verdict.refusal_of(&request) {
        return Either::Left(surface.refuse(fault.into()));
    }
    let asks = verdict.awaits_decision() && request.headers().contains_key(UPGRADE);
    if asks {
        request.extensions_mut().insert(upgrade.clone());
    }
    let without_body = request.version() == Version::HTTP_2 && request.method() == Method::HEAD;
    let answer = surface.answer(request);
    if !asks && !without_body {
        return Either::Left(answer);
    }
    let verdict = Arc::clone(verdict);
    Either::Right(Box::pin(async move {
        let Ok(mut answer) = answer.await;
        if asks {
            verdict.decide(answer.status() == StatusCode::SWITCHING_PROTOCOLS);
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
