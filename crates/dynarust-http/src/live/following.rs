//! A live stream on its way to a reader: its events as text, and words that keep the way open.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{STREAM_HEARTBEAT_SECONDS, STREAM_SWEEP_SECONDS};
use dynarust_node::streams::Subscription;
use tokio::time::Instant;

use super::followers::Follower;
use super::form::StreamForm;
use crate::response_body::CutShort;

/// Silence after which a heartbeat is due. One that has just not been silent for so long is asked again in time, and a
/// second is left for a sweep that is late.
const HEARTBEAT_DUE: Duration =
    Duration::from_secs(STREAM_HEARTBEAT_SECONDS - STREAM_SWEEP_SECONDS - 1);
/// Silence, in heartbeats, after which an id goes out instead, so that it does not age: some five minutes.
const HEARTBEATS_A_CURSOR: u32 = 20;

/// See the module. The body of an answer: dropped when the client goes away.
pub(crate) struct Following {
    _follower: Option<Follower>,
    live: Subscription,
    form: StreamForm,
    /// What is to be said next, the last first.
    pieces: Vec<Bytes>,
    /// When something was said last.
    said_at: Instant,
    /// Heartbeats since the last event.
    silence: u32,
}

impl Following {
    /// `resumes` is the id that the stream goes on behind.
    pub(super) fn new(
        live: Subscription,
        (form, resumes): (StreamForm, Option<&str>),
        follower: Option<Follower>,
    ) -> Self {
        let opening = Some(form.opening(resumes)).filter(|text| !text.is_empty());
        let pieces = opening.into_iter().map(Bytes::from).collect();
        Self { _follower: follower, live, form, pieces, said_at: Instant::now(), silence: 0 }
    }

    /// What to send next; `None` once the stream has ended.
    pub(crate) fn poll_text(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, CutShort>>> {
        loop {
            if let Some(piece) = self.pieces.pop() {
                if self.pieces.is_empty() {
                    // One that idles keeps no room for them.
                    self.pieces = Vec::new();
                }
                return Poll::Ready(Some(Ok(piece)));
            }
            // The stream has who waits for it woken every few seconds.
            let Poll::Ready(told) = self.live.poll_next(context) else {
                ready!(self.poll_silence());
                let text = self.break_silence();
                return Poll::Ready(Some(Ok(text)));
            };
            match told {
                Ok(None) => return Poll::Ready(None),
                Ok(Some(items)) => {
                    (self.silence, self.said_at) = (0, Instant::now());
                    self.pieces = self.form.print(&items);
                    self.pieces.reverse();
                }
                Err(error) => {
                    tracing::error!(%error, "a live stream was cut short");
                    return Poll::Ready(Some(Err(CutShort)));
                }
            }
        }
    }

    fn poll_silence(&self) -> Poll<()> {
        match self.said_at.elapsed() >= HEARTBEAT_DUE {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    fn break_silence(&mut self) -> Bytes {
        self.said_at = Instant::now();
        self.silence += 1;
        if self.silence.is_multiple_of(HEARTBEATS_A_CURSOR) {
            self.form.id_alone(&self.live.cursor()).into()
        } else {
            Bytes::from_static(self.form.heartbeat())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dynarust_node::{Node, NodeConfig};
    use dynarust_store::SystemClock;
    use http::Request;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::HttpConfig;
    use crate::backend::Backend;
    use crate::live::Follow;
    use crate::live::subscribe::subscribe;
    use crate::response_body::Body;
    use crate::store_in_memory::StoreInMemory;

    fn backend() -> Backend {
        let config = NodeConfig::alone("127.0.0.1:6660");
        let node = Node::start(StoreInMemory::new(), Arc::new(SystemClock), config);
        Backend::new(node, HttpConfig::default())
    }

    async fn part(body: &mut Body) -> String {
        let frame = body.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_by_heartbeats_and_cursors() {
        let backend = backend();
        let request = Request::get("/t/subscribe").body(()).unwrap();
        let follow = Follow::Table { table: "t" };
        let mut body = subscribe(&backend, follow, &request, None).unwrap().into_body();
        assert_eq!(part(&mut body).await, "retry: 2000\n\n");
        let ready = part(&mut body).await;
        let id = ready.strip_prefix("event: ready\nid: ").unwrap();
        let id = id.strip_suffix("\ndata: {}\n\n").unwrap();
        for _ in 0..2 {
            for _ in 1..HEARTBEATS_A_CURSOR {
                let silent_since = Instant::now();
                assert_eq!(part(&mut body).await, ":\n");
                let silence = silent_since.elapsed();
                assert!(silence <= Duration::from_secs(STREAM_HEARTBEAT_SECONDS), "{silence:?}");
            }
            assert_eq!(part(&mut body).await, format!("id: {id}\n\n"));
        }
    }

    /// A reader that is cut before the first event comes back with what it came with; one whose id leads to
    /// `reset` hears of that then, too.
    #[tokio::test]
    async fn a_stream_that_goes_on_begins_with_the_id_that_it_goes_on_behind() {
        let backend = backend();
        for (id, repeated) in [("c_1-", "c_1-"), ("c\u{e9}", "0"), (&"c".repeat(5000), "0")] {
            let request = Request::get("/t/subscribe").header("Last-Event-ID", id);
            let request = request.body(()).unwrap();
            let follow = Follow::Table { table: "t" };
            let mut body = subscribe(&backend, follow, &request, None).unwrap().into_body();
            assert_eq!(part(&mut body).await, format!("retry: 2000\nid: {repeated}\n\n"));
            assert!(part(&mut body).await.starts_with("event: reset\nid: 0\n"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_of_lines_is_broken_by_blank_ones() {
        let backend = backend();
        let request = Request::get("/t/subscribe").header("Accept", "application/x-ndjson");
        let follow = Follow::Table { table: "t" };
        let response = subscribe(&backend, follow, &request.body(()).unwrap(), None).unwrap();
        let mut body = response.into_body();
        let ready = part(&mut body).await;
        let id = ready.strip_prefix("{\"event\":\"ready\",\"id\":\"").unwrap();
        let id = id.strip_suffix("\"}\n").unwrap();
        for _ in 1..HEARTBEATS_A_CURSOR {
            assert_eq!(part(&mut body).await, "\n");
        }
        let cursor = format!("{{\"event\":\"cursor\",\"id\":\"{id}\"}}\n");
        assert_eq!(part(&mut body).await, cursor);
    }
}
