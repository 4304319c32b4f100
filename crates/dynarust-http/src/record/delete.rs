//! DELETE of a record.

use std::sync::Arc;

use dynarust_core::{NameError, RecordName};
use dynarust_node::{Acknowledged, Delete};
use http::{Request, StatusCode};

use super::WrittenText;
use crate::answer::{self, Answer};
use crate::backend::Backend;
use crate::conditions;
use crate::guarantees;
use crate::idempotency::{self, Fingerprint};
use crate::problem::Problem;
use crate::query::Query;
use crate::replicas;

pub(crate) fn delete<B>(
    backend: &Arc<Backend>,
    name: Result<RecordName, NameError>,
    request: &Request<B>,
) -> Answer {
    let delete = match read_head(backend, name, request) {
        Ok(delete) => delete,
        Err(problem) => return Answer::now(Err(problem)),
    };
    let node = Arc::clone(&backend.node);
    Answer::later(async move {
        let Acknowledged { version, replicas } = node.delete(delete).await?;
        let mut response = answer::json_of(StatusCode::OK, &WrittenText::of(version));
        replicas::tell(replicas, response.headers_mut());
        Ok(response)
    })
}

fn read_head<B>(
    backend: &Backend,
    name: Result<RecordName, NameError>,
    request: &Request<B>,
) -> Result<Delete, Problem> {
    let mut query = Query::parse(request.uri().query())?;
    let consistency = guarantees::consistency(&mut query)?;
    let durability = guarantees::durability(&mut query, backend.config.durability)?;
    query.finish()?;
    let (name, condition) = (name?, conditions::condition(request.headers())?);
    let consistency = guarantees::of_write(consistency, &condition);
    let request = idempotency::key(request.headers())?.map(|key| {
        Fingerprint::of("DELETE", &name)
            .with_guarantees(durability, consistency)
            .with_condition(&condition)
            .under(&key)
    });
    Ok(Delete { name, condition, durability, consistency, request })
}
