//! The forms in which a stream is sent. Each tells the same events.

use bytes::Bytes;
use dynarust_node::streams::Item;
use http::{HeaderMap, HeaderValue};

use super::text::Text;
use super::{ndjson, sse};
use crate::accept;
use crate::answer::NDJSON;
use crate::content_type;

const EVENT_STREAM: &str = "text/event-stream";

/// How the events of a stream look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamForm {
    /// Server-sent events.
    Events,
    /// A JSON object a line.
    Lines,
    /// The same, and what is told at a time stands in one piece: messages are made of it.
    Messages,
}

impl StreamForm {
    /// What the client prefers.
    pub(super) fn preferred(headers: &HeaderMap) -> Self {
        let events = (EVENT_STREAM, Self::Events);
        accept::preferred(headers, events, (content_type::NDJSON, Self::Lines))
    }

    pub(super) fn content_type(self) -> HeaderValue {
        match self {
            Self::Events => HeaderValue::from_static(EVENT_STREAM),
            Self::Lines | Self::Messages => NDJSON,
        }
    }

    /// What stands before the first event of a stream that goes on behind that id.
    pub(super) fn opening(self, resumes: Option<&str>) -> Vec<u8> {
        match self {
            Self::Events => sse::opening(resumes),
            Self::Lines | Self::Messages => Vec::new(),
        }
    }

    /// The events as text, in pieces of which none is empty.
    pub(super) fn print(self, items: &[Item]) -> Vec<Bytes> {
        let mut text = Text::new(self == Self::Messages);
        match self {
            Self::Events => sse::print(&mut text, items),
            Self::Lines | Self::Messages => ndjson::print(&mut text, items),
        }
        text.into_pieces()
    }

    pub(super) fn heartbeat(self) -> &'static [u8] {
        match self {
            Self::Events => sse::HEARTBEAT,
            Self::Lines | Self::Messages => ndjson::HEARTBEAT,
        }
    }

    /// Moves the reader's last id.
    pub(super) fn id_alone(self, id: &str) -> Vec<u8> {
        match self {
            Self::Events => sse::id_alone(id),
            Self::Lines | Self::Messages => ndjson::id_alone(id),
        }
    }
}
