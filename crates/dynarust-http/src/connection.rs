//! One connection: hyper's HTTP/1.1 behind the guard, with our limits.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{HEAD_BYTES_MAX, STALL_MILLIS_MAX, TURNED_AWAY_MILLIS_MAX};
use futures_util::future::Either;
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::problem::{Code, Problem};
use crate::response_body::Body;
use crate::socket;
use crate::stall_limit::StallLimit;
use crate::surface::Surface;
use crate::wire::{Guard, Verdict};

/// How long a client may take nothing of what waits for it.
const STALL_PATIENCE: Duration = Duration::from_millis(STALL_MILLIS_MAX);
const TURNED_AWAY_PATIENCE: Duration = Duration::from_millis(TURNED_AWAY_MILLIS_MAX);
/// A head that the guard passes always fits hyper's buffer.
const BUFFER_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;

/// Serves the connection to its end. Once `stopping` is true, it ends behind the request that runs.
pub(crate) async fn serve(
    stream: TcpStream,
    surface: Arc<Surface>,
    mut stopping: watch::Receiver<bool>,
) {
    let _open = surface.door().open();
    let guard = guard(stream, &surface);
    let verdict = guard.verdict();
    let service = service_fn(move |request| answer(&surface, &verdict, request));
    let mut connection =
        std::pin::pin!(http1_builder().serve_connection(TokioIo::new(guard), service));
    let stop = async {
        // Fails where nobody can stop us any more: then so be it.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Answers one request, whatever it is, with 503.
pub(crate) async fn turn_away(stream: TcpStream, surface: Arc<Surface>) {
    surface.door().count_turned_away();
    let io = TokioIo::new(guard(stream, &surface));
    let service = service_fn(move |_: Request<Incoming>| {
        let detail = "more connections than this node takes on: try again later, and keep few";
        surface.refuse(Problem::new(Code::Overloaded, detail).closing_connection())
    });
    let connection = http1_builder().serve_connection(io, service);
    // However it ends, it is closed.
    let _ = timeout(TURNED_AWAY_PATIENCE, connection).await;
}

fn guard(stream: TcpStream, surface: &Surface) -> Guard<StallLimit<TcpStream>> {
    socket::prepare(&stream);
    let counts = surface.door();
    let stream = StallLimit::new(stream, STALL_PATIENCE, Arc::clone(counts));
    Guard::new(stream, Arc::clone(counts))
}

/// hyper as it stands behind the guard.
pub(crate) fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER_BYTES_MAX);
    builder
}

/// The answer to a request, or to what stands for one that the guard refused. The guard hears what
/// becomes of an upgrade.
pub(crate) fn answer(
    surface: &Surface,
    verdict: &Arc<Verdict>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    if let Some(fault) = verdict.refusal_of(&request) {
        return Either::Left(surface.refuse(fault.into()));
    }
    let asks = verdict.awaits_decision() && request.headers().contains_key(UPGRADE);
    let answer = surface.answer(request);
    if !asks {
        return Either::Left(answer);
    }
    let verdict = Arc::clone(verdict);
    Either::Right(Box::pin(async move {
        let answer = answer.await;
        let upgraded = |it: &Response<Body>| it.status() == StatusCode::SWITCHING_PROTOCOLS;
        verdict.decide(answer.as_ref().is_ok_and(upgraded));
        answer
    }))
}
