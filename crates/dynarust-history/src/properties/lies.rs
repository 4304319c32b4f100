//! Lies: what a store that does wrong might tell, and the law that it breaks.

use dynarust_core::{NodeId, Version};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{Action, Content, Guard, History, Operation, Outcome, Seen, Told, WriteId};

/// One thing that is told wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lie {
    /// The nodes end with an older record.
    Loss,
    /// One node ends with an older record.
    Divergence,
    /// The nodes end with what was there before a delete.
    Return,
    /// A read misses what was acknowledged before.
    StaleRead,
    /// The same, at the register.
    StaleRegister,
    /// A read goes back behind another one.
    StepBack,
    /// A write is acknowledged below one that was before it.
    LowStamp,
    /// A value is half of one write, half of another's.
    Mixture,
    /// What somebody saw was refused.
    RefusedSeen,
    /// A version shows another write.
    Forgery,
    /// Two hold one version, and win.
    Rivals,
    /// A patch was applied to a value without another.
    LostPatch,
    /// A patch counted twice.
    DoublePatch,
    /// A repeat got another answer.
    SecondAnswer,
    /// A list lacks a record.
    ListedNot,
    /// A list has one twice.
    ListedTwice,
    /// A stream leaves out the last change of a key.
    StreamGap,
    /// A stream tells two changes of a key in the wrong order.
    StreamSwap,
    /// A stream begins anew.
    StreamReset,
}

impl Lie {
    pub(super) const ALL: [Lie; 19] = [
        Lie::Loss,
        Lie::Divergence,
        Lie::Return,
        Lie::StaleRead,
        Lie::StaleRegister,
        Lie::StepBack,
        Lie::LowStamp,
        Lie::Mixture,
        Lie::RefusedSeen,
        Lie::Forgery,
        Lie::Rivals,
        Lie::LostPatch,
        Lie::DoublePatch,
        Lie::SecondAnswer,
        Lie::ListedNot,
        Lie::ListedTwice,
        Lie::StreamGap,
        Lie::StreamSwap,
        Lie::StreamReset,
    ];

    pub(super) fn any() -> impl Strategy<Value = Lie> {
        prop::sample::select(&Self::ALL[..])
    }

    /// Tells it, if this history has room for it; gives the law that it breaks.
    pub(super) fn tell(self, history: &mut History, pick: &Index) -> Option<&'static str> {
        match self {
            Self::Loss => lose(history, pick, 3).map(|()| "durable"),
            Self::Divergence => lose(history, pick, 1).map(|()| "convergent"),
            Self::Return => bring_back(history, pick).map(|()| "no_resurrection"),
            Self::StaleRead => stale_read(history, pick).map(|()| "fresh"),
            Self::StaleRegister => stale_read(history, pick).map(|()| "linearizable"),
            Self::StepBack => step_back(history, pick).map(|()| "monotonic"),
            Self::LowStamp => low_stamp(history, pick).map(|()| "fresh"),
            Self::Mixture => {
                change_read(history, pick, |version, _| Seen::of(version, "half")).map(|()| "whole")
            }
            Self::RefusedSeen => refuse_seen(history, pick).map(|()| "indeterminate"),
            Self::Forgery => forge(history, pick).map(|()| "indeterminate"),
            Self::Rivals => rival(history, pick).map(|()| "conditions"),
            Self::LostPatch => lose_patch(history, pick).map(|()| "conditions"),
            Self::DoublePatch => double_patch(history, pick).map(|()| "exactly_once"),
            Self::SecondAnswer => second_answer(history, pick).map(|()| "exactly_once"),
            Self::ListedNot => list_not(history, pick).map(|()| "set"),
            Self::ListedTwice => list_twice(history, pick).map(|()| "set"),
            Self::StreamGap => leave_out(history, pick).map(|()| "stream"),
            Self::StreamSwap => swap(history, pick).map(|()| "stream"),
            Self::StreamReset => {
                history.streams.first_mut()?.connections.last_mut()?.events.first_mut()?.what =
                    Told::Reset;
                Some("stream")
            }
        }
    }
}

fn one_of<T>(of: Vec<T>, pick: &Index) -> Option<T> {
    let count = of.len();
    of.into_iter().nth(if count == 0 { 0 } else { pick.index(count) })
}

