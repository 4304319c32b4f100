//! Any parameters of a live stream: they are refused by a documented problem, or the stream is well-formed,
//! gets ready, tells of a change, and goes on behind what it told without a gap.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::{RecordName, StreamCursor};
use dynarust_node::{Node, NodeConfig};
use dynarust_store::SystemClock;
use http::{HeaderValue, Request, Uri};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::events::{self, Told};
use crate::HttpConfig;
use crate::address::Address;
use crate::backend::Backend;
use crate::live::{self, Follow};
use crate::response_body::Body;
use crate::store_in_memory::StoreInMemory;

/// How long a stream may say nothing until it is looked at: less than a heartbeat.
const SILENCE: Duration = Duration::from_secs(1);

/// Whether lines are asked for; path and query; a line end; the header `Last-Event-ID`, if anything stands
/// there.
pub fn subscribe(bytes: &[u8]) {
    let Some((form, rest)) = bytes.split_first() else {
        return;
    };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let (target, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(uri) = Uri::try_from(target) else {
        return;
    };
    let id = HeaderValue::from_bytes(id).ok().filter(|id| !id.is_empty());
    let ask = Ask { uri, id, lines: form % 2 == 1 };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(follow(ask));
}

#[derive(Clone)]
struct Ask {
    uri: Uri,
    id: Option<HeaderValue>,
    lines: bool,
}

async fn follow(ask: Ask) {
    let store = StoreInMemory::new();
    let names = [("t", "k"), ("t", "key"), ("t", "é"), ("u", "k")];
    let names = names.map(|(table, key)| RecordName::parse(table, key).unwrap());
    for name in &names {
        store.insert(name.clone(), "{\"a\":\n [1]}", None);
    }
    let node =
        Node::start(Arc::clone(&store) as _, Arc::new(SystemClock), NodeConfig::alone("a:1"));
    let backend = Backend::new(node, HttpConfig::default());
    let Some(mut body) = begin(&backend, &ask) else {
        return;
    };
    let told = told(&mut body, ask.lines).await;
    assert!(told.iter().any(|it| it.event == "ready"), "{told:?}");
    for name in &names {
        store.insert(name.clone(), "2", None);
    }
    let changes = changes(&mut body, ask.lines).await;
    // Behind the first change come the others; and none is left out.
    if let Some((first, rest)) = changes.split_first() {
        let id = HeaderValue::from_str(&first.id).unwrap();
        let again = Ask { id: Some(id), ..ask.clone() };
        let mut resumed = begin(&backend, &again).unwrap();
        let resumed = self::told(&mut resumed, ask.lines).await;
        // Whenever they were made.
        let ids = |told: &[Told]| -> Vec<_> {
            let cursors = told.iter().map(|it| StreamCursor::decode(&it.id));
            cursors.map(|it| it.map(|it| StreamCursor { made: 0, ..it })).collect()
        };
        let resumed: Vec<_> = resumed.into_iter().filter(|it| it.event != "ready").collect();
        assert_eq!(ids(&resumed), ids(rest));
    }
}

/// The stream; none where it is refused, by a problem of the client's.
fn begin(backend: &Backend, ask: &Ask) -> Option<Body> {
    let follow = match Address::of(ask.uri.path())? {
        Address::SubscribeKey { table, key } => Follow::Key { table, key },
        Address::SubscribeTable { table } => Follow::Table { table },
        Address::SubscribeMany => Follow::Many,
        _ => return None,
    };
    let mut request = Request::get(ask.uri.clone());
    if let Some(id) = &ask.id {
        request = request.header("Last-Event-ID", id);
    }
    if ask.lines {
        request = request.header("Accept", "application/x-ndjson");
    }
    match live::subscribe(backend, follow, &request.body(()).unwrap(), None) {
        Ok(response) => Some(response.into_body()),
        Err(problem) => {
            let status = problem.into_response().status();
            assert!(status.is_client_error(), "{status}");
            None
        }
    }
}

async fn told(body: &mut Body, lines: bool) -> Vec<Told> {
    let mut text = Vec::new();
    while let Ok(Some(frame)) = timeout(SILENCE, body.frame()).await {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    let text = String::from_utf8(text).unwrap();
    if lines { events::of_lines(&text) } else { events::of_events(&text) }
}

async fn changes(body: &mut Body, lines: bool) -> Vec<Told> {
    let mut told = told(body, lines).await;
    assert!(told.iter().all(|it| it.event == "change"), "{told:?}");
    told.retain(|it| StreamCursor::decode(&it.id).is_some());
    told
}
