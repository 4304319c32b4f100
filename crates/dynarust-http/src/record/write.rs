//! What PUT and PATCH have in common: what their heads say, and that a refused body is read on.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::{Condition, Consistency, NameError, RecordName, RequestKey, UnixMillis};
use dynarust_store::Durability;
use http::{Method, Request, request};

use super::{patch, put};
use crate::answer::Answer;
use crate::backend::Backend;
use crate::conditions;
use crate::guarantees;
use crate::idempotency::{self, Fingerprint};
use crate::problem::Problem;
use crate::query::Query;
use crate::request_body::RequestBody;
use crate::ttl::Ttl;

/// The answer to a PUT or a PATCH.
pub(crate) fn write<B>(
    backend: &Arc<Backend>,
    name: Result<RecordName, NameError>,
    request: Request<B>,
) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
{
    let backend = Arc::clone(backend);
    Answer::later(async move {
        let (head, mut body) = RequestBody::of(request);
        let outcome = match head.method {
            Method::PATCH => patch::carry_out(&backend, name, &head, &mut body).await,
            _ => put::carry_out(&backend, name, &head, &mut body).await,
        };
        body.settle(outcome).await
    })
}

/// What the head of a write says.
pub(super) struct WriteHead {
    pub(super) name: RecordName,
    pub(super) condition: Condition,
    pub(super) durability: Durability,
    pub(super) consistency: Consistency,
    ttl: Option<Ttl>,
    idempotency_key: Option<String>,
}

impl WriteHead {
    pub(super) fn read(
        backend: &Backend,
        name: Result<RecordName, NameError>,
        head: &request::Parts,
    ) -> Result<Self, Problem> {
        let name = name?;
        let mut query = Query::parse(head.uri.query())?;
        let consistency = guarantees::consistency(&mut query)?;
        let durability = guarantees::durability(&mut query, backend.config.durability)?;
        let ttl = Ttl::take(&mut query)?;
        query.finish()?;
        let condition = conditions::condition(&head.headers)?;
        let consistency = guarantees::of_write(consistency, &condition);
        let idempotency_key = idempotency::key(&head.headers)?;
        Ok(Self { name, condition, durability, consistency, ttl, idempotency_key })
    }

    /// When the record expires that is written now.
    pub(super) fn expiry(&self, backend: &Backend) -> Option<UnixMillis> {
        self.ttl.map(|ttl| ttl.expiry(backend.node.now()))
    }

    /// What a repeat is known by, with these parts of its body.
    pub(super) fn request(&self, doing: &str, parts: &[&[u8]]) -> Option<RequestKey> {
        let key = self.idempotency_key.as_ref()?;
        let head = Fingerprint::of(doing, &self.name)
            .with_guarantees(self.durability, self.consistency)
            .with_condition(&self.condition)
            .with_ttl(self.ttl);
        Some(parts.iter().fold(head, |fingerprint, part| fingerprint.with(part)).under(key))
    }
}
