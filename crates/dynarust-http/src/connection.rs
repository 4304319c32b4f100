//! One connection: hyper's HTTP/1.1 behind the guard, with our limits.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::HEAD_BYTES_MAX;
use futures_util::future::Either;
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::response_body::Body;
use crate::stall_limit::StallLimit;
use crate::surface::Surface;
use crate::wire::{Guard, Verdict};

/// How long a client may take nothing of what waits for it.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
/// A head that the guard passes always fits hyper's buffer.
const BUFFER_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;

/// Serves the connection to its end. Once `stopping` is true, it ends behind the request that runs.
pub(crate) async fn serve(
    stream: TcpStream,
    surface: Arc<Surface>,
    mut stopping: watch::Receiver<bool>,
) {
    let counts = Arc::clone(surface.door());
    let _open = counts.open();
    // Without it answers are a little later; not worth a refusal.
    let _ = stream.set_nodelay(true);
    let guard = Guard::new(StallLimit::new(stream, STALL_PATIENCE), counts);
    let verdict = guard.verdict();
    let service = service_fn(move |request| answer(&surface, &verdict, request));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(guard), service)
    );
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

/// The answer to a request, or to what stands for one that the guard refused. The guard hears what
/// becomes of an upgrade.
fn answer(
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
