//! The whole surface: every address, every method, and who answers.
//!
//! | address | methods | answered by |
//! | --- | --- | --- |
//! | `/{table}/key/{key}` | GET HEAD PUT DELETE | `record` |
//! | `/{table}/subscribe/{key}`, `/{table}/subscribe`, `/subscribe` | GET HEAD | `live` |
//! | `/{table}/store` | GET HEAD | `table::store` |
//! | `/{table}/keys` | GET HEAD POST | `table::keys`, `table::multi_get` |
//! | `/membership`, `/livez`, `/readyz` | GET HEAD | `node_state` |
//!
//! The first two rows are asked for most: they are found by hand, before axum's router, which serves
//! the rest. Everywhere, OPTIONS tells the methods, another method is 405, another address 404.

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get};
use dynarust_core::limits::URI_BYTES_MAX;
use dynarust_core::{NameError, RecordName};
use http::header::{ALLOW, CACHE_CONTROL, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::answer::{Answer, NO_STORE};
use crate::backend::Backend;
use crate::live::{self, Follow};
use crate::node_state;
use crate::path::{self, HotPath};
use crate::problem::{Code, Problem};
use crate::record;
use crate::response_body::Body;
use crate::table;

const RECORD_METHODS: &str = "GET, HEAD, PUT, DELETE, OPTIONS";
const READ_METHODS: &str = "GET, HEAD, OPTIONS";
const KEYS_METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// Answers requests.
pub(crate) struct Surface {
    backend: Arc<Backend>,
    rest: TowerToHyperService<Router>,
}

impl Surface {
    pub(crate) fn new(backend: Arc<Backend>) -> Self {
        let rest = TowerToHyperService::new(rest(Arc::clone(&backend)));
        Self { backend, rest }
    }

    /// The way of every request.
    pub(crate) fn answer(&self, request: Request<Incoming>) -> Answer {
        if let Err(problem) = check(&request) {
            return Answer::now(Err(problem));
        }
        match HotPath::of(request.uri().path()) {
            Some(HotPath::Record { table, key }) => self.record(path::record(table, key), request),
            Some(HotPath::SubscribeKey { table, key }) => {
                self.subscribe(Follow::Key { table, key }, &request)
            }
            Some(HotPath::SubscribeTable { table }) => {
                self.subscribe(Follow::Table { table }, &request)
            }
            Some(HotPath::SubscribeMany) => self.subscribe(Follow::Many, &request),
            None => self.rest(request),
        }
    }

    fn record(&self, name: Result<RecordName, NameError>, request: Request<Incoming>) -> Answer {
        match *request.method() {
            Method::GET | Method::HEAD => record::get(&self.backend, name, &request),
            Method::PUT => record::put(&self.backend, name, request),
            Method::DELETE => record::delete(&self.backend, name, &request),
            _ => Answer::now(other_method(request.method(), RECORD_METHODS)),
        }
    }

    fn subscribe(&self, follow: Follow<'_>, request: &Request<Incoming>) -> Answer {
        Answer::now(match *request.method() {
            Method::GET | Method::HEAD => live::subscribe(&self.backend, follow, request),
            _ => other_method(request.method(), READ_METHODS),
        })
    }

    fn rest(&self, request: Request<Incoming>) -> Answer {
        let routed = self.rest.call(request);
        Answer::later(async move {
            let Ok(response) = routed.await;
            Ok(response.map(Body::Axum))
        })
    }
}

/// What is not asked for so often.
fn rest(backend: Arc<Backend>) -> Router {
    Router::new()
        .route("/{table}/store", only(get(table::store), READ_METHODS))
        .route("/{table}/keys", only(get(table::keys).post(table::multi_get), KEYS_METHODS))
        .route("/membership", only(get(node_state::membership), READ_METHODS))
        .route("/livez", only(get(node_state::livez), READ_METHODS))
        .route("/readyz", only(get(node_state::readyz), READ_METHODS))
        .fallback(async || not_found().into_response())
        .with_state(backend)
}

/// Answers methods that the route has not.
fn only(route: MethodRouter<Arc<Backend>>, allow: &'static str) -> MethodRouter<Arc<Backend>> {
    route.fallback(async move |method: Method| {
        other_method(&method, allow).unwrap_or_else(Problem::into_response)
    })
}

fn other_method(method: &Method, allow: &'static str) -> Result<Response<Body>, Problem> {
    if method != Method::OPTIONS {
        return Err(Problem::method_not_allowed(allow));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    headers.insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}

fn not_found() -> Problem {
    Problem::new(
        Code::NotFound,
        "there is nothing at this address; a slash inside a key is written %2F",
    )
}

/// What holds for every request.
fn check(request: &Request<Incoming>) -> Result<(), Problem> {
    let uri_bytes = request.uri().path_and_query().map_or(0, |it| it.as_str().len());
    if uri_bytes > URI_BYTES_MAX {
        let detail = format!("an address has at most {URI_BYTES_MAX} bytes");
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    // hyper leaves this to the application (RFC 9112 section 3.2).
    let hosts = request.headers().get_all(HOST).iter().count();
    let needed = usize::from(request.version() == Version::HTTP_11);
    if hosts < needed || hosts > 1 {
        let detail = "a request has one `Host` header";
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    Ok(())
}
