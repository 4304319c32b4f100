//! `/{table}/key/{key}`: one record (API.md section 2).

mod delete;
mod get;
mod put;

pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use put::put;

use dynarust_core::Version;
use serde::Serialize;

/// The answer to a write.
#[derive(Serialize)]
struct WrittenText {
    version: String,
}

impl WrittenText {
    fn of(version: Version) -> Self {
        Self { version: version.to_string() }
    }
}
