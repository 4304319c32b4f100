//! `GET /openapi.json`: the API as an OpenAPI 3.1 document.
//!
//! The document is a file beside this crate's sources, and a part of the program. The tests make it
//! anew, from the tables of operations and codes, and from the types that are read and written; where
//! the two differ they say how to renew the file. So the program carries no machinery for it, and
//! what changes of the API is seen in the file.
//!
//! ```text
//! operation, problem ──► described, problems ─┐
//! types (schemars) ─────► schemas ────────────┼──► document ══ openapi.json ──► served
//! names of parts ───────► parts ──────────────┘      (in tests)
//! ```

#[cfg(test)]
mod described;
#[cfg(test)]
mod document;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod schemas;

use bytes::Bytes;
use http::{StatusCode, Uri};

use crate::answer::{self, Outcome};
use crate::query::Query;

const DOCUMENT: &[u8] = include_bytes!("../../openapi.json");

pub(crate) fn openapi(uri: &Uri) -> Outcome {
    Query::parse(uri.query())?.finish()?;
    Ok(answer::json(StatusCode::OK, Bytes::from_static(DOCUMENT)))
}
