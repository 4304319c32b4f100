//! The answer to a batch: an element or a line an item, in order.

use dynarust_core::limits::KEY_BYTES_MAX;
use dynarust_node::Acknowledged;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::budget::{Budget, Share};
use crate::content_type::BatchForm;
use crate::problem::{Problem, Summary};
use crate::replicas;
use crate::response_body::Body;

/// Bytes of an item's answer beside its key, at most.
const ITEM_BYTES_MAX: usize = 1 << 10;
/// Bytes of the text of a key, each of whose bytes may be an escape; a longer one is not repeated.
const KEY_TEXT_BYTES_MAX: usize = 6 * KEY_BYTES_MAX + 2;

pub(super) struct BatchAnswer {
    form: BatchForm,
    text: Vec<u8>,
    begun: bool,
    share: Share,
}

#[derive(Serialize)]
struct DoneText<'a> {
    key: &'a RawValue,
    status: u16,
    version: String,
    /// How many owners have it, where they are few.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<String>,
}

#[derive(Serialize)]
struct RefusedText<'a> {
    key: Option<&'a RawValue>,
    #[serde(flatten)]
    summary: Summary<'a>,
}

impl BatchAnswer {
    /// Takes the memory for all of it before anything is written: afterwards it must not be refused.
    ///
    /// # Errors
    /// `overloaded`.
    pub(super) async fn new(
        form: BatchForm,
        items: &[&[u8]],
        budget: &Budget,
    ) -> Result<Self, Problem> {
        let of_item = |text: &&[u8]| ITEM_BYTES_MAX + text.len().min(KEY_TEXT_BYTES_MAX);
        let share = budget.take(items.iter().map(of_item).sum()).await?;
        let text = match form {
            BatchForm::Array => b"[".to_vec(),
            BatchForm::Lines => Vec::new(),
        };
        Ok(Self { form, text, begun: false, share })
    }

    /// Appends what became of the next item.
    pub(super) fn push(&mut self, key: Option<&str>, written: Result<Acknowledged, &Problem>) {
        if self.form == BatchForm::Array && self.begun {
            self.text.push(b',');
        }
        self.begun = true;
        let key = key.filter(|key| key.len() <= KEY_TEXT_BYTES_MAX);
        let key: Option<&RawValue> = key.and_then(|key| serde_json::from_str(key).ok());
        // Writing into memory cannot fail.
        let _ = match (key, written) {
            (Some(key), Ok(Acknowledged { version, replicas })) => {
                let (version, replicas) = (version.to_string(), replicas::few(replicas));
                let done = DoneText { key, status: 200, version, replicas };
                serde_json::to_writer(&mut self.text, &done)
            }
            // What was written has a key that may be repeated.
            (None, Ok(_)) => Ok(()),
            (key, Err(problem)) => {
                let refused = RefusedText { key, summary: problem.summary() };
                serde_json::to_writer(&mut self.text, &refused)
            }
        };
        if self.form == BatchForm::Lines {
            self.text.push(b'\n');
        }
    }

    pub(super) fn into_body(mut self) -> Body {
        if self.form == BatchForm::Array {
            self.text.push(b']');
        }
        self.share.shrink_to(self.text.len());
        Body::Page { bytes: self.text.into(), _share: self.share }
    }
}
