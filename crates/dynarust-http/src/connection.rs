//! One connection: hyper's HTTP/1.1, with our limits.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::HEAD_BYTES_MAX;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::stall_limit::StallLimit;
use crate::surface::Surface;

/// How long a client may take for a request's head, and leave a connection idle before it.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// How long a client may take nothing of what waits for it.
const STALL_PATIENCE: Duration = Duration::from_secs(60);

/// Serves the connection to its end. Once `stopping` is true, it ends behind the request that runs.
pub(crate) async fn serve(
    stream: TcpStream,
    surface: Arc<Surface>,
    mut stopping: watch::Receiver<bool>,
) {
    // Without it answers are a little later; not worth a refusal.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(StallLimit::new(stream, STALL_PATIENCE));
    let service = service_fn(move |request| surface.answer(request));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(io, service)
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
