//! A client of the cluster: says exactly what became of a request, and never repeats one by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::Version;
use dynarust_core::{Consistency, Replicas};
use dynarust_history::{Action, Durability, Guard, Operation, Outcome, Seen, WriteId};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, ETAG, HOST, IF_MATCH, IF_NONE_MATCH};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::network::Socket;
use crate::time;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(6);
/// The table of all records.
pub(crate) const TABLE: &str = "t";

/// One who asks one thing after the other.
pub(crate) struct Client {
    session: u32,
    socket: Socket,
    open: Option<(usize, SendRequest<Full<Bytes>>)>,
}

/// An answer, whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// There was none.
struct NoAnswer {
    /// False where no connection could be made.
    sent: bool,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    version: Option<String>,
    indeterminate: Option<bool>,
}

/// What is asked, and of whom.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) node: usize,
    pub(crate) key: String,
    pub(crate) action: Action,
    /// As it is asked for; the default where nothing is.
    pub(crate) consistency: Option<Consistency>,
    pub(crate) durability: Durability,
    pub(crate) request_key: Option<String>,
}

impl Client {
    pub(crate) fn new(session: u32, socket: Socket) -> Self {
        Self { session, socket, open: None }
    }

    /// Asks, and tells what became of it.
    pub(crate) async fn ask(&mut self, asked: Asked) -> Operation {
        let invoked = time::nanos();
        let answer = match timeout(PATIENCE, self.send(&asked)).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer { sent: true }),
        };
        if answer.is_err() {
            self.open = None;
        }
        let replicas = answer.as_ref().ok().and_then(Answer::replicas);
        let strict = asked.action_has_guard();
        let consistency = asked.consistency.unwrap_or(if strict {
            Consistency::Quorum
        } else {
            Consistency::Available
        });
        Operation {
            session: self.session,
            node: u32::try_from(asked.node).unwrap_or(u32::MAX),
            outcome: outcome(&asked, &answer),
            key: asked.key,
            action: asked.action,
            consistency,
            durability: asked.durability,
            request_key: asked.request_key,
            invoked,
            returned: Some(time::nanos()),
            replicas,
        }
    }

    async fn send(&mut self, asked: &Asked) -> Result<Answer, NoAnswer> {
        let mut sender = self.sender(asked.node).await?;
        let request = asked.request().ok_or(NoAnswer { sent: false })?;
        let sent = |_| NoAnswer { sent: true };
        let response = sender.send_request(request).await.map_err(sent)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(sent)?.to_bytes();
        self.open = Some((asked.node, sender));
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn sender(&mut self, node: usize) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
        if let Some((open, sender)) = self.open.take()
            && open == node
            && sender.is_ready()
        {
            return Ok(sender);
        }
        let io = self.socket.dial(node).await.map_err(|_| NoAnswer { sent: false })?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(io)).await.map_err(|_| NoAnswer { sent: false })?;
        tokio::spawn(async move {
            // The request's side tells how it ended.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

impl Asked {
    fn action_has_guard(&self) -> bool {
        match self.action {
            Action::Put { guard, .. } | Action::Patch { guard, .. } | Action::Delete { guard } => {
                guard != Guard::None
            }
            Action::Get | Action::Scan => false,
        }
    }

    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let mut query = Vec::new();
        if let Some(consistency) = self.consistency {
            query.push(format!("consistency={}", word(consistency)));
        }
        if self.durability == Durability::Relaxed {
            query.push("durability=relaxed".to_owned());
        }
        let (method, kind, body) = match &self.action {
            Action::Put { id, ttl, .. } => {
                if let Some(ttl) = ttl {
                    query.push(format!("ttl={}s", ttl / 1_000_000_000));
                }
                let words = usize::try_from(id.0 % 7).unwrap_or(0);
                let value = dynarust_history::value::put_text(*id, words);
                (Method::PUT, Some("application/json"), format!("{{\"value\":{value}}}"))
            }
            Action::Patch { id, .. } => {
                let patch = dynarust_history::value::patch_text(*id);
                (Method::PATCH, Some("application/json-patch+json"), patch)
            }
            Action::Delete { .. } => (Method::DELETE, None, String::new()),
            Action::Get | Action::Scan => (Method::GET, None, String::new()),
        };
        let path = match self.action {
            Action::Scan => {
                query.push(format!("prefix={}", self.key));
                format!("/{TABLE}/store")
            }
            _ => format!("/{TABLE}/key/{}", self.key),
        };
        let uri = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        let mut request = Request::builder().method(method).uri(uri).header(HOST, "node");
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        if self.action == Action::Scan {
            request = request.header("Accept", "application/x-ndjson");
        }
        if let Some(key) = &self.request_key {
            request = request.header("Idempotency-Key", key);
        }
        request = match guard_of(&self.action) {
            Guard::None => request,
            Guard::Version(version) => request.header(IF_MATCH, format!("\"{version}\"")),
            Guard::Exists => request.header(IF_MATCH, "*"),
            Guard::Absent => request.header(IF_NONE_MATCH, "*"),
        };
        request.body(Full::new(Bytes::from(body))).ok()
    }
}

fn guard_of(action: &Action) -> Guard {
    match action {
        Action::Put { guard, .. } | Action::Patch { guard, .. } | Action::Delete { guard } => {
            *guard
        }
        Action::Get | Action::Scan => Guard::None,
    }
}

fn word(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::One => "one",
        Consistency::Available => "available",
        Consistency::Quorum => "quorum",
        Consistency::All => "all",
    }
}

