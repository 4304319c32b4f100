//! SUBSCRIBE: the head of a live stream, and its body that follows.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::Selection;
use dynarust_node::streams::{Begin, Subscription};
use futures_util::stream::{self, StreamExt};
use http::header::{HeaderName, HeaderValue, VARY};
use http::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use super::follow::Follow;
use super::followers::Follower;
use super::form::StreamForm;
use super::web_socket;
use crate::answer;
use crate::backend::Backend;
use crate::departure::{Claim, Offer};
use crate::problem::Problem;
use crate::query::Query;
use crate::response_body::{Body, CutShort};

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Silence after which a heartbeat goes out.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// Every so many heartbeats the cursor goes out instead (5 minutes), so that it does not age.
const HEARTBEATS_A_CURSOR: u32 = 20;

/// # Errors
/// `invalid_table`, `invalid_key`, `invalid_parameter`; `overloaded`; for a WebSocket, `forbidden` and
/// `upgrade_required`.
pub(crate) fn subscribe<B>(
    backend: &Backend,
    follow: Follow<'_>,
    request: &Request<B>,
    client: Option<IpAddr>,
) -> Result<Response<Body>, Problem> {
    let (selection, begin) = read_head(follow, request)?;
    let offer = request.extensions().get::<Offer>();
    if let Some(offer) = offer.filter(|it| it.is_upgrade() && web_socket::is_asked_for(request)) {
        let mut response = web_socket::accept(request.headers(), &backend.config.cors)?;
        *response.body_mut() = follow_on(backend, (selection, begin), client, StreamForm::Lines)?;
        offer.claim(Claim::WebSocket);
        return Ok(response);
    }
    let form = StreamForm::preferred(request.headers());
    let body = if request.method() == Method::HEAD {
        Body::empty()
    } else {
        follow_on(backend, (selection, begin), client, form)?
    };
    let mut response = answer::with_body(StatusCode::OK, form.content_type(), body);
    let headers = response.headers_mut();
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    headers.append(VARY, HeaderValue::from_static("Accept"));
    // Where hyper is not needed any more, the stream has its socket for itself.
    if let Some(offer) = offer {
        offer.claim(Claim::Stream);
    }
    Ok(response)
}

fn read_head<B>(follow: Follow<'_>, request: &Request<B>) -> Result<(Selection, Begin), Problem> {
    let mut query = Query::parse(request.uri().query())?;
    let selection = follow.selection(&mut query)?;
    let state = query.take_as("state", "`true` or `false`")?.unwrap_or(true);
    let parameter = query.take("last_event_id")?.map(|id| id.into_owned());
    query.finish()?;
    let header = request.headers().get(LAST_EVENT_ID);
    let header = header.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    // A browser that has seen no id sends none, or an empty one.
    let given = |id: &String| !id.is_empty();
    let begin = match header.filter(given).or(parameter.filter(given)) {
        Some(id) => Begin::After(id),
        None if state => Begin::State,
        None => Begin::Changes,
    };
    Ok((selection, begin))
}

/// A stream on its way to a reader.
struct Following {
    _follower: Option<Follower>,
    live: Subscription,
    form: StreamForm,
    /// Heartbeats since the last event.
    silence: u32,
}

fn follow_on(
    backend: &Backend,
    (selection, begin): (Selection, Begin),
    client: Option<IpAddr>,
    form: StreamForm,
) -> Result<Body, Problem> {
    let follower = backend.followers.enter(client)?;
    let live = backend.node.subscribe(selection, begin)?;
    let following = Following { _follower: follower, live, form, silence: 0 };
    let events = stream::unfold(following, async |mut following| {
        let text = following.next().await?;
        Some((text.map(Bytes::from), following))
    });
    let opening = Some(form.opening()).filter(|text| !text.is_empty());
    let first = stream::iter(opening.map(|text| Ok(Bytes::from_static(text))));
    Ok(Body::Chunks(first.chain(events).boxed()))
}

impl Following {
    /// What to send next; `None` once the stream has ended.
    async fn next(&mut self) -> Option<Result<Vec<u8>, CutShort>> {
        match timeout(HEARTBEAT_INTERVAL, self.live.next()).await {
            Err(_) => Some(Ok(self.break_silence())),
            Ok(Ok(items)) => {
                self.silence = 0;
                Some(Ok(self.form.print(&items?)))
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a live stream was cut short");
                Some(Err(CutShort))
            }
        }
    }

    fn break_silence(&mut self) -> Vec<u8> {
        self.silence += 1;
        if self.silence.is_multiple_of(HEARTBEATS_A_CURSOR) {
            self.form.id_alone(&self.live.cursor())
        } else {
            self.form.heartbeat().to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dynarust_node::{Node, NodeConfig};
    use dynarust_store::SystemClock;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::HttpConfig;
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
                assert_eq!(part(&mut body).await, ":\n\n");
            }
            assert_eq!(part(&mut body).await, format!("id: {id}\n\n"));
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