/// Acknowledged PUTs, with their versions.
fn puts(history: &History) -> Vec<(Operation, Version, WriteId)> {
    let puts = history.operations.iter().filter_map(|it| match it.action {
        Action::Put { id, .. } => Some((it.clone(), it.acknowledged()?, id)),
        _ => None,
    });
    puts.collect()
}

fn value(version: Version, id: WriteId) -> Seen {
    Seen::Value { version, content: Content::put(id) }
}

/// So many nodes end with an acknowledged PUT below another acknowledged write.
fn lose(history: &mut History, pick: &Index, nodes: usize) -> Option<()> {
    let newer = |put: &Operation, version: Version| {
        let mut same = history.operations.iter().filter(|it| it.key == put.key);
        same.any(|it| it.acknowledged() > Some(version))
    };
    let lost = puts(history).into_iter().filter(|(put, version, _)| newer(put, *version)).collect();
    let (put, version, id) = one_of(lost, pick)?;
    let finals = history.finals.iter_mut().filter(|last| last.key == put.key);
    finals.take(nodes).for_each(|last| last.seen = value(version, id));
    Some(())
}

fn bring_back(history: &mut History, pick: &Index) -> Option<()> {
    let deletes: Vec<(String, Version)> = history
        .operations
        .iter()
        .filter_map(|it| {
            let delete = matches!(it.action, Action::Delete { .. });
            delete.then_some((it.key.clone(), it.acknowledged()?))
        })
        .collect();
    let deleted = puts(history).into_iter().filter(|(put, version, _)| {
        deletes.iter().any(|(key, delete)| *key == put.key && delete > version)
    });
    let (put, version, id) = one_of(deleted.collect(), pick)?;
    let finals = history.finals.iter_mut().filter(|last| last.key == put.key);
    finals.for_each(|last| last.seen = value(version, id));
    Some(())
}

/// Reads that showed a record, by their places.
fn reads(history: &History) -> Vec<usize> {
    let reads = history
        .operations
        .iter()
        .enumerate()
        .filter(|(_, it)| matches!(it.outcome, Outcome::Read(Seen::Value { .. })));
    reads.map(|(place, _)| place).collect()
}

/// A read shows a PUT although another write was acknowledged above it before it was sent.
fn stale_read(history: &mut History, pick: &Index) -> Option<()> {
    let puts = puts(history);
    let mut stale = Vec::new();
    for place in reads(history) {
        let read = &history.operations[place];
        for (put, version, id) in puts.iter().filter(|(put, ..)| put.key == read.key) {
            let newer = history.operations.iter().any(|it| {
                it.key == put.key && it.acknowledged() > Some(*version) && it.is_before(read)
            });
            if newer {
                stale.push((place, *version, *id));
            }
        }
    }
    let (place, version, id) = one_of(stale, pick)?;
    history.operations[place].outcome = Outcome::Read(value(version, id));
    Some(())
}

/// A read shows a PUT although another read has shown a newer one before.
fn step_back(history: &mut History, pick: &Index) -> Option<()> {
    let puts = puts(history);
    let mut back = Vec::new();
    for place in reads(history) {
        let read = &history.operations[place];
        for (put, version, id) in puts.iter().filter(|(put, ..)| put.key == read.key) {
            let newer = history.operations.iter().any(|it| {
                let newer =
                    matches!(&it.outcome, Outcome::Read(seen) if seen.version() > Some(*version));
                it.key == put.key && newer && it.is_before(read)
            });
            if newer {
                back.push((place, *version, *id));
            }
        }
    }
    let (place, version, id) = one_of(back, pick)?;
    history.operations[place].outcome = Outcome::Read(value(version, id));
    Some(())
}

fn low_stamp(history: &mut History, pick: &Index) -> Option<()> {
    let puts = puts(history);
    let low = history.operations.iter().enumerate().filter(|(_, it)| {
        let unkeyed = it.request_key.is_none() && it.acknowledged().is_some();
        unkeyed && puts.iter().any(|(put, ..)| put.key == it.key && put.is_before(it))
    });
    let place = one_of(low.map(|(place, _)| place).collect(), pick)?;
    let version = Version { hlc: 0, node: NodeId(9) };
    history.operations[place].outcome = Outcome::Acknowledged { version };
    Some(())
}

