//! A reader's stream at a node that cannot answer yet, since it comes back, or joins: the reader waits, for a while.
//!
//! A refusal would be the end of it: what is no 200 ends a browser's `EventSource` for good (WHATWG HTML, section
//! 9.2.2).

use std::task::{Context, Poll};
use std::time::Duration;

use dynarust_core::limits::STREAM_WAIT_SECONDS_MAX;
use tokio::time::Instant;

use super::begin::{self, Begin, RESET_ID};
use super::event::{Item, Local};
use super::followed::Followed;
use super::live_stream::LiveStream;
use super::parts::Parts;

/// See the module.
pub(super) struct Waiting {
    followed: Followed,
    /// It rests.
    live: LiveStream,
    begin: Begin,
    since: Instant,
}

impl Waiting {
    pub(super) fn new(followed: Followed, live: LiveStream, begin: Begin) -> Self {
        Self { followed, live, begin, since: Instant::now() }
    }

    /// Whether the node can answer.
    pub(super) fn is_over(&self) -> bool {
        let cluster = &self.followed.cluster;
        cluster.is_alone() || cluster.is_ready()
    }

    pub(super) fn into_parts(self) -> Parts {
        Parts::begin(self.followed, self.live, self.begin)
    }

    /// Its end: the node closes, or cannot answer for so long that the reader is asked to come back, perhaps to
    /// another. It is looked at whenever the stream looks around.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<Item>>> {
        if self.since.elapsed() >= Duration::from_secs(STREAM_WAIT_SECONDS_MAX) {
            self.live.close();
        }
        let polled = self.live.poll_end(context);
        let item = |Local { event, .. }| Item { event, id: self.cursor() };
        polled.map(|items| items.map(|items| items.into_iter().map(item).collect()))
    }

    /// The id that the reader came with: nothing was told.
    pub(super) fn cursor(&self) -> String {
        match &self.begin {
            Begin::After(id) if begin::read(id, &self.followed.selection).is_some() => id.clone(),
            _ => RESET_ID.to_owned(),
        }
    }
}
