//! What a node tells of itself: `/membership`, `/livez`, `/readyz` (API.md section 5).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use dynarust_core::UnixMillis;
use dynarust_node::{Health, Member, Status};
use http::{Response, StatusCode, Uri};
use serde::Serialize;

use crate::answer;
use crate::backend::Backend;
use crate::query::Query;
use crate::response_body::Body;

#[derive(Serialize)]
struct MembershipText {
    nodes: BTreeMap<String, MemberText>,
    active_count: usize,
    timestamp: UnixMillis,
}

#[derive(Serialize)]
struct MemberText {
    id: String,
    status: &'static str,
    last_heartbeat: UnixMillis,
    partitions: u16,
}

#[derive(Serialize)]
struct HealthText {
    ok: bool,
    reasons: Vec<String>,
}

pub(crate) async fn membership(State(backend): State<Arc<Backend>>, uri: Uri) -> Response<Body> {
    without_parameters(&uri, || {
        let membership = backend.node.membership();
        let text = MembershipText {
            active_count: membership.active_count(),
            timestamp: membership.timestamp,
            nodes: membership.members.into_iter().map(member).collect(),
        };
        answer::json_of(StatusCode::OK, &text)
    })
}

pub(crate) async fn livez(State(backend): State<Arc<Backend>>, uri: Uri) -> Response<Body> {
    without_parameters(&uri, || health(backend.node.liveness()))
}

pub(crate) async fn readyz(State(backend): State<Arc<Backend>>, uri: Uri) -> Response<Body> {
    without_parameters(&uri, || health(backend.node.readiness()))
}

fn member(member: Member) -> (String, MemberText) {
    let text = MemberText {
        id: member.id.to_string(),
        status: match member.status {
            Status::Active => "Active",
        },
        last_heartbeat: member.last_heartbeat,
        partitions: member.partitions,
    };
    (member.address, text)
}

fn health(health: Health) -> Response<Body> {
    let status = if health.is_well() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = HealthText { ok: health.is_well(), reasons: health.reasons };
    answer::json_of(status, &text)
}

fn without_parameters(uri: &Uri, tell: impl FnOnce() -> Response<Body>) -> Response<Body> {
    match Query::parse(uri.query()).and_then(Query::finish) {
        Ok(()) => tell(),
        Err(problem) => problem.into_response(),
    }
}
