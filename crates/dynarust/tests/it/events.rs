//! A reader of live streams, as a browser's `EventSource` would hear them; in their other forms, too.
//!
//! It reads its socket only while [`Events::next`] waits: a reader that is not asked is a slow one,
//! and the kernel's buffers are all that stands between it and the node.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::HeaderMap;
use hyper::header::HOST;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::client::{runtime, shake_hands};
use crate::forms::{Form, Said, Source};
use crate::node::PATIENCE;

/// One event. `name` is empty where the stream gave none, as changes and state do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

/// What an unnamed event says of a record.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Change {
    pub(crate) table: String,
    pub(crate) key: String,
    /// The text of the value; `null` is one, too.
    #[serde(default, deserialize_with = "text_of")]
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) deleted: bool,
    pub(crate) version: String,
}

fn text_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(|value| Some(value.get().to_owned()))
}

impl Event {
    pub(crate) fn change(&self) -> Change {
        assert_eq!(self.name, "", "not a change: {self:?}");
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Why there is no next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing came in the time given; the stream stands.
    Quiet,
    /// The stream has ended or broken.
    Cut,
}

/// How a stream is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Opening<'a> {
    pub(crate) form: Form,
    pub(crate) last_event_id: Option<&'a str>,
    /// The size of the socket's receive buffer, for readers that are to be slow.
    pub(crate) receive_buffer_bytes: Option<u32>,
    /// When it gives up waiting for the head of the answer, where the node may stand still.
    pub(crate) patience: Option<Duration>,
}

/// An open stream. Dropping it cuts the connection.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) headers: HeaderMap,
    form: Form,
    source: Source,
    runtime: Runtime,
    unread: BytesMut,
    last_id: String,
    /// The latest `retry:`, in milliseconds.
    pub(crate) retry: Option<u64>,
    /// Comment lines seen: the heartbeat.
    pub(crate) comments: u32,
}

impl Events {
    pub(crate) fn open(address: SocketAddr, path: &str) -> Events {
        Events::open_with(address, path, Opening::default()).unwrap()
    }

    pub(crate) fn resume(address: SocketAddr, path: &str, last_event_id: &str) -> Events {
        let opening = Opening { last_event_id: Some(last_event_id), ..Opening::default() };
        Events::open_with(address, path, opening).unwrap()
    }

    /// Fails where no connection could be made, and where the node says that it can't now (503); anything
    /// else but a 200 of the right type panics.
    pub(crate) fn open_with(
        address: SocketAddr,
        path: &str,
        opening: Opening<'_>,
    ) -> Result<Events, String> {
        let form = opening.form;
        let request = form.request(path, opening.last_event_id).header(HOST, address.to_string());
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let runtime = runtime();
        let opened = async {
            let socket = TcpSocket::new_v4().map_err(|error| error.to_string())?;
            if let Some(bytes) = opening.receive_buffer_bytes {
                socket.set_recv_buffer_size(bytes).map_err(|error| error.to_string())?;
            }
            let socket = socket.connect(address).await.map_err(|error| error.to_string())?;
            let mut sender = shake_hands(socket).await?;
            let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
            if answer.status() == 503 {
                return Err(format!("{path}: 503"));
            }
            let headers = answer.headers().clone();
            Ok((headers, form.source(answer).await?))
        };
        let patience = opening.patience.unwrap_or(PATIENCE);
        let (headers, source) = runtime
            .block_on(async { tokio::time::timeout(patience, opened).await })
            .map_err(|_| format!("no answer in {patience:?}"))??;
        Ok(Events {
            headers,
            form,
            source,
            runtime,
            unread: BytesMut::new(),
            last_id: String::new(),
            retry: None,
            comments: 0,
        })
    }

    /// The next event, if one comes in time.
    pub(crate) fn next_within(&mut self, patience: Duration) -> Result<Event, Silence> {
        let began = Instant::now();
        loop {
            while let Some(said) = self.form.take(&mut self.unread) {
                if let Some(event) = self.dispatch(said) {
                    return Ok(event);
                }
            }
            let left = patience.saturating_sub(began.elapsed());
            let Events { runtime, source, .. } = self;
            let more = runtime.block_on(async { tokio::time::timeout(left, source.next()).await });
            let more = more.map_err(|_| Silence::Quiet)?.ok_or(Silence::Cut)?;
            self.unread.extend_from_slice(&more);
        }
    }

    /// What a piece dispatches: nothing where it has no `data`, as a lone `retry:` or `id:` hasn't.
    fn dispatch(&mut self, said: Said) -> Option<Event> {
        let Said { name, id, retry, data, comments } = said;
        self.comments += comments;
        self.retry = retry.or(self.retry);
        if let Some(id) = id {
            self.last_id = id;
        }
        data.map(|data| Event { name, id: self.last_id.clone(), data })
    }

    /// The next event; that there is none is a failure.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Event {
        self.next_within(PATIENCE).unwrap_or_else(|silence| panic!("no event: {silence:?}"))
    }

    /// The next event, which must be a record's.
    #[track_caller]
    pub(crate) fn next_change(&mut self) -> Change {
        self.next().change()
    }

    /// The next event, which must carry this name.
    #[track_caller]
    pub(crate) fn next_named(&mut self, name: &str) -> Event {
        let event = self.next();
        assert_eq!(event.name, name, "{event:?}");
        event
    }

    /// The changes up to the next `ready`, which must be the first named event.
    #[track_caller]
    pub(crate) fn until_ready(&mut self) -> (Vec<Change>, Event) {
        let mut changes = Vec::new();
        loop {
            let event = self.next();
            match event.name.as_str() {
                "" => changes.push(event.change()),
                "ready" => return (changes, event),
                _ => panic!("before `ready` came {event:?}"),
            }
        }
    }
}
