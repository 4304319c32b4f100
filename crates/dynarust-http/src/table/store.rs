//! `GET /{table}/store`: the records of a table, as one object.

use std::sync::Arc;

use http::{Response, Uri};

use super::listing;
use super::records::Form;
use crate::backend::Backend;
use crate::problem::Problem;
use crate::response_body::Body;

pub(crate) async fn store(backend: Arc<Backend>, uri: Uri) -> Result<Response<Body>, Problem> {
    listing::answer(&backend, &uri, Form::Object).await
}