impl Answer {
    fn members(&self) -> Option<Members<'_>> {
        serde_json::from_slice(&self.body).ok()
    }

    fn replicas(&self) -> Option<Replicas> {
        let text = self.headers.get("DynaRust-Replicas")?.to_str().ok()?;
        let (stand, owners) = text.split_once('/')?;
        Some(Replicas { stand: stand.parse().ok()?, owners: owners.parse().ok()? })
    }

    fn etag(&self) -> Option<Version> {
        self.headers.get(ETAG)?.to_str().ok()?.trim_matches('"').parse().ok()
    }
}

fn outcome(asked: &Asked, answer: &Result<Answer, NoAnswer>) -> Outcome {
    let answer = match answer {
        Err(NoAnswer { sent: false }) => return Outcome::Refused { status: 0, current: None },
        Err(NoAnswer { sent: true }) => return Outcome::Indeterminate,
        Ok(answer) => answer,
    };
    let told = match (&asked.action, answer.status) {
        (Action::Get, StatusCode::OK) => read(answer).map(Outcome::Read),
        (Action::Get, StatusCode::NOT_FOUND) => Some(Outcome::Read(Seen::absent())),
        (Action::Scan, StatusCode::OK) => listed(answer).map(Outcome::Listed),
        (_, StatusCode::OK) => {
            let version = answer.members().and_then(|it| it.version?.parse().ok());
            version.map(|version| Outcome::Acknowledged { version })
        }
        (_, status) => {
            let indeterminate = status == StatusCode::INTERNAL_SERVER_ERROR
                || answer.members().and_then(|it| it.indeterminate).unwrap_or(false);
            let refused = Outcome::Refused { status: status.as_u16(), current: answer.etag() };
            (!indeterminate).then_some(refused)
        }
    };
    told.unwrap_or(Outcome::Indeterminate)
}

fn read(answer: &Answer) -> Option<Seen> {
    Some(Seen::of(answer.etag()?, answer.members()?.value?.get()))
}

/// Lines of `{"key": …, "value": …, "version": …}`.
fn listed(answer: &Answer) -> Option<Vec<dynarust_history::Listed>> {
    let text = std::str::from_utf8(&answer.body).ok()?;
    let lines = text.lines().map(|line| {
        let line: Line<'_> = serde_json::from_str(line).ok()?;
        let seen = Seen::of(line.version.parse().ok()?, line.value.get());
        Some(dynarust_history::Listed { key: line.key, seen: Some(seen) })
    });
    lines.collect()
}

#[derive(Deserialize)]
struct Line<'a> {
    key: String,
    #[serde(borrow)]
    value: &'a RawValue,
    version: String,
}

/// Names of writes, each handed out once.
#[derive(Debug, Default)]
pub(crate) struct WriteIds(std::sync::atomic::AtomicU64);

impl WriteIds {
    pub(crate) fn next(self: &Arc<Self>) -> WriteId {
        WriteId(1 + self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}
