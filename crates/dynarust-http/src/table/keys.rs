//! `GET /{table}/keys`: the keys of a table, as one array.

use std::sync::Arc;

use http::{Response, Uri};

use super::listing;
use super::records::Form;
use crate::backend::Backend;
use crate::problem::Problem;
use crate::response_body::Body;

pub(crate) async fn keys(backend: Arc<Backend>, uri: Uri) -> Result<Response<Body>, Problem> {
    listing::answer(&backend, &uri, Form::Array).await
}
