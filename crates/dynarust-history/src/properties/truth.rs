//! A store that does as it should, used by many clients at a time.
//!
//! Each operation takes effect at one moment, between its call and its answer; one whose outcome nobody is
//! told, at some moment behind its call, or never. Moments are far enough apart that those of others lie between.

use std::collections::BTreeMap;

use dynarust_core::{Consistency, NodeId, Version};
use proptest::prelude::*;

use crate::story::{get, operation};
use crate::{
    Action, Connection, Content, Event, Final, Follows, Guard, History, Listed, Nanos, Operation,
    Outcome, Seen, Stream, Told, WriteId,
};

/// Between two moments.
const PAUSE: Nanos = 100;

/// What clients ask, one moment after the other.
#[derive(Debug, Clone)]
pub(super) struct Truth {
    asked: Vec<Asked>,
}

#[derive(Debug, Clone)]
struct Asked {
    key: u8,
    what: What,
    before: Nanos,
    after: Nanos,
    consistency: Consistency,
    /// Nobody is told what became of it: it never did, or did so many moments later than it was asked.
    unknown: Option<Option<usize>>,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Put,
    PutOver { stale: bool },
    PutIf(Guard),
    Patch,
    Delete,
    Get,
    Scan,
    Repeat,
}

impl Truth {
    pub(super) fn any() -> impl Strategy<Value = Truth> {
        let what = prop_oneof![
            6 => Just(What::Put),
            3 => any::<bool>().prop_map(|stale| What::PutOver { stale }),
            1 => Just(What::PutIf(Guard::Absent)),
            1 => Just(What::PutIf(Guard::Exists)),
            3 => Just(What::Patch),
            2 => Just(What::Delete),
            8 => Just(What::Get),
            2 => Just(What::Scan),
            2 => Just(What::Repeat),
        ];
        let consistency = prop_oneof![
            3 => Just(Consistency::Available),
            2 => Just(Consistency::Quorum),
            1 => Just(Consistency::All),
        ];
        let unknown = prop::option::weighted(0.15, prop::option::of(0..6_usize));
        let around = || 1..4 * PAUSE;
        let asked = (0..3_u8, what, around(), around(), consistency, unknown);
        let asked = asked.prop_map(|(key, what, before, after, consistency, unknown)| Asked {
            key,
            what,
            before,
            after,
            consistency,
            unknown,
        });
        prop::collection::vec(asked, 1..40).prop_map(|asked| Truth { asked })
    }

    /// What clients are told.
    pub(super) fn history(&self) -> History {
        let mut world = World::default();
        for (nth, asked) in (1..).zip(&self.asked) {
            world.take_effect_late(nth);
            world.ask(nth, asked);
        }
        world.take_effect_late(usize::MAX);
        world.end(Nanos::try_from(self.asked.len()).unwrap() + 20)
    }
}

#[derive(Debug, Default)]
struct World {
    records: BTreeMap<String, (Version, Option<Content>)>,
    versions: u64,
    history: History,
    events: Vec<Event>,
    /// Operations whose effect comes at a later moment.
    late: Vec<(usize, usize)>,
}

fn key_name(key: u8) -> String {
    format!("t/{key}")
}

fn at(moment: usize) -> Nanos {
    (Nanos::try_from(moment).unwrap() + 10) * PAUSE
}

impl World {
    fn ask(&mut self, nth: usize, asked: &Asked) {
        let key = key_name(asked.key);
        let times = at(nth) - asked.before..at(nth) + asked.after;
        let id = WriteId(u64::try_from(nth).unwrap());
        let (guard, none) = (self.guard_over(&key, false), Guard::None);
        let action = match asked.what {
            What::Put => Action::Put { id, guard: none, ttl: None },
            What::PutOver { stale: false } => Action::Put { id, guard, ttl: None },
            What::PutOver { stale: true } => {
                Action::Put { id, guard: self.guard_over(&key, true), ttl: None }
            }
            What::PutIf(guard) => Action::Put { id, guard, ttl: None },
            What::Patch => Action::Patch { id, guard: none },
            What::Delete => Action::Delete { guard: none },
            What::Get => Action::Get,
            What::Scan => Action::Scan,
            What::Repeat => return self.repeat(nth, asked),
        };
        let scan = action == Action::Scan;
        let request = operation(times, action, Outcome::Indeterminate)
            .on(if scan { "t/" } else { &key })
            .at(asked.consistency)
            .by(id.0.try_into().unwrap(), u32::from(asked.key));
        // Every other write can be repeated.
        let keyed = request.is_write() && nth.is_multiple_of(2);
        let request = if keyed { request.under(&format!("r{nth}")) } else { request };
        self.history.operations.push(request);
        let place = self.history.operations.len() - 1;
        match asked.unknown {
            None => self.history.operations[place].outcome = self.effect(place, at(nth)),
            Some(Some(moments)) => self.late.push((nth + moments, place)),
            Some(None) => {}
        }
    }

