//! Writers under which a node may die, and what they know of their records afterwards.
//!
//! Each key belongs to one writer, which has one request under way at a time: so each key has one
//! state that was acknowledged, and at most one write whose outcome is unknown. After a restart the
//! record must be in the one or the other, byte for byte; a write that was refused must be nowhere;
//! versions must have risen over everything that was ever acknowledged. The counters are shared: they
//! are raised under `If-Match` by several writers at once, and no increment may be lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::value::RawValue;

use crate::client::{Answer, Client, JSON, Unknown, put_body, record_path};

const KEYS_PER_WRITER: usize = 24;
const COUNTERS: usize = 4;
const COUNTING_WRITERS: usize = 4;
const TABLE: &str = "herd";
const COUNTER_TABLE: &str = "counters";

/// Why a writer stopped: its connection broke, or the node answered that it cannot write.
#[derive(Debug)]
pub(crate) enum End {
    Broken,
    #[expect(dead_code, reason = "the answer is shown where it should not have come")]
    Failing(String),
}

impl From<Answer> for End {
    fn from(answer: Answer) -> End {
        assert_ne!(answer.status, 507, "no disaster of a herd fills its disk");
        End::Failing(format!("{answer:?}"))
    }
}

impl From<Unknown> for End {
    fn from(_: Unknown) -> End {
        End::Broken
    }
}

/// A record's state: its value's text, or `None` where it is absent.
type State = Option<String>;

/// What is known of one key.
#[derive(Debug, Clone, Default)]
struct Known {
    acknowledged: State,
    /// The write that was under way when the node went.
    perhaps: Option<State>,
    /// The highest version ever acknowledged, deletes included.
    version: String,
}

#[derive(Debug)]
struct Writer {
    name: usize,
    dice: StdRng,
    writes: u64,
    keys: BTreeMap<String, Known>,
}

/// Shared counters, raised under `If-Match`.
#[derive(Debug, Default)]
struct Counters {
    acknowledged: [AtomicU64; COUNTERS],
    unknown: [AtomicU64; COUNTERS],
}

/// All writers and what they know.
#[derive(Debug)]
pub(crate) struct Herd {
    writers: Vec<Writer>,
    counting: Vec<StdRng>,
    counters: Counters,
    durability: &'static str,
}

impl Herd {
    /// Writers that write with this durability.
    pub(crate) fn new(writers: usize, durability: &'static str, dice: &mut StdRng) -> Herd {
        let mut fork = || StdRng::seed_from_u64(dice.random());
        Herd {
            writers: (0..writers).map(|name| Writer::new(name, fork())).collect(),
            counting: (0..COUNTING_WRITERS).map(|_| fork()).collect(),
            counters: Counters::default(),
            durability,
        }
    }