fn change_read(
    history: &mut History,
    pick: &Index,
    change: impl Fn(Version, &Content) -> Seen,
) -> Option<()> {
    let place = one_of(reads(history), pick)?;
    let Outcome::Read(seen) = &mut history.operations[place].outcome else { return None };
    let Seen::Value { version, content } = &*seen else { return None };
    *seen = change(*version, content);
    Some(())
}

fn refuse_seen(history: &mut History, pick: &Index) -> Option<()> {
    let seen = reads(history).into_iter().filter_map(|place| {
        let Outcome::Read(Seen::Value { content, .. }) = &history.operations[place].outcome else {
            return None;
        };
        Some(content.put)
    });
    let id = one_of(seen.collect(), pick)?;
    let requests = history.operations.iter_mut().filter(|it| it.write_id() == Some(id));
    requests.for_each(|it| it.outcome = Outcome::Refused { status: 503, current: None });
    Some(())
}

/// A read shows its version with another write's value.
fn forge(history: &mut History, pick: &Index) -> Option<()> {
    let place = one_of(reads(history), pick)?;
    let read = history.operations[place].clone();
    let Outcome::Read(Seen::Value { version, content }) = &read.outcome else { return None };
    let others = puts(history)
        .into_iter()
        .filter(|(put, other, id)| put.key == read.key && other != version && *id != content.put);
    let (_, _, id) = one_of(others.collect(), pick)?;
    history.operations[place].outcome = Outcome::Read(value(*version, id));
    Some(())
}

fn rival(history: &mut History, pick: &Index) -> Option<()> {
    let conditional = history
        .operations
        .iter()
        .filter(|it| matches!(it.guard(), Guard::Version(_)) && it.acknowledged().is_some());
    let winner = one_of(conditional.cloned().collect(), pick)?;
    let action = Action::Put { id: WriteId(1_000), guard: winner.guard(), ttl: None };
    let version = Version { hlc: 1_000, node: NodeId(1) };
    let outcome = Outcome::Acknowledged { version };
    let rival = Operation { action, outcome, request_key: None, ..winner };
    history.operations.push(rival);
    Some(())
}

/// Where a value was shown that had two acknowledged patches, the first is not there.
fn lose_patch(history: &mut History, pick: &Index) -> Option<()> {
    let acknowledged = |id: &WriteId| {
        let mut requests = history.operations.iter().filter(|it| it.write_id() == Some(*id));
        requests.any(|it| it.acknowledged().is_some())
    };
    let patched = reads(history).into_iter().filter(|place| {
        let Outcome::Read(Seen::Value { content, .. }) = &history.operations[*place].outcome else {
            return false;
        };
        let ids = &content.patches;
        ids.len() > 1 && ids.iter().chain([&content.put]).all(acknowledged)
    });
    let place = one_of(patched.collect(), pick)?;
    let Outcome::Read(Seen::Value { content, .. }) = &mut history.operations[place].outcome else {
        return None;
    };
    content.patches.remove(0);
    let (version, changed) = (history.operations[place].clone(), history);
    // Everybody sees the same.
    let Outcome::Read(Seen::Value { version, content }) = version.outcome else { return None };
    everywhere(changed, version, &content);
    Some(())
}

/// This version shows that, to whom it may.
fn everywhere(history: &mut History, version: Version, content: &Content) {
    let listed = history.operations.iter_mut().flat_map(|it| match &mut it.outcome {
        Outcome::Read(seen) => vec![seen],
        Outcome::Listed(listed) => listed.iter_mut().filter_map(|it| it.seen.as_mut()).collect(),
        _ => Vec::new(),
    });
    let finals = history.finals.iter_mut().map(|last| &mut last.seen);
    let connections = history.streams.iter_mut().flat_map(|it| &mut it.connections);
    let events = connections.flat_map(|it| &mut it.events);
    let told = events.filter_map(|event| match &mut event.what {
        Told::Change { seen, .. } => Some(seen),
        _ => None,
    });
    for seen in listed.chain(finals).chain(told) {
        if let Seen::Value { version: shown, content: old } = seen
            && *shown == version
        {
            *old = content.clone();
        }
    }
}