    /// The version that is there, or one that was.
    fn guard_over(&self, key: &str, stale: bool) -> Guard {
        let there = self.records.get(key).map(|(version, _)| *version);
        let acknowledged = self.history.operations.iter().filter(|it| it.key == key);
        let mut older = acknowledged.filter_map(Operation::acknowledged);
        let version = if stale { older.next() } else { there };
        version.map_or(Guard::Absent, Guard::Version)
    }

    /// An acknowledged request is sent once more.
    fn repeat(&mut self, nth: usize, asked: &Asked) {
        let moment = at(nth);
        let mut again = self.history.operations.iter().filter(|it| {
            it.request_key.is_some() && it.acknowledged().is_some() && it.returned < Some(moment)
        });
        let Some(first) = again.next_back() else { return };
        let (invoked, returned) = (moment, Some(moment + asked.after));
        self.history.operations.push(Operation { invoked, returned, ..first.clone() });
    }

    fn take_effect_late(&mut self, nth: usize) {
        let due = |(moment, _): &(usize, usize)| *moment < nth;
        let due: Vec<(usize, usize)> = self.late.extract_if(.., |it| due(it)).collect();
        for (moment, place) in due {
            _ = self.effect(place, at(moment));
        }
    }

    fn effect(&mut self, place: usize, moment: Nanos) -> Outcome {
        let request = self.history.operations[place].clone();
        let there = self
            .records
            .get(&request.key)
            .and_then(|(version, content)| Some((*version, content.clone()?)));
        let refused = |status| Outcome::Refused { status, current: None };
        let holds = match request.guard() {
            Guard::None => true,
            Guard::Exists => there.is_some(),
            Guard::Absent => there.is_none(),
            Guard::Version(version) => there.as_ref().is_some_and(|(it, _)| *it == version),
        };
        if !holds {
            return refused(412);
        }
        match (request.action, there) {
            (Action::Put { id, .. }, _) => self.write(&request.key, Some(Content::put(id)), moment),
            (Action::Patch { id, .. }, Some((_, content))) => {
                self.write(&request.key, Some(content.patched(id)), moment)
            }
            (Action::Delete { .. }, Some(_)) => self.write(&request.key, None, moment),
            (Action::Patch { .. } | Action::Delete { .. }, None) => refused(404),
            (Action::Get, Some((version, content))) => {
                Outcome::Read(Seen::Value { version, content })
            }
            (Action::Get, None) => Outcome::Read(Seen::absent()),
            (Action::Scan, _) => Outcome::Listed(self.list()),
        }
    }

    fn write(&mut self, key: &str, content: Option<Content>, moment: Nanos) -> Outcome {
        self.versions += 1;
        let version = Version { hlc: self.versions, node: NodeId(self.versions % 3) };
        self.records.insert(key.to_owned(), (version, content.clone()));
        let seen = seen_of(version, content);
        let what = Told::Change { key: key.to_owned(), seen, expired: false };
        self.events.push(Event { at: moment, id: format!("i{}", self.versions), what });
        Outcome::Acknowledged { version }
    }

    fn list(&self) -> Vec<Listed> {
        let there = self.records.iter().filter(|(_, (_, content))| content.is_some());
        let listed = there.map(|(key, (version, content))| Listed {
            key: key.clone(),
            seen: Some(seen_of(*version, content.clone())),
        });
        listed.collect()
    }

    fn end(mut self, moment: Nanos) -> History {
        for key in (0..3).map(key_name) {
            let record = self.records.get(&key).cloned();
            let seen =
                record.map_or(Seen::absent(), |(version, content)| seen_of(version, content));
            for node in 0..3 {
                let (key, seen, at) = (key.clone(), seen.clone(), moment * PAUSE);
                self.history.finals.push(Final { node, key, at, seen });
            }
            let (key, times) = (key, moment * PAUSE..moment * PAUSE + 1);
            let seen = self.history.finals.last().unwrap().seen.clone();
            let read = match seen {
                Seen::Absent { .. } => Seen::absent(),
                seen => seen,
            };
            self.history.operations.push(get(times, Outcome::Read(read)).on(&key));
        }
        self.history.streams.push(self.stream());
        self.history
    }

    /// Ready at once, cut in the middle, and resumed there.
    fn stream(&self) -> Stream {
        let ready = |at| Event { at, id: "ready".to_owned(), what: Told::Ready };
        let (first, rest) = self.events.split_at(self.events.len() / 2);
        let first = [&[ready(0)], first].concat();
        let resumed = first.last().map(|event| event.id.clone());
        let at_last = rest.last().map_or(0, |event| event.at);
        let second = [rest, &[ready(at_last)]].concat();
        let connection =
            |resumed, events| Connection { node: 1, opened: 0, resumed, events, until: None };
        Stream {
            reader: 1,
            follows: Follows::prefix("t/"),
            connections: vec![connection(None, first), connection(resumed, second)],
            to_the_end: true,
        }
    }
}

fn seen_of(version: Version, content: Option<Content>) -> Seen {
    match content {
        Some(content) => Seen::Value { version, content },
        None => Seen::Absent { version: Some(version) },
    }
}
