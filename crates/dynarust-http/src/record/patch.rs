//! PATCH of a record.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::limits::PUT_ENVELOPE_BYTES_MAX;
use dynarust_core::{NameError, Patch, PatchForm, RecordName};
use dynarust_node::PatchRecord;
use http::{Request, Response, request};

use super::written;
use crate::answer::Answer;
use crate::backend::Backend;
use crate::budget::Share;
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

pub(crate) fn patch<B>(
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
    let form = content_type::patch_form(&head.headers)?;
    let condition = conditions::condition(&head.headers)?;
    let key = idempotency::key(&head.headers)?;
    // The share is kept: many patches may wait for their turn at one key.
    let (patch, _share) = read_patch(backend, form, body).await?;
    let request = key.map(|key| {
        Fingerprint::of("PATCH", &name)
            .with_guarantees(durability, consistency)
            .with_condition(&condition)
            .with_ttl(ttl)
            .with(match form {
                PatchForm::Merge => b"merge",
                PatchForm::Json => b"json",
            })
            .with(patch.text().as_bytes())
            .under(&key)
    });
    let expiry = ttl.map(|ttl| ttl.expiry(backend.node.now()));
    let value_bytes_max = backend.config.value_bytes_max;
    let patch = PatchRecord {
        name,
        patch: Arc::new(patch),
        value_bytes_max,
        expiry,
        condition,
        durability,
        request,
    };
    Ok(written(backend.node.patch(patch).await?))
}

async fn read_patch<B>(
    backend: &Backend,
    form: PatchForm,
    body: &mut RequestBody<B>,
) -> Result<(Patch, Share), Problem>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let bytes_max = backend.config.value_bytes_max + PUT_ENVELOPE_BYTES_MAX;
    let limit = BodyLimit { bytes_max, code: Code::BodyTooLarge };
    let body = body.read(limit, &backend.bodies).await?;
    let patch = Patch::new(form, json::any(&body)?.to_owned())?;
    Ok((patch, body.into_share()))
}