fn double_patch(history: &mut History, pick: &Index) -> Option<()> {
    let patched = reads(history).into_iter().filter(|place| {
        let Outcome::Read(Seen::Value { content, .. }) = &history.operations[*place].outcome else {
            return false;
        };
        !content.patches.is_empty()
    });
    let place = one_of(patched.collect(), pick)?;
    let Outcome::Read(Seen::Value { content, .. }) = &mut history.operations[place].outcome else {
        return None;
    };
    let first = *content.patches.first()?;
    content.patches.push(first);
    Some(())
}

fn second_answer(history: &mut History, pick: &Index) -> Option<()> {
    let repeats = history.operations.iter().enumerate().filter(|(place, it)| {
        let mut earlier = history.operations.iter().take(*place);
        it.request_key.is_some()
            && earlier.any(|first| first.request_key == it.request_key && first.is_before(it))
    });
    let place = one_of(repeats.map(|(place, _)| place).collect(), pick)?;
    let version = Version { hlc: 1_000, node: NodeId(1) };
    history.operations[place].outcome = Outcome::Acknowledged { version };
    Some(())
}

/// A list lacks what was put before, and never deleted.
fn list_not(history: &mut History, pick: &Index) -> Option<()> {
    let deleted: Vec<String> = history
        .operations
        .iter()
        .filter(|it| matches!(it.action, Action::Delete { .. }))
        .map(|it| it.key.clone())
        .collect();
    let puts = puts(history);
    let mut lists = Vec::new();
    for (place, scan) in history.operations.iter().enumerate() {
        let Outcome::Listed(_) = &scan.outcome else { continue };
        let there =
            puts.iter().filter(|(put, ..)| put.is_before(scan) && !deleted.contains(&put.key));
        lists.extend(there.map(|(put, ..)| (place, put.key.clone())));
    }
    let (place, key) = one_of(lists, pick)?;
    let Outcome::Listed(listed) = &mut history.operations[place].outcome else { return None };
    listed.retain(|it| it.key != key);
    Some(())
}

fn list_twice(history: &mut History, pick: &Index) -> Option<()> {
    let lists = history.operations.iter_mut().filter_map(|it| match &mut it.outcome {
        Outcome::Listed(listed) if !listed.is_empty() => Some(listed),
        _ => None,
    });
    let listed = one_of(lists.collect(), pick)?;
    let again = listed.first()?.clone();
    listed.push(again);
    Some(())
}

/// The events of a stream's changes: connection, place, key.
fn changes(history: &History) -> Vec<(usize, usize, String)> {
    let mut changes = Vec::new();
    for stream in &history.streams {
        for (nth, connection) in stream.connections.iter().enumerate() {
            for (place, event) in connection.events.iter().enumerate() {
                if let Told::Change { key, .. } = &event.what {
                    changes.push((nth, place, key.clone()));
                }
            }
        }
    }
    changes
}

fn leave_out(history: &mut History, pick: &Index) -> Option<()> {
    let key = one_of(changes(history), pick)?.2;
    let of_key: Vec<(usize, usize, String)> =
        changes(history).into_iter().filter(|it| it.2 == key).collect();
    let (nth, place, _) = of_key.last()?;
    let event = history.streams.first_mut()?.connections.get_mut(*nth)?.events.remove(*place);
    let Told::Change { seen: Seen::Absent { .. }, .. } = event.what else { return Some(()) };
    // Whoever never heard of a record does not miss its delete.
    (of_key.len() > 1).then_some(())
}

fn swap(history: &mut History, pick: &Index) -> Option<()> {
    let all = changes(history);
    let pairs = all.iter().flat_map(|one| all.iter().map(move |other| (one, other)));
    let same = pairs.filter(|(one, other)| one.2 == other.2 && (one.0, one.1) < (other.0, other.1));
    let places = same.map(|(one, other)| ((one.0, one.1), (other.0, other.1)));
    let (one, other) = one_of(places.collect(), pick)?;
    let stream = history.streams.first_mut()?;
    let first = stream.connections[one.0].events[one.1].what.clone();
    let later = &mut stream.connections[other.0].events[other.1].what;
    let later = std::mem::replace(later, first);
    stream.connections[one.0].events[one.1].what = later;
    Some(())
}
