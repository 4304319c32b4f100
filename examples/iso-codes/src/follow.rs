//! `follow`: all tables on one live stream, resumed by `Last-Event-ID` for as long as it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::{Api, ApiError};
use crate::source::Tables;

/// A record that came, changed or went.
#[derive(Debug, Deserialize)]
pub struct Change {
    /// Its table.
    pub table: String,
    /// Its key.
    pub key: String,
    /// Its value, byte for byte; none when it was deleted.
    pub value: Option<Box<RawValue>>,
    /// Its version: later ones are greater.
    pub version: String,
}

/// What a follower knows of the tables that it follows.
#[derive(Debug)]
struct Copy<'a> {
    expected: &'a Tables,
    records: BTreeMap<(String, String), String>,
    /// How many records are as expected.
    equal: usize,
    /// Told since a `reset`: what is not among these at its `ready` is gone.
    retold: Option<BTreeSet<(String, String)>>,
    ready: bool,
}

/// An event, as its lines come in.
#[derive(Debug, Default)]
struct Event {
    name: String,
    data: String,
}

/// Follows these tables until the copy is equal to them, and returns how many events that took. `told` hears
/// of each change.
///
/// # Errors
/// The node stayed away, refused, or sent what is no event.
pub fn follow(api: &Api, tables: &Tables, mut told: impl FnMut(&Change)) -> Result<u64, ApiError> {
    let selectors: Vec<String> = tables.keys().map(|table| format!("table={table}")).collect();
    let path = format!("/subscribe?{}", selectors.join("&"));
    let mut copy = Copy::of(tables);
    let mut last_id = String::new();
    let mut events = 0;
    loop {
        let mut event = Event::default();
        for line in BufReader::new(api.subscribe(&path, &last_id)?).lines() {
            // A stream that breaks is opened again, from the last id.
            let Ok(line) = line else { break };
            let (field, value) = line.split_once(": ").unwrap_or((&line, ""));
            match field {
                "id" => value.clone_into(&mut last_id),
                "event" => value.clone_into(&mut event.name),
                "data" => event.data.push_str(value),
                "" if !event.data.is_empty() => {
                    events += 1;
                    copy.take(&path, &std::mem::take(&mut event), &mut told)?;
                    if copy.is_complete() {
                        return Ok(events);
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'a> Copy<'a> {
    fn of(expected: &'a Tables) -> Self {
        Copy { expected, records: BTreeMap::new(), equal: 0, retold: None, ready: false }
    }

    fn take(
        &mut self,
        path: &str,
        event: &Event,
        told: &mut impl FnMut(&Change),
    ) -> Result<(), ApiError> {
        match event.name.as_str() {
            "ready" => {
                self.ready = true;
                if let Some(retold) = self.retold.take() {
                    let gone = |record: &&(String, String)| !retold.contains(*record);
                    let gone: Vec<_> = self.records.keys().filter(gone).cloned().collect();
                    gone.into_iter().for_each(|record| self.set(record, None));
                }
            }
            "reset" => self.retold = Some(BTreeSet::new()),
            "" => {
                let change: Change = serde_json::from_str(&event.data).map_err(|error| {
                    ApiError::Unexpected { url: path.to_owned(), error: error.to_string() }
                })?;
                told(&change);
                let record = (change.table, change.key);
                if let Some(retold) = &mut self.retold {
                    retold.insert(record.clone());
                }
                self.set(record, change.value.map(|value| value.get().to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    fn set(&mut self, record: (String, String), value: Option<String>) {
        let (table, key) = &record;
        let expected = self.expected.get(table.as_str()).and_then(|records| records.get(key));
        let now_equal = value.is_some() && value.as_ref() == expected;
        let before = match value {
            Some(value) => self.records.insert(record, value),
            None => self.records.remove(&record),
        };
        let was_equal = before.is_some() && before.as_ref() == expected;
        self.equal = self.equal + usize::from(now_equal) - usize::from(was_equal);
    }

    fn is_complete(&self) -> bool {
        let expected: usize = self.expected.values().map(BTreeMap::len).sum();
        let whole = self.ready && self.retold.is_none();
        whole && self.equal == expected && self.records.len() == expected
    }
}
