//! PATCH of a record.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::limits::PUT_ENVELOPE_BYTES_MAX;
use dynarust_core::{NameError, Patch, PatchForm, RecordName};
use dynarust_node::PatchRecord;
use http::{Response, request};

use super::write::WriteHead;
use super::written;
use crate::backend::Backend;
use crate::budget::Share;
use crate::content_type;
use crate::json;
use crate::problem::{Code, Problem};
use crate::request_body::{BodyLimit, RequestBody};
use crate::response_body::Body;

pub(super) async fn carry_out<B>(
    backend: &Backend,
    name: Result<RecordName, NameError>,
    head: &request::Parts,
    body: &mut RequestBody<B>,
) -> Result<Response<Body>, Problem>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let write = WriteHead::read(backend, name, head)?;
    let form = content_type::patch_form(&head.headers)?;
    // The share is kept: many patches may wait for their turn at one key.
    let (patch, _share) = read_patch(backend, form, body).await?;
    let form: &[u8] = match form {
        PatchForm::Merge => b"merge",
        PatchForm::Json => b"json",
    };
    let patch = PatchRecord {
        expiry: write.expiry(backend),
        request: write.request("PATCH", &[form, patch.text().as_bytes()]),
        name: write.name,
        patch: Arc::new(patch),
        value_bytes_max: backend.config.value_bytes_max,
        condition: write.condition,
        durability: write.durability,
        consistency: write.consistency,
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
