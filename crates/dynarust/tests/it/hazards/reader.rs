//! A reader of a live stream that goes from node to node, and writes down what it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dynarust_history::{Connection, Event, Follows, Seen, Stream, Told};
use rand::RngExt;
use rand::rngs::StdRng;

use super::recorder::{Recorder, seen, version};
use crate::cluster::agreement::View;
use crate::cluster::doors::Doors;
use crate::events::{self, Events, Opening, Silence};
use crate::mirror;

/// What a node has for the head of an answer; one that stands still has longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long it may take until a stream has told all that is there, when nothing happens any more.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// How often it looks whether it is to end.
const ROUND: Duration = Duration::from_millis(200);

const REST: Duration = Duration::from_millis(50);

/// One reader, over all its connections.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    recorder: &'a Recorder,
    table: &'static str,
    stream: Stream,
    last_id: Option<String>,
    /// The state, or what was missed, was told on this connection.
    ready: bool,
    /// What it knows of each key since the last `reset`.
    known: BTreeMap<String, (Option<String>, String)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(recorder: &'a Recorder, table: &'static str) -> Reader<'a> {
        let stream = Stream {
            reader: recorder.new_session(),
            follows: Follows::prefix(&format!("{table}/")),
            connections: Vec::new(),
            to_the_end: false,
        };
        Reader { recorder, table, stream, last_id: None, ready: false, known: BTreeMap::new() }
    }

    /// Follows one node, is cut, and goes on behind the last id at the same or another, until it is over.
    pub(super) fn follow_until(
        &mut self,
        over: &AtomicBool,
        doors: &Doors,
        away: Duration,
        dice: &mut StdRng,
    ) {
        let mut door = doors.pick(dice.random_range(0..1024));
        while !over.load(Ordering::Relaxed) {
            let events = dice.random_range(1..40);
            self.follow_some(door, events, over);
            if dice.random_ratio(1, 3) {
                std::thread::sleep(away.mul_f64(dice.random()));
            }
            // The same one knows its own ids in another way than the others do.
            if dice.random() {
                door = doors.pick(dice.random_range(0..1024));
            }
        }
    }

    fn follow_some(&mut self, door: SocketAddr, events: u32, over: &AtomicBool) {
        let Ok(mut stream) = self.connect(door) else { return std::thread::sleep(REST) };
        for _ in 0..events {
            match stream.next_within(ROUND) {
                Ok(event) => self.take(event),
                Err(Silence::Quiet) if !over.load(Ordering::Relaxed) => {}
                Err(Silence::Quiet | Silence::Cut) => return,
            }
        }
    }

    fn connect(&mut self, door: SocketAddr) -> Result<Events, String> {
        let opened = self.recorder.now();
        let resumed = self.last_id.clone();
        let opening = Opening {
            last_event_id: resumed.as_deref(),
            patience: Some(PATIENCE),
            ..Opening::default()
        };
        let events = Events::open_with(door, &format!("/{}/subscribe", self.table), opening)?;
        self.ready = false;
        if resumed.is_none() {
            self.known.clear();
        }
        let node = self.recorder.number(door);
        let connection = Connection { node, opened, resumed, events: Vec::new(), until: None };
        self.stream.connections.push(connection);
        Ok(events)
    }

    fn take(&mut self, event: events::Event) {
        let at = self.recorder.now();
        let what = match event.name.as_str() {
            "" => self.changed(&event),
            "ready" => {
                self.ready = true;
                Told::Ready
            }
            "reset" => {
                self.known.clear();
                Told::Reset
            }
            "lagged" => Told::Lagged,
            "closing" => Told::Closing,
            _ => panic!("an unknown event: {event:?}"),
        };
        self.last_id = Some(event.id.clone());
        let connection = self.stream.connections.last_mut().unwrap();
        connection.events.push(Event { at, id: event.id, what });
    }

    fn changed(&mut self, event: &events::Event) -> Told {
        let change = event.change();
        let key = format!("{}/{}", change.table, change.key);
        let told = match &change.value {
            Some(value) => seen(&change.version, value),
            None => Seen::Absent { version: Some(version(&change.version)) },
        };
        self.known.insert(change.key, (change.value, change.version));
        Told::Change { key, seen: told, expired: false }
    }

    /// Whether it was told that it knows all, and knows just these records.
    fn knows(&self, table: &View) -> bool {
        let known: View = self
            .known
            .iter()
            .filter_map(|(key, (value, version))| {
                let (value, version) = (value.clone()?, version.clone());
                Some((key.clone(), mirror::Seen { value, version }))
            })
            .collect();
        self.ready && known == *table
    }

    /// Follows, when nothing is written any more, until it knows just what is there.
    pub(super) fn follow_to(&mut self, door: SocketAddr, table: &View) {
        let began = Instant::now();
        while !self.knows(table) && began.elapsed() < TOLD_WITHIN {
            let Ok(mut stream) = self.connect(door) else { continue };
            while !self.knows(table) && began.elapsed() < TOLD_WITHIN {
                match stream.next_within(ROUND) {
                    Ok(event) => self.take(event),
                    Err(Silence::Cut) => break,
                    Err(Silence::Quiet) => {}
                }
            }
        }
        self.stream.to_the_end = true;
        let told = self.knows(table);
        assert!(told, "a stream of {} did not tell all: {:?}", self.table, self.stream.reader);
    }

    pub(super) fn end(self) {
        self.recorder.note_stream(self.stream);
    }
}
