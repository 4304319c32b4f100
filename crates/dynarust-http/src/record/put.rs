//! PUT of a record.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::limits::PUT_ENVELOPE_BYTES_MAX;
use dynarust_core::{NameError, RecordName};
use dynarust_node::Put;
use http::{Request, Response, request};

use super::written;
use crate::answer::Answer;
use crate::backend::Backend;
use crate::conditions;
use crate::content_type;
use crate::guarantees;
use crate::idempotency::{self, Fingerprint};
use crate::json;
use crate::problem::{Code, Problem};
use crate::query::Query;
use crate::request_body::{BodyLimit, RequestBody};
use crate::response_body::Body;
use crate::ttl::Ttl;

pub(crate) fn put<B>(
    backend: &Arc<Backend>,
    name: Result<RecordName, NameError>,
    request: Request<B>,
) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
{
    let backend = Arc::clone(backend);
    Answer::later(async move {
        let (head, body) = request.into_parts();
        let mut body = RequestBody::new(&head, body);
        let outcome = carry_out(&backend, name, &head, &mut body).await;
        if outcome.is_err() {
            body.discard().await;
        }
        outcome
    })
}

async fn carry_out<B>(
    backend: &Backend,
    name: Result<RecordName, NameError>,
    head: &request::Parts,
    body: &mut RequestBody<B>,
) -> Result<Response<Body>, Problem>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let name = name?;
    let mut query = Query::parse(head.uri.query())?;
    let consistency = guarantees::consistency(&mut query)?;
    let durability = guarantees::durability(&mut query, backend.config.durability)?;
    let ttl = Ttl::take(&mut query)?;
    query.finish()?;
    content_type::require_json(&head.headers)?;
    let condition = conditions::condition(&head.headers)?;
    let key = idempotency::key(&head.headers)?;
    let value = read_value(backend, body).await?;
    let expiry = ttl.map(|ttl| ttl.expiry(backend.node.now()));
    let request = key.map(|key| {
        Fingerprint::of("PUT", &name)
            .with_guarantees(durability, consistency)
            .with_condition(&condition)
            .with_ttl(ttl)
            .with(&value)
            .under(&key)
    });
    let put = Put { name, value, expiry, condition, durability, request };
    Ok(written(backend.node.put(put).await?))
}

/// The value's text, copied: a slice would keep the connection's whole buffer in memory.
async fn read_value<B>(backend: &Backend, body: &mut RequestBody<B>) -> Result<Bytes, Problem>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let bytes_max = backend.config.value_bytes_max;
    let limit =
        BodyLimit { bytes_max: bytes_max + PUT_ENVELOPE_BYTES_MAX, code: Code::ValueTooLarge };
    let body = body.read(limit, &backend.bodies).await?;
    let value = json::put_value(&body)?;
    if value.len() > bytes_max {
        let detail = format!("a value's JSON text has at most {bytes_max} bytes here");
        return Err(Problem::new(Code::ValueTooLarge, detail));
    }
    Ok(Bytes::copy_from_slice(value.as_bytes()))
}
