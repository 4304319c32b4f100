//! What a client of `soak` may do, how often, and what the node may answer.

use rand::RngExt;
use rand::rngs::SmallRng;

use crate::lorem;
use crate::request::{Requests, key};

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Get,
    Put,
    PutRelaxed,
    PutForSeconds,
    PutIfAbsent,
    PutWithIdempotencyKey,
    Delete,
    MergePatch,
    JsonPatch,
    Batch,
    MultiGet,
    Keys,
    Store,
    Metrics,
    Mistake,
}

/// Records of a page, and keys of a multi-get.
const MANY: usize = 50;

impl Operation {
    pub(super) const ALL: [Operation; 15] = [
        Self::Get,
        Self::Put,
        Self::PutRelaxed,
        Self::PutForSeconds,
        Self::PutIfAbsent,
        Self::PutWithIdempotencyKey,
        Self::Delete,
        Self::MergePatch,
        Self::JsonPatch,
        Self::Batch,
        Self::MultiGet,
        Self::Keys,
        Self::Store,
        Self::Metrics,
        Self::Mistake,
    ];

    /// One at random: reads and writes mostly, all else now and then.
    pub(super) fn draw(dice: &mut SmallRng) -> Operation {
        match dice.random_range(0..100) {
            0..30 => Self::Get,
            30..46 => Self::Put,
            46..60 => Self::PutRelaxed,
            60..65 => Self::PutForSeconds,
            65..68 => Self::PutIfAbsent,
            68..72 => Self::PutWithIdempotencyKey,
            72..79 => Self::Delete,
            79..85 => Self::MergePatch,
            85..89 => Self::JsonPatch,
            89..90 => Self::Batch,
            90..93 => Self::MultiGet,
            93..95 => Self::Keys,
            95..97 => Self::Store,
            97..98 => Self::Metrics,
            _ => Self::Mistake,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put, sync",
            Self::PutRelaxed => "put, relaxed",
            Self::PutForSeconds => "put with ttl",
            Self::PutIfAbsent => "put if absent",
            Self::PutWithIdempotencyKey => "put with idempotency key",
            Self::Delete => "delete",
            Self::MergePatch => "merge patch",
            Self::JsonPatch => "JSON patch",
            Self::Batch => "batch",
            Self::MultiGet => "multi-get",
            Self::Keys => "keys",
            Self::Store => "store",
            Self::Metrics => "metrics",
            Self::Mistake => "mistake",
        }
    }

    /// Whether this is an answer to it: other clients delete and write the same records.
    pub(super) fn may_answer(self, status: u16) -> bool {
        match self {
            Self::Get | Self::Delete | Self::MergePatch => matches!(status, 200 | 404),
            // The records of the beginning are texts, which have no members.
            Self::JsonPatch => matches!(status, 200 | 404 | 409),
            Self::PutIfAbsent => matches!(status, 200 | 412),
            Self::Mistake => status == 400,
            Self::Put
            | Self::PutRelaxed
            | Self::PutForSeconds
            | Self::PutWithIdempotencyKey
            | Self::Batch
            | Self::MultiGet
            | Self::Keys
            | Self::Store
            | Self::Metrics => status == 200,
        }
    }

    /// Its request, for random ones of so many records.
    pub(super) fn request<'a>(
        self,
        requests: &'a mut Requests,
        records: usize,
        dice: &mut SmallRng,
    ) -> &'a [u8] {
        let record = dice.random_range(0..records);
        let path = format!("key/{}", key(record));
        let json = "application/json";
        match self {
            Self::Get => requests.plain("GET", &path),
            Self::Delete => requests.plain("DELETE", &path),
            Self::Keys => requests.plain("GET", &format!("keys?limit={MANY}&start={record:08}")),
            Self::Store => requests.plain("GET", &format!("store?limit={MANY}&start={record:08}")),
            Self::Put => requests.with_body("PUT", &path, json, "", &put(dice)),
            Self::PutRelaxed => {
                let path = path + "?durability=relaxed";
                requests.with_body("PUT", &path, json, "", &put(dice))
            }
            Self::PutForSeconds => {
                let path = path + "?ttl=5s";
                requests.with_body("PUT", &path, json, "", &put(dice))
            }
            Self::PutIfAbsent => {
                requests.with_body("PUT", &path, json, "If-None-Match: *\r\n", &put(dice))
            }
            Self::PutWithIdempotencyKey => {
                let header = format!("Idempotency-Key: {:032x}\r\n", dice.random::<u128>());
                requests.with_body("PUT", &path, json, &header, &put(dice))
            }
            Self::MergePatch => {
                let patch = format!(r#"{{"count":{record},"extra":null}}"#).into_bytes();
                requests.with_body("PATCH", &path, "application/merge-patch+json", "", &patch)
            }
            Self::JsonPatch => {
                let patch = br#"[{"op":"replace","path":"/count","value":-1}]"#;
                requests.with_body("PATCH", &path, "application/json-patch+json", "", patch)
            }
            Self::Batch => requests.with_body("POST", "batch", json, "", &batch(records, dice)),
            Self::Metrics => requests.of_the_node("/metrics"),
            Self::MultiGet => {
                let keys = (0..MANY).map(|_| format!("\"{}\"", key(dice.random_range(0..records))));
                let keys = format!("[{}]", keys.collect::<Vec<_>>().join(","));
                requests.with_body("POST", "keys", json, "", keys.as_bytes())
            }
            Self::Mistake => requests.with_body("PUT", &path, json, "", br#"{"value": 1"#),
        }
    }
}

/// A body that patches fit.
fn put(dice: &mut SmallRng) -> Vec<u8> {
    let mut body = br#"{"value":{"count":0,"extra":true,"text":"#.to_vec();
    lorem::push_text(dice, &mut body);
    body.extend_from_slice(b"}}");
    body
}

/// Writes and deletes, in turns.
fn batch(records: usize, dice: &mut SmallRng) -> Vec<u8> {
    let mut body = vec![b'['];
    for number in 0..MANY {
        let key = key(dice.random_range(0..records));
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(format!("{{\"key\":\"{key}\",").as_bytes());
        if number % 2 == 0 {
            body.extend_from_slice(b"\"value\":{\"count\":0,\"text\":");
            lorem::push_text(dice, &mut body);
            body.extend_from_slice(b"}}");
        } else {
            body.extend_from_slice(b"\"deleted\":true}");
        }
    }
    body.push(b']');
    body
}
