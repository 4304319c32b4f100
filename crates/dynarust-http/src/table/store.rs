//! `GET /{table}/store`: the records of a table, as one object.

use std::sync::Arc;

use axum::extract::State;
use http::{Response, Uri};

use super::listing;
use super::records::Form;
use crate::backend::Backend;
use crate::problem::Problem;
use crate::response_body::Body;

pub(crate) async fn store(State(backend): State<Arc<Backend>>, uri: Uri) -> Response<Body> {
    listing::answer(&backend, &uri, Form::Object).await.unwrap_or_else(Problem::into_response)
}
