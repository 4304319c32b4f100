//! PUT of a record.

use bytes::Bytes;
use dynarust_core::limits::PUT_ENVELOPE_BYTES_MAX;
use dynarust_core::{NameError, RecordName};
use dynarust_node::Put;
use http::{Response, request};

use super::write::WriteHead;
use super::written;
use crate::backend::Backend;
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
    content_type::require_json(&head.headers)?;
    let value = read_value(backend, body).await?;
    let put = Put {
        expiry: write.expiry(backend),
        request: write.request("PUT", &[&value]),
        name: write.name,
        value,
        condition: write.condition,
        durability: write.durability,
        consistency: write.consistency,
    };
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