    /// All writers at work, until `disaster` has happened and each of them has felt it.
    pub(crate) fn work_until(&mut self, address: SocketAddr, disaster: impl FnOnce()) -> Vec<End> {
        let (counters, durability) = (&self.counters, self.durability);
        std::thread::scope(|scope| {
            let writers = self.writers.iter_mut().map(|writer| {
                scope.spawn(move || writer.work(&mut Client::new(address), durability))
            });
            let mut threads: Vec<_> = writers.collect();
            threads.extend(self.counting.iter_mut().map(|dice| {
                scope.spawn(move || counters.work(&mut Client::new(address), dice, durability))
            }));
            disaster();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// How many writes were sent so far, refused ones included.
    pub(crate) fn writes(&self) -> u64 {
        self.writers.iter().map(|writer| writer.writes).sum()
    }

    /// Compares the node with what is known: an empty answer is the good one. Afterwards the node's
    /// state is the known one, and what was unknown must never surface any more.
    pub(crate) fn differences(&mut self, client: &mut Client) -> Vec<String> {
        let mut found = Vec::new();
        for writer in &mut self.writers {
            for (key, known) in &mut writer.keys {
                found.extend(known.difference(key, &client.read(TABLE, key).unwrap()));
            }
        }
        found.extend(self.counters.differences(client));
        found.extend(self.listing_differences(client));
        found
    }

    /// The whole table, and its keys, must show just the records that single reads showed.
    fn listing_differences(&self, client: &mut Client) -> Option<String> {
        let expected: BTreeMap<&String, &String> = self
            .writers
            .iter()
            .flat_map(|writer| &writer.keys)
            .filter_map(|(key, known)| Some((key, known.acknowledged.as_ref()?)))
            .collect();
        let store = client.get(&format!("/{TABLE}/store")).unwrap().expect(200);
        let listed: BTreeMap<String, &RawValue> = serde_json::from_slice(&store.body).unwrap();
        let same = listed.iter().map(|(key, value)| (key.as_str(), value.get()));
        if !same.eq(expected.iter().map(|(key, value)| (key.as_str(), value.as_str()))) {
            let (all, seen) = (expected.len(), listed.len());
            return Some(format!("`store` lists other records ({seen}) than the reads ({all})"));
        }
        let keys = client.get(&format!("/{TABLE}/keys")).unwrap().expect(200);
        let keys: Vec<String> = serde_json::from_slice(&keys.body).unwrap();
        (!keys.iter().eq(expected.keys().copied())).then(|| "`keys` lists other keys".to_owned())
    }
}

impl Writer {
    fn new(name: usize, dice: StdRng) -> Writer {
        // Some scripts and a slash, since keys are bytes that a journal and a base must give back.
        let key = |number| format!("writer {name:02}/キー {number:02}");
        let keys = (0..KEYS_PER_WRITER).map(|number| (key(number), Known::default())).collect();
        Writer { name, dice, writes: 0, keys }
    }

    fn work(&mut self, client: &mut Client, durability: &str) -> End {
        loop {
            if let Err(end) = self.step(client, durability) {
                return end;
            }
        }
    }

    fn step(&mut self, client: &mut Client, durability: &str) -> Result<(), End> {
        self.writes += 1;
        let value = unique_value(self.name, self.writes, &mut self.dice);
        let chosen = self.dice.random_range(0..self.keys.len());
        let (key, known) = self.keys.iter_mut().nth(chosen).unwrap();
        let path = format!("{}?durability={durability}", record_path(TABLE, key));
        match self.dice.random_range(0..20) {
            0..10 => known.write(client, "PUT", &path, &[], Some(value)),
            10..13 if !known.version.is_empty() => {
                let version = format!("\"{}\"", known.version);
                let condition = if known.acknowledged.is_some() {
                    ("if-match", version.as_str())
                } else {
                    ("if-none-match", "*")
                };
                known.write(client, "PUT", &path, &[condition], Some(value))
            }
            10..17 => known.write(client, "DELETE", &path, &[], None),
            17..19 => known.be_refused(client, &path, &value, &mut self.dice),
            _ => {
                let answer = client.read(TABLE, key)?;
                // A disk that is gone is gone for reads too, for the moment until the node is.
                if answer.status >= 500 {
                    return Err(answer.into());
                }
                known.read_back(&answer)
            }
        }
    }
}

impl Known {
    /// A write that the node must accept (or, for the delete of what is absent, must not find).
    fn write(
        &mut self,
        client: &mut Client,
        method: &str,
        path: &str,
        conditions: &[(&str, &str)],
        state: State,
    ) -> Result<(), End> {
        let mut headers = vec![JSON];
        headers.extend_from_slice(conditions);
        let body = state.as_deref().map(put_body).unwrap_or_default();
        let headers = if state.is_some() { &headers[..] } else { &[] };
        let answer = match client.call(method, path, headers, &body) {
            Ok(answer) if answer.status < 500 => answer,
            other => {
                // It may have taken, whether the way broke or the node says that it failed.
                self.perhaps = Some(state);
                return Err(other.map_or_else(End::from, End::from));
            }
        };
        if state.is_none() && self.acknowledged.is_none() {
            assert_eq!(answer.expect(404).code(), "key_not_found");
            return Ok(());
        }
        let version = answer.expect(200).version();
        assert!(version > self.version, "{method} {path}: {version} after {}", self.version);
        self.version = version;
        self.acknowledged = state;
        Ok(())
    }

    /// A write that the node must refuse, each in another way. Its value is in no allowed state, so
    /// that it would be noticed wherever it surfaced.
    fn be_refused(
        &self,
        client: &mut Client,
        path: &str,
        value: &str,
        dice: &mut StdRng,
    ) -> Result<(), End> {
        let stale: &[(&str, &str)] = &[JSON, ("if-match", "\"stale\"")];
        let absent_only: &[(&str, &str)] = &[JSON, ("if-none-match", "*")];
        let present_only: &[(&str, &str)] = &[JSON, ("if-match", "*")];
        let unmet = if self.acknowledged.is_some() { absent_only } else { present_only };
        let body = put_body(value);
        let deep = put_body(&format!("{}{}", "[".repeat(129), "]".repeat(129)));
        let (headers, body, status, code) = match dice.random_range(0..4) {
            0 => (stale, body, 412, "version_mismatch"),
            1 => (unmet, body, 412, "version_mismatch"),
            2 => (&[JSON][..], body[..body.len() - 1].to_owned(), 400, "invalid_json"),
            _ => (&[JSON][..], deep, 400, "invalid_json"),
        };
        let answer = client.call("PUT", path, headers, &body)?;
        if answer.status >= 500 {
            return Err(answer.into());
        }
        let answer = answer.expect(status);
        assert_eq!(answer.code(), code);
        if status == 412 && self.acknowledged.is_some() {
            assert_eq!(answer.etag(), self.version, "a 412 shows the current version");
        }
        Ok(())
    }

    /// What was acknowledged is what is read, at once.
    fn read_back(&self, answer: &Answer) -> Result<(), End> {
        assert_eq!(state_of(answer), self.acknowledged);
        if self.acknowledged.is_some() {
            assert_eq!(answer.etag(), self.version);
        }
        Ok(())
    }

    /// What a restarted node holds against what is known; then that is the known state.
    fn difference(&mut self, key: &str, answer: &Answer) -> Option<String> {
        let state = state_of(answer);
        let before = std::mem::take(self);
        let version = state.as_ref().map(|_| answer.etag());
        self.version = version.clone().unwrap_or_default().max(before.version.clone());
        self.acknowledged.clone_from(&state);
        let same_version = version.is_none_or(|version| version == before.version);
        if state == before.acknowledged && same_version {
            return None;
        }
        let risen = self.version > before.version || state.is_none();
        if before.perhaps.as_ref() == Some(&state) && risen {
            return None;
        }
        Some(format!(
            "{key}: found {} at {}, but acknowledged was {} at {}, under way {:?}",
            shown(&state),
            self.version,
            shown(&before.acknowledged),
            before.version,
            before.perhaps.as_ref().map(shown)
        ))
    }
}

impl Counters {
    fn work(&self, client: &mut Client, dice: &mut StdRng, durability: &str) -> End {
        loop {
            let chosen = dice.random_range(0..COUNTERS);
            if let Err(end) = self.raise(client, chosen, durability) {
                return end;
            }
        }
    }

    fn raise(&self, client: &mut Client, chosen: usize, durability: &str) -> Result<(), End> {
        let path = format!("{}?durability={durability}", counter_path(chosen));
        let present = client.get(&counter_path(chosen))?;
        if present.status >= 500 {
            return Err(present.into());
        }
        let count = count_of(&present);
        let version = if count == 0 { String::new() } else { format!("\"{}\"", present.etag()) };
        let condition =
            if count == 0 { ("if-none-match", "*") } else { ("if-match", version.as_str()) };
        let body = put_body(&(count + 1).to_string());
        match client.call("PUT", &path, &[JSON, condition], &body) {
            Ok(answer) if answer.status == 412 => {}
            Ok(answer) if answer.status < 500 => {
                answer.expect(200);
                self.acknowledged[chosen].fetch_add(1, Ordering::Relaxed);
            }
            other => {
                self.unknown[chosen].fetch_add(1, Ordering::Relaxed);
                return Err(other.map_or_else(End::from, End::from));
            }
        }
        Ok(())
    }

    fn differences(&self, client: &mut Client) -> Vec<String> {
        let differs = |chosen: usize| {
            let count = count_of(&client.get(&counter_path(chosen)).unwrap());
            let least = self.acknowledged[chosen].swap(count, Ordering::Relaxed);
            let most = least + self.unknown[chosen].swap(0, Ordering::Relaxed);
            (!(least..=most).contains(&count))
                .then(|| format!("counter {chosen} is {count}, not in {least}..={most}"))
        };
        (0..COUNTERS).filter_map(differs).collect()
    }
}

fn counter_path(chosen: usize) -> String {
    record_path(COUNTER_TABLE, &chosen.to_string())
}

fn count_of(answer: &Answer) -> u64 {
    state_of(answer).map_or(0, |text| text.parse().unwrap())
}

fn state_of(answer: &Answer) -> State {
    match answer.status {
        404 => {
            assert_eq!(answer.code(), "key_not_found");
            None
        }
        _ => Some(answer.clone().expect(200).value().to_owned()),
    }
}

/// A value that no other write has. Mostly small, sometimes larger than any buffer; its blanks and the
/// text of its number must survive as they are.
fn unique_value(writer: usize, write: u64, dice: &mut StdRng) -> String {
    let filler = if dice.random_ratio(1, 50) {
        dice.random_range(10_000..300_000)
    } else {
        dice.random_range(0..700)
    };
    let filler = "lorem ipsum ".repeat(filler / 12);
    format!("{{ \"writer\":{writer}, \"write\" : {write},\"text\":\"{filler}\",\"n\":1.50e+0 }}")
}

/// A state, short enough to be read.
fn shown(state: &State) -> String {
    match state {
        None => "absence".to_owned(),
        Some(text) => {
            format!("{} ({} bytes)", text.chars().take(40).collect::<String>(), text.len())
        }
    }
}
