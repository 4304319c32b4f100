//! Making answers, now or later.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::problem::Problem;
use crate::response_body::Body;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The future of an answer. What can be told at once costs no allocation.
pub(crate) enum Answer {
    /// Told at once; `None` once it was taken.
    Now(Option<Response<Body>>),
    /// Told when it is known.
    Later(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

impl Answer {
    pub(crate) fn now(outcome: Result<Response<Body>, Problem>) -> Self {
        Self::Now(Some(outcome.unwrap_or_else(Problem::into_response)))
    }

    pub(crate) fn later(
        outcome: impl Future<Output = Result<Response<Body>, Problem>> + Send + 'static,
    ) -> Self {
        Self::Later(Box::pin(async move { outcome.await.unwrap_or_else(Problem::into_response) }))
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(response) => response.take().map_or(Poll::Pending, |it| Poll::Ready(Ok(it))),
            Self::Later(future) => future.as_mut().poll(context).map(Ok),
        }
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
