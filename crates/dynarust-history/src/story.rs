//! Small histories for tests, written so that they can be read.

use std::ops::Range;

use dynarust_core::quorum::Replicas;
use dynarust_core::{Consistency, NodeId, Version};

use crate::{
    Action, Checker, Circumstances, Content, Durability, Final, Guard, History, Nanos, Operation,
    Outcome, Seen, Stream, WriteId,
};

pub(crate) const KEY: &str = "t/k";

/// When nodes are asked for what is there at the end.
const END: Nanos = 1_000;

pub(crate) fn v(nth: u64) -> Version {
    Version { hlc: nth, node: NodeId(1) }
}

pub(crate) fn put(id: u64) -> Action {
    Action::Put { id: WriteId(id), guard: Guard::None, ttl: None }
}

pub(crate) fn put_if(guard: Guard, id: u64) -> Action {
    Action::Put { id: WriteId(id), guard, ttl: None }
}

pub(crate) fn put_for(ttl: Nanos, id: u64) -> Action {
    Action::Put { id: WriteId(id), guard: Guard::None, ttl: Some(ttl) }
}

pub(crate) fn patch(id: u64) -> Action {
    Action::Patch { id: WriteId(id), guard: Guard::None }
}

pub(crate) fn delete() -> Action {
    Action::Delete { guard: Guard::None }
}

pub(crate) fn acknowledged(nth: u64) -> Outcome {
    Outcome::Acknowledged { version: v(nth) }
}

pub(crate) fn refused(status: u16) -> Outcome {
    Outcome::Refused { status, current: None }
}

/// What a PUT, and these patches, have left at a version.
pub(crate) fn value(nth: u64, put: u64, patches: &[u64]) -> Seen {
    let patches = patches.iter().copied().map(WriteId).collect();
    Seen::Value { version: v(nth), content: Content { put: WriteId(put), patches } }
}

pub(crate) fn saw(nth: u64, put: u64) -> Outcome {
    Outcome::Read(value(nth, put, &[]))
}

pub(crate) fn saw_nothing() -> Outcome {
    Outcome::Read(Seen::absent())
}

/// An operation of session 0 at node 0, by default.
pub(crate) fn operation(times: Range<Nanos>, action: Action, outcome: Outcome) -> Operation {
    Operation {
        session: 0,
        node: 0,
        key: KEY.to_owned(),
        action,
        consistency: Consistency::Available,
        durability: Durability::Sync,
        request_key: None,
        invoked: times.start,
        returned: Some(times.end),
        outcome,
        replicas: None,
    }
}

pub(crate) fn get(times: Range<Nanos>, outcome: Outcome) -> Operation {
    operation(times, Action::Get, outcome)
}

impl Operation {
    pub(crate) fn by(self, session: u32, node: u32) -> Self {
        Self { session, node, ..self }
    }

    pub(crate) fn on(self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self }
    }

    pub(crate) fn at(self, consistency: Consistency) -> Self {
        Self { consistency, ..self }
    }

    pub(crate) fn quorum(self) -> Self {
        self.at(Consistency::Quorum)
    }

    pub(crate) fn one(self) -> Self {
        self.at(Consistency::One)
    }

    pub(crate) fn weak(self) -> Self {
        Self { replicas: Some(Replicas { stand: 1, owners: 3 }), ..self }
    }

    pub(crate) fn under(self, request_key: &str) -> Self {
        Self { request_key: Some(request_key.to_owned()), ..self }
    }
}

/// Nodes agree and are connected, and the power failed everywhere.
pub(crate) struct Dark;

impl Circumstances for Dark {
    fn kept(&self, write: &Operation) -> bool {
        write.durability == Durability::Sync
    }

    fn linearizable(&self, _: &str) -> bool {
        false
    }

    fn fresh(&self, _: &Operation, _: &Operation) -> bool {
        true
    }

    fn steady(&self, _: &Operation, _: &Operation) -> bool {
        false
    }

    fn agreed(&self, _: &Operation, _: &Operation) -> bool {
        false
    }

    fn may_reset(&self, _: &Stream, _: usize) -> bool {
        false
    }

    fn well(&self, _: Nanos, _: Nanos) -> bool {
        true
    }

    fn clock_slack(&self) -> Nanos {
        0
    }
}

pub(crate) fn story(operations: &[Operation]) -> History {
    History { operations: operations.to_vec(), ..History::default() }
}

/// The same, and this at each of three nodes in the end.
pub(crate) fn ends(operations: &[Operation], seen: &Seen) -> History {
    let last = |node| Final { node, key: KEY.to_owned(), at: END, seen: seen.clone() };
    History { finals: (0..3).map(last).collect(), ..story(operations) }
}

#[track_caller]
pub(crate) fn assert_kept(checker: Checker, under: &dyn Circumstances, history: &History) {
    let found = checker(history, under);
    assert!(found.is_empty(), "{found:#?}");
}

/// Just one violation, and its text has all of these.
#[track_caller]
pub(crate) fn assert_broken(
    checker: Checker,
    under: &dyn Circumstances,
    history: &History,
    words: &[&str],
) {
    let found = checker(history, under);
    let told = found.first().map(ToString::to_string).unwrap_or_default();
    let all = words.iter().all(|word| told.contains(word));
    assert!(found.len() == 1 && all, "no {words:?} in {found:#?}");
}
