//! What `live` says to a server: DynaRust's own requests, or, to compare, those of another.

use crate::arguments::Target;
use crate::request::Requests;

/// Whose requests a load makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// This program's.
    DynaRust,
    /// nginx with nchan: `POST /pub/{channel}`, and event streams at `/sub/{channel}`.
    Nchan,
}

impl Dialect {
    /// A request for the live stream of a key.
    pub(crate) fn follow(self, target: &Target, key: &str) -> String {
        let Target { address, table, .. } = target;
        let path = match self {
            Self::DynaRust => format!("/{table}/subscribe/{key}?state=false"),
            Self::Nchan => format!("/sub/{key}"),
        };
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n")
    }

    /// What a stream says once it misses nothing any more; nothing, where its head says so.
    pub(crate) fn ready(self) -> &'static [u8] {
        match self {
            Self::DynaRust => b"event: ready\n",
            Self::Nchan => b"",
        }
    }

    /// A request that makes `value` the news of a key.
    pub(crate) fn write(
        self,
        requests: &mut Requests,
        target: &Target,
        key: &str,
        durability: &str,
        value: &str,
    ) -> Vec<u8> {
        match self {
            Self::DynaRust => requests.put_value(key, durability, value).to_vec(),
            Self::Nchan => format!(
                "POST /pub/{key} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{value}",
                target.address,
                value.len()
            )
            .into_bytes(),
        }
    }
}
