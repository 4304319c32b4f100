//! `/{table}/key/{key}`: one record (API.md section 2).

mod delete;
mod get;
mod patch;
mod put;
mod write;

pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use write::write;

use dynarust_core::Version;
use http::header::ETAG;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::answer;
use crate::conditions;
use crate::response_body::Body;

/// The answer to a write.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct WrittenText {
    /// The record's version now: opaque, and in write order per key.
    version: String,
}

impl WrittenText {
    fn of(version: Version) -> Self {
        Self { version: version.to_string() }
    }
}

/// The record has this version now.
fn written(version: Version) -> Response<Body> {
    let mut response = answer::json_of(StatusCode::OK, &WrittenText::of(version));
    response.headers_mut().insert(ETAG, conditions::entity_tag(version));
    response
}
