//! Which requests some bytes hold, as the guard sees them, told in the plainest way: all bytes at once.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "only tests and fuzz targets have this module"
)]

use http::{Method, Uri};

use super::chunked::Chunked;
use super::head::{Framing, Head};

/// A request whose head passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    /// `None` for a chunked body.
    pub(crate) length: Option<u64>,
}

/// How the bytes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    BetweenRequests,
    AmidHead,
    AmidBody,
    FaultyHead,
    FaultyBody,
}

/// The requests in `bytes`, and what follows them.
pub(crate) fn requests(mut bytes: &[u8]) -> (Vec<Expected>, Ending) {
    let mut requests = Vec::new();
    loop {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        if bytes.is_empty() {
            return (requests, Ending::BetweenRequests);
        }
        let head = match Head::default().advance(bytes) {
            Ok(Some(head)) => head,
            Ok(None) => return (requests, Ending::AmidHead),
            Err(_) => return (requests, Ending::FaultyHead),
        };
        requests.push(expected(bytes, head.framing));
        bytes = &bytes[head.bytes..];
        let body_bytes = match head.framing {
            Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Framing::Chunked => match Chunked::default().advance(bytes) {
                Ok((body_bytes, true)) => body_bytes,
                Ok((_, false)) => return (requests, Ending::AmidBody),
                Err(_) => return (requests, Ending::FaultyBody),
            },
        };
        match bytes.get(body_bytes..) {
            Some(rest) => bytes = rest,
            None => return (requests, Ending::AmidBody),
        }
    }
}

fn expected(head: &[u8], framing: Framing) -> Expected {
    let line = head.split(|&byte| byte == b'\r').next().unwrap();
    let mut parts = line.split(|&byte| byte == b' ');
    let length = match framing {
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    };
    let method = Method::from_bytes(parts.next().unwrap()).unwrap();
    Expected { method, uri: Uri::try_from(parts.next().unwrap()).unwrap(), length }
}
