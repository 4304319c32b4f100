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
use dynarust_node::Acknowledged;
use http::header::ETAG;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::answer;
use crate::conditions;
use crate::replicas;
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
fn written(Acknowledged { version, replicas }: Acknowledged) -> Response<Body> {
    let mut response = answer::json_of(StatusCode::OK, &WrittenText::of(version));
    response.headers_mut().insert(ETAG, conditions::entity_tag(version));
    replicas::tell(replicas, response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use dynarust_core::{NodeId, Replicas};

    use super::*;
    use crate::replicas::REPLICAS;

    #[test]
    fn a_write_that_few_owners_have_says_so() {
        let version = Version { hlc: 1, node: NodeId(1) };
        let told = |stand, owners| {
            let replicas = Replicas { stand, owners };
            let response = written(Acknowledged { version, replicas });
            response.headers().get(REPLICAS).map(|it| it.to_str().unwrap().to_owned())
        };
        assert_eq!((told(1, 3).as_deref(), told(2, 3)), (Some("1/3"), None));
    }
}
