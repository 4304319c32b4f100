//! `/_cluster/…`: what an operator does with the cluster, by way of the program's own commands
//! (API.md section 5). Each request proves that its sender knows the secret (`proof`).

use std::sync::Arc;

use dynarust_core::NodeId;
use http::header::AUTHORIZATION;
use http::{Response, StatusCode, request};
use serde::Serialize;

use crate::answer;
use crate::backend::Backend;
use crate::problem::{Code, Problem};
use crate::query::Query;
use crate::response_body::Body;

/// Whom it was about.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NodeText {
    node: String,
}

/// The node begins to leave; it ends by itself when it has.
pub(crate) async fn leave(
    backend: Arc<Backend>,
    head: request::Parts,
) -> Result<Response<Body>, Problem> {
    check(&backend, &head)?;
    backend.node.leave().await?;
    Ok(answer::json_of(StatusCode::ACCEPTED, &NodeText { node: backend.node.id().to_string() }))
}

/// A node that is down is a member no more.
pub(crate) async fn remove(
    backend: Arc<Backend>,
    head: request::Parts,
) -> Result<Response<Body>, Problem> {
    check(&backend, &head)?;
    let named = head.uri.path().rsplit('/').next().unwrap_or_default();
    let node = node_id(named).ok_or_else(|| {
        let detail = "a node is named by its id, 16 digits, as `/membership` lists it";
        Problem::new(Code::InvalidParameter, detail)
    })?;
    backend.node.remove(node).await?;
    Ok(answer::json_of(StatusCode::OK, &NodeText { node: node.to_string() }))
}

fn node_id(text: &str) -> Option<NodeId> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| digits).map(NodeId)
}

fn check(backend: &Backend, head: &request::Parts) -> Result<(), Problem> {
    Query::parse(head.uri.query())?.finish()?;
    let secret = backend.node.secret().ok_or_else(Problem::no_cluster)?;
    let given = head.headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
    let asked = (head.method.as_str(), head.uri.path());
    let checked = backend.challenges.check(secret, asked, given.unwrap_or_default());
    checked.map_err(|_| Problem::unauthenticated(&backend.challenges.nonce()))
}
