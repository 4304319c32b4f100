//! What a node tells of itself: `/membership`, `/livez`, `/readyz` (API.md section 5).

use std::collections::BTreeMap;

use dynarust_core::UnixMillis;
use dynarust_node::{Health, Member, Status};
use http::{Response, StatusCode, Uri};
use serde::Serialize;

use crate::answer;
use crate::backend::Backend;
use crate::problem::Problem;
use crate::query::Query;
use crate::response_body::Body;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MembershipText {
    nodes: BTreeMap<String, MemberText>,
    active_count: usize,
    timestamp: UnixMillis,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MemberText {
    id: String,
    #[cfg_attr(test, schemars(extend("enum" = STATUSES)))]
    status: &'static str,
    last_heartbeat: UnixMillis,
    /// How many it owns.
    partitions: u16,
    /// How many times it has started.
    incarnation: u64,
    /// How much of the data it takes, against others.
    weight: u16,
    /// What may fail as a whole with it, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HealthText {
    ok: bool,
    reasons: Vec<String>,
    /// What an operator should know, though all is well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(default))]
    notes: Vec<String>,
}

pub(crate) fn membership(backend: &Backend, uri: &Uri) -> Result<Response<Body>, Problem> {
    no_parameters(uri)?;
    let membership = backend.node.membership();
    let text = MembershipText {
        active_count: membership.active_count(),
        timestamp: membership.timestamp,
        nodes: by_address(membership.members),
    };
    Ok(answer::json_of(StatusCode::OK, &text))
}

pub(crate) fn livez(backend: &Backend, uri: &Uri) -> Result<Response<Body>, Problem> {
    no_parameters(uri)?;
    Ok(health(backend.node.liveness()))
}

pub(crate) fn readyz(backend: &Backend, uri: &Uri) -> Result<Response<Body>, Problem> {
    no_parameters(uri)?;
    Ok(health(backend.node.readiness()))
}

fn member(member: Member) -> (String, MemberText) {
    let text = MemberText {
        id: member.id.to_string(),
        incarnation: member.incarnation,
        zone: member.zone.as_deref().map(str::to_owned),
        weight: member.weight,
        status: status(member.status),
        last_heartbeat: member.last_heartbeat,
        partitions: member.partitions,
    };
    (member.address, text)
}

/// By address; a member that is not there any more, and whose address another has now, by both address and
/// id.
fn by_address(mut members: Vec<Member>) -> BTreeMap<String, MemberText> {
    members.sort_by_key(|member| member.status == Status::Down);
    let mut nodes = BTreeMap::new();
    for (address, text) in members.into_iter().map(member) {
        let key =
            if nodes.contains_key(&address) { format!("{address}#{}", text.id) } else { address };
        nodes.insert(key, text);
    }
    nodes
}

#[cfg(test)]
const STATUSES: [&str; 5] = ["Active", "Suspect", "Down", "Joining", "Leaving"];

fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "Active",
        Status::Suspect => "Suspect",
        Status::Down => "Down",
        Status::Joining => "Joining",
        Status::Leaving => "Leaving",
    }
}

fn health(health: Health) -> Response<Body> {
    let status = if health.is_well() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = HealthText { ok: health.is_well(), reasons: health.reasons, notes: health.notes };
    answer::json_of(status, &text)
}

fn no_parameters(uri: &Uri) -> Result<(), Problem> {
    Query::parse(uri.query())?.finish()
}
