//! One item of a batch: `{"key", "value"}` or `{"key", "deleted": true}`, optionally `"if_match"` and
//! `"ttl"`; a `"version"` is let pass, so that what `store` gives as lines can be written as it is.

use std::borrow::Cow;

use bytes::Bytes;
use dynarust_core::{Condition, Consistency, EntityTags, Key, NameError, RecordName, RequestKey};
use dynarust_node::{BatchPart, Delete, Put};
use futures_util::FutureExt;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::batch::{Batch, Submitted};
use crate::guarantees;
use crate::idempotency::Fingerprint;
use crate::json;
use crate::problem::{Code, Problem};
use crate::ttl::Ttl;

const SHAPE: &str = r#"an item of a batch is {"key": "…", "value": <any JSON>} or {"key": "…", "deleted": true}, with "if_match" and "ttl" where wanted"#;

/// An item that may be written.
pub(super) struct BatchItem<'a> {
    /// The key's JSON text.
    pub(super) key: &'a str,
    write: Write,
}

enum Write {
    Put(Put),
    Delete(Delete),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemText<'a> {
    #[serde(borrow)]
    key: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    deleted: Option<bool>,
    #[serde(borrow, default, deserialize_with = "present")]
    if_match: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ttl: Option<Cow<'a, str>>,
    #[serde(default)]
    #[expect(dead_code, reason = "let pass, and ignored")]
    version: Option<IgnoredAny>,
}

/// The key of an item that is wrong otherwise.
#[derive(Deserialize)]
struct KeyText<'a> {
    #[serde(borrow)]
    key: &'a RawValue,
}

/// A member that stands there is no absent one, even if it is `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Batch<'_> {
    /// By what a repeat of the item is known.
    fn request(
        &self,
        nth: usize,
        consistency: Consistency,
        asked: impl FnOnce() -> Fingerprint,
    ) -> Option<RequestKey> {
        let key = self.idempotency_key.as_ref()?;
        let fingerprint = asked().with_guarantees(self.durability, consistency);
        Some(fingerprint.under_item(key, nth))
    }
}

impl<'a> BatchItem<'a> {
    /// # Errors
    /// `invalid_json`, `invalid_body`, `invalid_key`, `value_too_large`.
    pub(super) fn read(batch: &Batch<'_>, nth: usize, text: &'a [u8]) -> Result<Self, Problem> {
        let item: ItemText<'a> = json::object(text, SHAPE)?;
        let name = RecordName::new(&batch.table, &key(item.key.get())?);
        let condition = condition(item.if_match.as_deref());
        let durability = batch.durability;
        let consistency = guarantees::of_write(batch.consistency, &condition);
        let write = match (item.value, item.deleted, item.ttl) {
            (Some(value), None, ttl) => {
                let bytes_max = batch.backend.config.value_bytes_max;
                let value = json::within_limits(value.get(), bytes_max)?;
                // A copy: a slice would keep the whole body in memory.
                let value = Bytes::copy_from_slice(value.as_bytes());
                let ttl = ttl.as_deref().map(read_ttl).transpose()?;
                let expiry = ttl.map(|ttl| ttl.expiry(batch.backend.node.now()));
                let request = batch.request(nth, consistency, || {
                    Fingerprint::of("PUT", &name)
                        .with_condition(&condition)
                        .with_ttl(ttl)
                        .with(&value)
                });
                Write::Put(Put { name, value, expiry, condition, durability, consistency, request })
            }
            (None, Some(true), None) => {
                let request = batch.request(nth, consistency, || {
                    Fingerprint::of("DELETE", &name).with_condition(&condition)
                });
                Write::Delete(Delete { name, condition, durability, consistency, request })
            }
            _ => return Err(Problem::new(Code::InvalidBody, SHAPE)),
        };
        Ok(Self { key: item.key.get(), write })
    }

    /// The JSON text of the key of an item that may be wrong otherwise, where it can be told
    /// to every reader: without a lone surrogate.
    pub(super) fn key_of(text: &'a [u8]) -> Option<&'a str> {
        let item: KeyText<'a> = json::object(text, SHAPE).ok()?;
        let key = item.key.get();
        serde_json::from_str::<Cow<'_, str>>(key).is_ok().then_some(key)
    }

    /// The record that it writes.
    pub(super) fn name(&self) -> &RecordName {
        match &self.write {
            Write::Put(put) => &put.name,
            Write::Delete(delete) => &delete.name,
        }
    }

    /// Submits it; what becomes of it is told later.
    pub(super) fn submit<'n>(self, turn: &BatchPart<'n>) -> Submitted<'n> {
        match self.write {
            Write::Put(put) => turn.put(put).boxed(),
            Write::Delete(delete) => turn.delete(delete).boxed(),
        }
    }
}

fn key(text: &str) -> Result<Key, Problem> {
    if !text.starts_with('"') {
        return Err(Problem::new(Code::InvalidBody, SHAPE));
    }
    // What is no Unicode is no key: a lone surrogate.
    let key: Cow<'_, str> = serde_json::from_str(text).map_err(|_| NameError::Key)?;
    Ok(Key::parse(&key)?)
}

/// As of the header `If-Match`: text that is no version matches nothing.
fn condition(if_match: Option<&str>) -> Condition {
    let tags = |text: &str| match text {
        "*" => EntityTags::Any,
        version => EntityTags::Versions(version.parse().into_iter().collect()),
    };
    Condition { if_match: if_match.map(tags), if_none_match: None }
}

fn read_ttl(text: &str) -> Result<Ttl, Problem> {
    text.parse()
        .map_err(|()| Problem::new(Code::InvalidBody, format!("`ttl` takes {}", Ttl::EXPECTED)))
}
