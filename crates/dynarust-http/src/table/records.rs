//! Printing records: an object of values by key, an array of keys, or a line a record.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::Stored;
use dynarust_core::limits::LISTING_BYTES;
use dynarust_node::RefusedRead;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use http::{HeaderValue, Response, StatusCode};

use crate::answer::{self, JSON, NDJSON};
use crate::budget::Budget;
use crate::json;
use crate::problem::Problem;
use crate::response_body::{Body, CutShort};

/// How records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{"key": <value>}`
    Object,
    /// `["key"]`
    Array,
    /// `{"key": …, "value": …, "version": …}`, each on its line.
    Lines,
}

/// Prints records one after the other, with commas between them.
pub(crate) struct Printer {
    form: Form,
    begun: bool,
}

impl Form {
    pub(crate) fn opening(self) -> &'static [u8] {
        match self {
            Self::Object => b"{",
            Self::Array => b"[",
            Self::Lines => b"",
        }
    }

    pub(crate) fn closing(self) -> &'static [u8] {
        match self {
            Self::Object => b"}",
            Self::Array => b"]",
            Self::Lines => b"",
        }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        match self {
            Self::Object | Self::Array => JSON,
            Self::Lines => NDJSON,
        }
    }
}

impl Printer {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, begun: false }
    }

    pub(crate) fn push(&mut self, text: &mut Vec<u8>, stored: &Stored) {
        if self.form == Form::Lines {
            return push_line(text, stored);
        }
        if self.begun {
            text.push(b',');
        }
        self.begun = true;
        json::push_string(text, stored.name.key());
        if self.form == Form::Object {
            text.push(b':');
            text.extend_from_slice(&stored.record.value);
        }
    }

    fn print(&mut self, records: &[Arc<Stored>]) -> Bytes {
        let mut text = Vec::new();
        for stored in records {
            self.push(&mut text, stored);
        }
        text.into()
    }
}

fn push_line(text: &mut Vec<u8>, stored: &Stored) {
    text.extend_from_slice(b"{\"key\":");
    json::push_string(text, stored.name.key());
    text.extend_from_slice(b",\"value\":");
    json::push_on_one_line(text, &stored.record.value);
    text.extend_from_slice(b",\"version\":\"");
    text.extend_from_slice(stored.record.version.to_string().as_bytes());
    text.extend_from_slice(b"\"}\n");
}

/// An answer that is printed as the records are read, no faster than the client takes it.
///
/// # Errors
/// `overloaded`, or a failure before the first byte; one behind it cuts the connection.
pub(crate) async fn streamed(
    budget: &Budget,
    records: impl Stream<Item = Result<Vec<Arc<Stored>>, RefusedRead>> + Send + 'static,
    form: Form,
) -> Result<Response<Body>, Problem> {
    let share = budget.take(LISTING_BYTES).await?;
    let mut records = Box::pin(records);
    let first = records.try_next().await?;
    let mut printer = Printer::new(form);
    let printed = stream::iter(first.map(Ok)).chain(records).map(move |records| match records {
        Ok(records) => Ok(printer.print(&records)),
        Err(error) => {
            tracing::error!(%error, "an answer was cut short");
            Err(CutShort)
        }
    });
    let text = |part: &'static [u8]| {
        stream::iter((!part.is_empty()).then(|| Ok(Bytes::from_static(part))))
    };
    let whole = text(form.opening()).chain(printed).chain(text(form.closing()));
    // The answer keeps its memory as long as it goes on.
    let whole = whole.inspect(move |_| _ = &share);
    Ok(answer::with_body(StatusCode::OK, form.content_type(), Body::Chunks(whole.boxed())))
}
