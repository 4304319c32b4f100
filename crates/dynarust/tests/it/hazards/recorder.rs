//! What clients ask of a cluster and are told, written down as it happens, for the checkers of
//! `dynarust-history`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use dynarust_core::{Consistency, Replicas, Version};
use dynarust_history::{
    Action, Durability, Guard, History, Listed, Nanos, Operation, Outcome, Seen, Stream, WriteId,
    value,
};

use crate::client::{Answer, Client, JSON, Unknown, encoded, put_body, record_path};
use crate::cluster::agreement::view_in;
use crate::cluster::nodes::PATIENCE;
use crate::mirror;

const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");

/// A history in the making.
#[derive(Debug)]
pub(super) struct Recorder {
    began: Instant,
    nodes: Mutex<Vec<SocketAddr>>,
    sessions: AtomicU32,
    writes: AtomicU64,
    acknowledged: AtomicU64,
    history: Mutex<History>,
}

impl Recorder {
    /// Nodes are known by their place in this list.
    pub(super) fn new(nodes: Vec<SocketAddr>) -> Recorder {
        Recorder {
            began: Instant::now(),
            nodes: Mutex::new(nodes),
            sessions: AtomicU32::new(0),
            writes: AtomicU64::new(1),
            acknowledged: AtomicU64::new(0),
            history: Mutex::default(),
        }
    }

    /// One more node.
    pub(super) fn add_node(&self, address: SocketAddr) {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).push(address);
    }

    /// What a node is called in the history.
    pub(super) fn number(&self, address: SocketAddr) -> u32 {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        u32::try_from(nodes.iter().position(|it| *it == address).unwrap()).unwrap()
    }

    pub(super) fn now(&self) -> Nanos {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap()
    }

    /// Whole seconds since it began.
    pub(super) fn second(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    pub(super) fn new_write(&self) -> WriteId {
        WriteId(self.writes.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn new_session(&self) -> u32 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }

    /// How many writes were acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// All that is known by now.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_stream(&self, stream: Stream) {
        self.history().streams.push(stream);
    }

    fn note(&self, operation: Operation) {
        if operation.acknowledged().is_some() {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.history().operations.push(operation);
    }
}

/// One session: it asks one thing after the other, of any node.
#[derive(Debug)]
pub(super) struct Session<'a> {
    recorder: &'a Recorder,
    number: u32,
    clients: BTreeMap<SocketAddr, Client>,
}

impl<'a> Session<'a> {
    pub(super) fn new(recorder: &'a Recorder) -> Session<'a> {
        Session { recorder, number: recorder.new_session(), clients: BTreeMap::new() }
    }

    /// Asks, waits, and writes down. `key` is `table/key`; of a scan, what that begins with.
    pub(super) fn ask(
        &mut self,
        door: SocketAddr,
        key: &str,
        action: Action,
        consistency: Consistency,
    ) -> Outcome {
        let invoked = self.recorder.now();
        let client = self.clients.entry(door).or_insert_with(|| Client::impatient(door, PATIENCE));
        let answer = send(client, key, &action, consistency);
        let returned = Some(self.recorder.now());
        let replicas = answer.as_ref().ok().and_then(replicas_of);
        let outcome = outcome_of(key, &action, answer);
        self.recorder.note(Operation {
            session: self.number,
            node: self.recorder.number(door),
            key: key.to_owned(),
            action,
            consistency,
            durability: Durability::Sync,
            request_key: None,
            invoked,
            returned,
            outcome: outcome.clone(),
            replicas,
        });
        outcome
    }
}

fn send(
    client: &mut Client,
    key: &str,
    action: &Action,
    consistency: Consistency,
) -> Result<Answer, Unknown> {
    let (table, key) = key.split_once('/').unwrap();
    let path = format!("{}?consistency={}", record_path(table, key), text_of(consistency));
    let condition = match guard_of(action) {
        Guard::None => None,
        Guard::Version(version) => Some(("if-match", format!("\"{version}\""))),
        Guard::Exists => Some(("if-match", "*".to_owned())),
        Guard::Absent => Some(("if-none-match", "*".to_owned())),
    };
    let condition = condition.as_ref().map(|(name, value)| (*name, value.as_str()));
    let headers = |form| [form].into_iter().chain(condition).collect::<Vec<_>>();
    match action {
        Action::Put { id, .. } => {
            let words = usize::try_from(id.0 % 40).unwrap();
            client.call("PUT", &path, &headers(JSON), &put_body(&value::put_text(*id, words)))
        }
        Action::Patch { id, .. } => {
            client.call("PATCH", &path, &headers(JSON_PATCH), &value::patch_text(*id))
        }
        Action::Delete { .. } => client.call("DELETE", &path, &headers(JSON), ""),
        Action::Get => client.get(&path),
        Action::Scan => {
            let (prefix, consistency) = (encoded(key), text_of(consistency));
            let path = format!("/{table}/store?prefix={prefix}&consistency={consistency}");
            client.call("GET", &path, &[("accept", "application/x-ndjson")], "")
        }
    }
}

fn guard_of(action: &Action) -> Guard {
    match *action {
        Action::Put { guard, .. } | Action::Patch { guard, .. } | Action::Delete { guard } => guard,
        Action::Get | Action::Scan => Guard::None,
    }
}

fn text_of(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::One => "one",
        Consistency::Available => "available",
        Consistency::Quorum => "quorum",
        Consistency::All => "all",
    }
}

fn replicas_of(answer: &Answer) -> Option<Replicas> {
    let (stand, owners) = answer.header("dynarust-replicas")?.split_once('/')?;
    Some(Replicas { stand: stand.parse().ok()?, owners: owners.parse().ok()? })
}

fn outcome_of(key: &str, action: &Action, answer: Result<Answer, Unknown>) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(unknown) if unknown.sent => return Outcome::Indeterminate,
        Err(_) => return Outcome::Refused { status: 0, current: None },
    };
    match (action, answer.status) {
        (Action::Get, 200) => Outcome::Read(seen(&answer.etag(), answer.value())),
        (Action::Get, 404) => Outcome::Read(Seen::absent()),
        (Action::Scan, 200) => listed(key, &answer),
        (_, 200) => Outcome::Acknowledged { version: version(&answer.version()) },
        (_, status @ (404 | 409 | 412 | 507)) => refused(status, &answer),
        (_, 503) if !answer.is_indeterminate() => refused(503, &answer),
        (_, 500 | 503) => Outcome::Indeterminate,
        _ => panic!("{action:?}: {answer:?}"),
    }
}

fn refused(status: u16, answer: &Answer) -> Outcome {
    let current = (status == 412 && answer.header("etag").is_some()).then(|| answer.etag());
    Outcome::Refused { status, current: current.map(|text| version(&text)) }
}

fn listed(prefix: &str, answer: &Answer) -> Outcome {
    let (table, _) = prefix.split_once('/').unwrap();
    let view = view_in(answer).unwrap_or_else(|why| panic!("{why}: {answer:?}"));
    let one = |(key, it): (String, mirror::Seen)| Listed {
        key: format!("{table}/{key}"),
        seen: Some(seen(&it.version, &it.value)),
    };
    Outcome::Listed(view.into_iter().map(one).collect())
}

pub(super) fn seen(version_text: &str, value: &str) -> Seen {
    Seen::of(version(version_text), value)
}

pub(super) fn version(text: &str) -> Version {
    Version::from_str(text).unwrap_or_else(|_| panic!("no version: {text}"))
}
