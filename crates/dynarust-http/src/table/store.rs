//! `GET /{table}/store`: the records of a table, as one object or a line a record.

use std::sync::Arc;

use http::header::VARY;
use http::{HeaderValue, Response, request};

use super::listing;
use super::records::Form;
use crate::accept;
use crate::backend::Backend;
use crate::content_type;
use crate::problem::Problem;
use crate::response_body::Body;

pub(crate) async fn store(
    backend: Arc<Backend>,
    head: request::Parts,
) -> Result<Response<Body>, Problem> {
    let object = (content_type::JSON, Form::Object);
    let form = accept::preferred(&head.headers, object, (content_type::NDJSON, Form::Lines));
    let mut response = listing::answer(&backend, &head.uri, form).await?;
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}
