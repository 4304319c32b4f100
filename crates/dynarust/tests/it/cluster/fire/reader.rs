//! A reader that hops from node to node, and holds each event against what it was told before.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use super::Scene;
use super::causes::Reset;
use super::load::{NARROW, NARROW_KEYS, WIDE, WIDE_KEYS};
use super::tally::count;
use crate::client::encoded;
use crate::cluster::agreement::View;
use crate::cluster::oracle::{Newest, key_name};
use crate::events::{Event, Events, Opening, Silence};
use crate::forms::Form;
use crate::picture::Picture;

/// What a node has for the head of an answer; one that stands still has longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it may take until a stream has told what is there, whatever happens to a node meanwhile.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// How often it looks whether it is to end.
const ROUND: Duration = Duration::from_millis(200);

/// For how long it stays at a node, at most.
const STAY: Duration = Duration::from_secs(10);

/// For how long it is away between two nodes, at most.
const AWAY: Duration = Duration::from_secs(2);

const REST: Duration = Duration::from_millis(50);

/// What a stream may follow.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Key,
    Prefix,
    Table,
    Many,
}

/// What one follows.
#[derive(Debug)]
pub(super) struct Followed {
    path: String,
    /// `table/key` of each, and its number in the table.
    names: BTreeMap<String, (&'static str, usize)>,
}

impl Kind {
    /// What the stream with this number follows.
    pub(super) fn followed(self, number: usize) -> Followed {
        let [key, narrow] = [(number * 7) % WIDE_KEYS, number % NARROW_KEYS];
        // Ten keys have all but the last digit in common.
        let ten = number % (WIDE_KEYS / 10) * 10;
        let prefix = key_name(ten).strip_suffix('0').unwrap().to_owned();
        let names = |table, keys: Range<usize>| -> BTreeMap<_, _> {
            keys.map(|key| (format!("{table}/{}", key_name(key)), (table, key))).collect()
        };
        let one = |key| key..key + 1;
        match self {
            Kind::Key => Followed {
                path: format!("/{WIDE}/subscribe/{}", encoded(&key_name(key))),
                names: names(WIDE, one(key)),
            },
            Kind::Prefix => Followed {
                path: format!("/{WIDE}/subscribe?prefix={prefix}"),
                names: names(WIDE, ten..ten + 10),
            },
            Kind::Table => Followed {
                path: format!("/{NARROW}/subscribe"),
                names: names(NARROW, 0..NARROW_KEYS),
            },
            Kind::Many => {
                let mut all = names(WIDE, one(key));
                all.extend(names(WIDE, ten..ten + 10));
                all.extend(names(NARROW, one(narrow)));
                let [key, narrow] = [key, narrow].map(key_name);
                let keys = format!("key={WIDE}/{key}&key={NARROW}/{narrow}");
                Followed { path: format!("/subscribe?{keys}&prefix={WIDE}/{prefix}"), names: all }
            }
        }
    }
}

/// One reader, over all its connections.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    followed: Followed,
    form: Form,
    scene: &'a Scene,
    dice: StdRng,
    /// The node that it follows, or followed last.
    node: usize,
    stream: Option<Events>,
    /// When it asked for the stream that it follows.
    asked: Instant,
    ready_here: bool,
    /// The last id, and when it came.
    last: Option<(String, Instant)>,
    picture: Picture,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        scene: &'a Scene,
        followed: Followed,
        form: Form,
        mut dice: StdRng,
    ) -> Reader<'a> {
        Reader {
            followed,
            form,
            scene,
            node: dice.random_range(0..scene.addresses.len()),
            dice,
            stream: None,
            asked: Instant::now(),
            ready_here: false,
            last: None,
            picture: Picture::default(),
        }
    }

    /// From node to node, until it is over. Where it is then it stays.
    pub(super) fn roam_until(&mut self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            self.stream = None;
            if self.dice.random_ratio(1, 8) {
                std::thread::sleep(AWAY.mul_f64(self.dice.random()));
            }
            let owed = self.owed();
            if !self.hop() {
                std::thread::sleep(REST);
                continue;
            }
            if self.dice.random_ratio(1, 4) {
                // It leaves in the midst of what it is told.
                let events = self.dice.random_range(1..12);
                (0..events).for_each(|_| _ = self.step());
                continue;
            }
            if self.scene.causes.is_calm_since(self.asked) {
                self.hear(&owed, over);
            }
            let until = self.asked + STAY.mul_f64(self.dice.random());
            while !over.load(Ordering::Relaxed) && Instant::now() < until && self.step() {}
        }
    }

    /// What was acknowledged of what it follows.
    fn owed(&self) -> BTreeMap<String, Newest> {
        let newest = |(name, &(table, key)): (&String, &(&str, usize))| {
            (name.clone(), self.scene.tables.of(table).newest(key))
        };
        self.followed.names.iter().map(newest).collect()
    }

    /// It is told this, or something newer, unless the stream is cut before.
    fn hear(&mut self, owed: &BTreeMap<String, Newest>, over: &AtomicBool) {
        while self.step() && !over.load(Ordering::Relaxed) {
            let lacks = |(name, newest): &(&String, &Newest)| {
                !self.picture.holds(name, &newest.version, newest.may_be_gone)
            };
            let lacking: Vec<_> = owed.iter().filter(lacks).collect();
            if self.ready_here && lacking.is_empty() {
                return count(&self.scene.tally.complete);
            }
            if self.asked.elapsed() > TOLD_WITHIN {
                let ready = self.ready_here;
                return self
                    .complain(&format!("it waits in vain (ready: {ready}) for {lacking:?}"));
            }
        }
    }

    /// Goes on at another node; whether that lets it.
    fn hop(&mut self) -> bool {
        let nodes = self.scene.addresses.len();
        self.node = (self.node + self.dice.random_range(1..nodes)) % nodes;
        let hops = self.last.is_some();
        let opened = self.open();
        if opened && hops {
            count(&self.scene.tally.hops);
        }
        opened
    }

    fn open(&mut self) -> bool {
        (self.asked, self.ready_here) = (Instant::now(), false);
        let opening = Opening {
            form: self.form,
            last_event_id: self.last.as_ref().map(|(id, _)| id.as_str()),
            patience: Some(PATIENCE),
            ..Opening::default()
        };
        let address = self.scene.addresses[self.node];
        self.stream = None;
        self.stream = Events::open_with(address, &self.followed.path, opening).ok();
        self.stream.is_some()
    }

    /// Waits for an event, for a round; whether there is still a stream.
    fn step(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        match stream.next_within(ROUND) {
            Ok(event) => self.take(event),
            Err(Silence::Quiet) => {}
            Err(Silence::Cut) => self.stream = None,
        }
        self.stream.is_some()
    }

    fn take(&mut self, event: Event) {
        count(&self.scene.tally.events);
        match event.name.as_str() {
            "" => {
                let change = event.change();
                let name = format!("{}/{}", change.table, change.key);
                if !self.followed.names.contains_key(&name) {
                    self.complain(&format!("it does not follow {name}"));
                }
                if let Err(wrong) = self.picture.take(name, change) {
                    self.complain(&format!("{wrong}: {event:?}"));
                }
            }
            "ready" => {
                if std::mem::replace(&mut self.ready_here, true) {
                    self.complain("ready twice");
                }
                self.picture.ready();
            }
            "reset" => self.begin_anew(),
            "lagged" => count(&self.scene.tally.lagged),
            _ => self.complain(&format!("an unknown event: {event:?}")),
        }
        self.last = Some((event.id, Instant::now()));
    }

    fn begin_anew(&mut self) {
        let reset = Reset {
            node: self.node,
            asked: self.asked,
            behind: self.last.clone(),
            is_whole: self.picture.is_whole(),
            at: Instant::now(),
        };
        match self.scene.causes.of(&reset) {
            Ok(cause) => self.scene.tally.count_reset(cause),
            Err(why) => self.complain(&format!("reset without cause: {why}")),
        }
        self.ready_here = false;
        self.picture.reset();
        self.picture.forget_versions();
    }

    /// When nothing is written any more: it is told the final records here, and has them still elsewhere.
    pub(super) fn follow_to(&mut self, finals: &View) {
        let own = finals.iter().filter(|(name, _)| self.followed.names.contains_key(*name));
        let own: View = own.map(|(name, seen)| (name.clone(), seen.clone())).collect();
        self.follow_on_to(&own);
        self.hop();
        self.follow_on_to(&own);
    }

    fn follow_on_to(&mut self, own: &View) {
        let began = Instant::now();
        while !self.ready_here || !self.picture.is(own) {
            if began.elapsed() > TOLD_WITHIN {
                let unlike: Vec<&String> = self.picture.unlike(own).collect();
                let ready = self.ready_here;
                return self.complain(&format!("at the end (ready: {ready}) differ: {unlike:?}"));
            }
            if !self.step() {
                self.open();
            }
        }
    }

    fn complain(&self, wrong: &str) {
        let Followed { path, .. } = &self.followed;
        let (form, node) = (self.form, self.node);
        self.scene.tally.complain(format!("{path} ({form:?}) at node {node}: {wrong}"));
    }
}
