//! `POST /{table}/keys`: many records by name, as one object, in the order asked for.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{Consistency, Key, RecordName};
use futures_util::TryStreamExt;
use http::{Request, Response, request};

use super::records::{self, Form};
use crate::backend::Backend;
use crate::content_type;
use crate::guarantees;
use crate::json;
use crate::path;
use crate::problem::Problem;
use crate::query::Query;
use crate::request_body::{BodyLimit, RequestBody};
use crate::response_body::Body;

pub(crate) async fn multi_get<B>(
    backend: Arc<Backend>,
    request: Request<B>,
) -> Result<Response<Body>, Problem>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let (head, mut body) = RequestBody::of(request);
    let asked = read(&backend, &head, &mut body).await;
    let (names, consistency) = body.settle(asked).await?;
    answer(&backend, names, consistency).await
}

async fn read<B>(
    backend: &Backend,
    head: &request::Parts,
    body: &mut RequestBody<B>,
) -> Result<(Vec<RecordName>, Consistency), Problem>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let table = path::table(path::first_segment(head.uri.path()))?;
    let mut query = Query::parse(head.uri.query())?;
    let consistency = guarantees::consistency(&mut query)?.unwrap_or_default();
    query.finish()?;
    content_type::require_json(&head.headers)?;
    let keys = json::many_keys(
        &body.read(BodyLimit::many_keys(&backend.config), &backend.key_lists).await?,
    )?;
    let mut seen = HashSet::with_capacity(keys.len());
    let mut names = Vec::with_capacity(keys.len());
    for key in keys {
        let name = RecordName::new(&table, &Key::parse(&key)?);
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    Ok((names, consistency))
}

async fn answer(
    backend: &Backend,
    names: Vec<RecordName>,
    consistency: Consistency,
) -> Result<Response<Body>, Problem> {
    let found = Arc::clone(&backend.node).get_many(names, consistency);
    // One by one: values may be large, and several together would all be in memory.
    records::streamed(&backend.listings, found.map_ok(|stored| vec![stored]), Form::Object).await
}
