//! The reference for reads: hyper alone, which answers from a map what a node would answer.
//!
//! hyper's HTTP/1.1 on tokio's threads with nothing in front and nothing behind: the path is the key of a
//! `HashMap`, the value is the answer's body, made beforehand. Each answer has the headers
//! that a node's has, of the same sizes, and the values are of the same words. What is missing is what a node adds:
//! reading the address, the versions, the store, the limits of its front door.
//!
//!     bare_hyper 127.0.0.1:6700 100000
#![expect(clippy::print_stdout, reason = "this is a command line program")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_bench::lorem;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::net::TcpListener;

/// What stands in the map: the body and its entity tag.
#[derive(Debug)]
struct Kept {
    body: Bytes,
    entity_tag: HeaderValue,
}

type Records = HashMap<String, Kept>;

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:6700".to_owned());
    let records = words.next().and_then(|word| word.parse().ok()).unwrap_or(100_000);
    let records = Arc::new(fill(records));
    let listener = TcpListener::bind(address).await?;
    println!("bare hyper listens on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let records = Arc::clone(&records);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                std::future::ready(Ok::<_, Infallible>(answer(&records, &request)))
            });
            // A client that goes is none of its business.
            let _ended =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The addresses and values of `DynaRust bench load`.
fn fill(records: usize) -> Records {
    let mut dice = SmallRng::seed_from_u64(0);
    (0..records)
        .map(|record| {
            let mut body = br#"{"value":"#.to_vec();
            lorem::push_text(&mut dice, &mut body);
            body.push(b'}');
            let tag = HeaderValue::try_from(format!("\"{record:032x}\""));
            let entity_tag = tag.unwrap_or(HeaderValue::from_static("\"\""));
            (format!("/bench/key/{record:08}"), Kept { body: body.into(), entity_tag })
        })
        .collect()
}

fn answer(records: &Records, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let Some(kept) = records.get(request.uri().path()) else {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(Full::new(kept.body.clone()));
    let headers = response.headers_mut();
    headers.insert(ETAG, kept.entity_tag.clone());
    headers.insert(LAST_MODIFIED, HeaderValue::from_static("Sun, 22 Nov 2026 12:00:00 GMT"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
