//! Making answers, now or later.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::content_type;
use crate::problem::Problem;
use crate::response_body::Body;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const NDJSON: HeaderValue = HeaderValue::from_static(content_type::NDJSON);
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What a request comes to.
pub(crate) type Outcome = Result<Response<Body>, Problem>;

/// The future of an [`Outcome`].
pub(crate) type LaterAnswer = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What is told at once costs no allocation.
pub(crate) enum Answer {
    /// Told at once.
    Now(Outcome),
    /// Told when it is known.
    Later(LaterAnswer),
}

impl Answer {
    pub(crate) fn now(outcome: Outcome) -> Self {
        Self::Now(outcome)
    }

    pub(crate) fn later(outcome: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self::Later(Box::pin(outcome))
    }
}

/// An answer in JSON that no cache keeps.
pub(crate) fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    with_body(status, JSON, Body::Whole(text.into()))
}

/// As [`json`], from a value.
pub(crate) fn json_of(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    json(status, serde_json::to_vec(value).unwrap_or_default())
}

/// An answer that no cache keeps.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: HeaderValue,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}
