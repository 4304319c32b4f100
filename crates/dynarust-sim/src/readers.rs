//! Readers of live streams: each follows some keys, is cut, and resumes, here or there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_history::{Connection, Event, Seen, Stream, Told};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::TABLE;
use crate::dice::Dice;
use crate::network::Socket;
use crate::recorder::Recorder;
use crate::time;

/// With nothing new for so long at the end, everything has come.
const QUIET: Duration = Duration::from_secs(5);

/// One reader.
pub(crate) struct Reader {
    pub(crate) number: u32,
    pub(crate) socket: Socket,
    pub(crate) dice: Dice,
    pub(crate) nodes: Vec<usize>,
    pub(crate) recorder: Arc<Recorder>,
    /// True once nothing is written any more, and the cluster has converged.
    pub(crate) over: watch::Receiver<bool>,
}

#[derive(Deserialize)]
struct Change<'a> {
    key: String,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    expired: bool,
    version: String,
}

impl Reader {
    /// Follows, by as many connections as it takes, until all is over, and then to the end of what there is.
    pub(crate) async fn follow(mut self, end: Instant) {
        let prefix = self.dice.one(&["k0", "k", "e", "q", ""]).unwrap_or_default().to_owned();
        let mut stream =
            Stream { reader: self.number, prefix, connections: Vec::new(), to_the_end: false };
        let mut node = self.dice.one(&self.nodes).unwrap_or(0);
        let mut last_id: Option<String> = None;
        loop {
            let last = *self.over.borrow();
            let stays = Duration::from_millis(self.dice.between(200, 12_000));
            let deadline = if last { end } else { Instant::now() + stays };
            let mut connection = Connection {
                node: u32::try_from(node).unwrap_or(u32::MAX),
                opened: time::nanos(),
                resumed: last_id.clone(),
                events: Vec::new(),
            };
            let quiet = self.read(node, &stream.prefix, &mut connection, deadline, last).await;
            if !(last && quiet) && self.dice.percent(30) {
                self.lose_some(&mut connection);
            }
            let events = connection.events.iter().rev();
            last_id = events.map(|event| event.id.clone()).next().or(last_id);
            let came = !connection.events.is_empty();
            if came {
                stream.connections.push(connection);
            }
            stream.to_the_end = last && quiet;
            if Instant::now() >= end || (last && quiet) {
                break;
            }
            if self.dice.percent(if came { 30 } else { 80 }) {
                node = self.dice.one(&self.nodes).unwrap_or(node);
            }
            sleep(Duration::from_millis(self.dice.between(1, 500))).await;
        }
        self.recorder.stream(stream);
    }

    /// The last of what came did not come to be used: so every id is one that somebody may come back with.
    fn lose_some(&mut self, connection: &mut Connection) {
        let came = u64::try_from(connection.events.len()).unwrap_or(u64::MAX);
        let kept = self.dice.between(1, came.max(1));
        connection.events.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }

    /// Reads until the deadline, or the connection's end; whether it was, at the end, quiet for long enough
    /// behind `ready`.
    async fn read(
        &self,
        node: usize,
        prefix: &str,
        connection: &mut Connection,
        deadline: Instant,
        last: bool,
    ) -> bool {
        let opened = timeout_at(deadline, self.open(node, prefix, connection.resumed.as_deref()));
        let Ok(Some(mut body)) = opened.await else {
            return false;
        };
        let mut text = Text::default();
        loop {
            let ready = connection.events.iter().any(|event| event.what == Told::Ready);
            let quiet = Instant::now() + QUIET;
            let patience = if last && ready { deadline.min(quiet) } else { deadline };
            let mut over = self.over.clone();
            let frame = tokio::select! {
                biased;
                frame = timeout_at(patience, body.frame()) => frame,
                // The next connection is the last.
                _ = over.wait_for(|over| *over), if !last => return false,
            };
            match frame {
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        connection.events.extend(text.take(&data));
                    }
                }
                Ok(_) => return false,
                Err(_) => return last && ready,
            }
        }
    }

    async fn open(&self, node: usize, prefix: &str, id: Option<&str>) -> Option<Incoming> {
        let io = self.socket.dial(node).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.ok()?;
        tokio::spawn(async move {
            // The body tells how it ended.
            let _ = connection.await;
        });
        let mut request = Request::get(format!("/{TABLE}/subscribe?prefix={prefix}"))
            .header(HOST, "node")
            .header("Accept", "text/event-stream");
        if let Some(id) = id {
            request = request.header("Last-Event-ID", id);
        }
        let request = request.body(Empty::<Bytes>::new()).ok()?;
        let response = sender.send_request(request).await.ok()?;
        response.status().is_success().then(|| response.into_body())
    }
}

/// The text of server-sent events, as it comes.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    /// The events that are whole now.
    fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.0.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.0.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.0.drain(..end + 2).collect();
            events.extend(std::str::from_utf8(&block).ok().and_then(event));
        }
        events
    }
}

fn event(block: &str) -> Option<Event> {
    let (mut id, mut name, mut data) = (None, None, None);
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", text)) => id = Some(text.to_owned()),
            Some(("event", text)) => name = Some(text),
            Some(("data", text)) => data = Some(text),
            _ => {}
        }
    }
    let what = match name {
        Some("ready") => Told::Ready,
        Some("reset") => Told::Reset,
        Some("lagged") => Told::Lagged,
        Some("closing") => Told::Closing,
        Some(_) => return None,
        None => change(data?)?,
    };
    Some(Event { at: time::nanos(), id: id?, what })
}

fn change(data: &str) -> Option<Told> {
    let change: Change<'_> = serde_json::from_str(data).ok()?;
    let version = change.version.parse().ok()?;
    let seen = match change.value {
        Some(value) => Seen::of(version, value.get()),
        None => Seen::Absent { version: Some(version) },
    };
    Some(Told::Change { key: change.key, seen, expired: change.expired })
}
