//! What is known of each key: its writes, its reads, and everything that was ever shown of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dynarust_core::Version;

use crate::history::{Final, History};
use crate::operation::{Action, Guard, Nanos, Operation, Outcome, Seen};
use crate::stream::Told;

/// All keys of a history, in order.
pub(crate) type Ledger<'h> = BTreeMap<&'h str, Account<'h>>;

/// One key.
#[derive(Debug, Default)]
pub(crate) struct Account<'h> {
    /// Its writes, in the order in which they were sent.
    pub(crate) writes: Vec<At<'h>>,
    /// Those that were acknowledged, the lowest version first.
    pub(crate) acknowledged: Vec<(Version, At<'h>)>,
    /// What reads have shown, a list's records too, in the order in which they were sent.
    pub(crate) reads: Vec<(At<'h>, &'h Seen)>,
    /// What anybody was shown.
    pub(crate) sightings: Vec<Sighting<'h>>,
    /// What each node says at the end.
    pub(crate) finals: Vec<&'h Final>,
}

/// An operation, and its place in the history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'h> {
    pub(crate) place: usize,
    pub(crate) operation: &'h Operation,
}

/// What was shown of a record, and to whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting<'h> {
    pub(crate) seen: &'h Seen,
    pub(crate) by: By<'h>,
}

/// To whom something was shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By<'h> {
    Operation(At<'h>),
    Final { node: u32, at: Nanos },
    Stream { reader: u32, node: u32, at: Nanos },
}

impl<'h> Account<'h> {
    /// Its writes without those that repeat an earlier one under its idempotency key.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = At<'h>> + use<'_, 'h> {
        let mut sent = BTreeSet::new();
        let writes = self.writes.iter().copied();
        writes.filter(move |write| {
            write.operation.request_key.as_ref().is_none_or(|it| sent.insert(it))
        })
    }
}

impl By<'_> {
    /// When it was shown, at the latest.
    pub(crate) fn until(self) -> Option<Nanos> {
        match self {
            Self::Operation(read) => read.operation.returned,
            Self::Stream { at, .. } | Self::Final { at, .. } => Some(at),
        }
    }
}

/// Reads the history through once.
pub(crate) fn ledger(history: &History) -> Ledger<'_> {
    let mut ledger = Ledger::new();
    for (place, operation) in history.operations.iter().enumerate() {
        note_operation(&mut ledger, At { place, operation });
    }
    for last in &history.finals {
        let account = ledger.entry(&last.key).or_default();
        account.finals.push(last);
        let by = By::Final { node: last.node, at: last.at };
        account.sightings.push(Sighting { seen: &last.seen, by });
    }
    note_streams(&mut ledger, history);
    for account in ledger.values_mut() {
        account.writes.sort_by_key(|write| write.operation.invoked);
        account.reads.sort_by_key(|(read, _)| read.operation.invoked);
        account.acknowledged.sort_by_key(|(version, write)| (*version, write.place));
    }
    ledger
}

fn note_operation<'h>(ledger: &mut Ledger<'h>, at: At<'h>) {
    let by = By::Operation(at);
    if let Outcome::Listed(listed) = &at.operation.outcome {
        for it in listed {
            let account = ledger.entry(&it.key).or_default();
            account.sightings.extend(it.seen.iter().map(|seen| Sighting { seen, by }));
            account.reads.extend(it.seen.iter().map(|seen| (at, seen)));
        }
    }
    if at.operation.action == Action::Scan {
        return;
    }
    let account = ledger.entry(&at.operation.key).or_default();
    if at.operation.is_write() {
        account.writes.push(at);
        account.acknowledged.extend(at.operation.acknowledged().map(|version| (version, at)));
    } else if let Outcome::Read(seen) = &at.operation.outcome {
        account.reads.push((at, seen));
        account.sightings.push(Sighting { seen, by });
    }
}

fn note_streams<'h>(ledger: &mut Ledger<'h>, history: &'h History) {
    for stream in &history.streams {
        for connection in &stream.connections {
            for event in &connection.events {
                if let Told::Change { key, seen, .. } = &event.what {
                    let (reader, node, at) = (stream.reader, connection.node, event.at);
                    let by = By::Stream { reader, node, at };
                    ledger.entry(key).or_default().sightings.push(Sighting { seen, by });
                }
            }
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = self.operation;
        write!(f, "[#{} session {} at node {}: ", self.place, it.session, it.node)?;
        match &it.action {
            Action::Put { id, ttl, .. } => {
                write!(f, "put {}", id.0)?;
                ttl.map_or(Ok(()), |ttl| write!(f, " for {ttl} ns"))?;
            }
            Action::Patch { id, .. } => write!(f, "patch {}", id.0)?,
            Action::Delete { .. } => write!(f, "delete")?,
            Action::Get => write!(f, "get")?,
            Action::Scan => write!(f, "scan")?,
        }
        match it.guard() {
            Guard::None => {}
            Guard::Version(version) => write!(f, " if {version}")?,
            Guard::Exists => write!(f, " if there")?,
            Guard::Absent => write!(f, " if absent")?,
        }
        write!(f, " ({:?}) at {}", it.consistency, it.invoked)?;
        it.returned.map_or(Ok(()), |returned| write!(f, "..{returned}"))?;
        match &it.outcome {
            Outcome::Acknowledged { version } => write!(f, " → {version}")?,
            Outcome::Refused { status, .. } => write!(f, " → refused {status}")?,
            Outcome::Indeterminate => write!(f, " → indeterminate")?,
            Outcome::Read(seen) => write!(f, " → {seen}")?,
            Outcome::Listed(listed) => write!(f, " → {} records", listed.len())?,
        }
        it.replicas.map_or(Ok(()), |replicas| write!(f, " by {replicas}"))?;
        write!(f, "]")
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { version, content } => write!(f, "{version} = {content}"),
            Self::Absent { version: None } => write!(f, "absent"),
            Self::Absent { version: Some(version) } => write!(f, "absent at {version}"),
            Self::Garbled { version, text } => write!(f, "{version} = {text:?}"),
        }
    }
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(at) => write!(f, "{at}"),
            Self::Final { node, .. } => write!(f, "[node {node} at the end]"),
            Self::Stream { reader, node, at } => {
                write!(f, "[reader {reader}'s stream of node {node} at {at}]")
            }
        }
    }
}
