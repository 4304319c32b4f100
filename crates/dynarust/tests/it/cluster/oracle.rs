//! What is known of the records that many writers share, and what must never be seen of them.
//!
//! Each PUT has a value that no other has, so whoever sees it knows whose it is. Of each key the laws are:
//! - the last record is the acknowledged write of the highest version, or one whose outcome is unknown
//!   and whose version is higher still; so none that was acknowledged is lost, and none deleted returns;
//! - a write that was refused is never seen, and a version stands for one write only;
//! - where all is [`Promise::Fresh`], a read shows no older version than any that was acknowledged, or
//!   read, before it was sent; and a write gets a higher one.
//!
//! A law that is broken is kept, with all that is known of the key, until the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::agreement::View;
use crate::client::Answer;

const VIOLATIONS_SHOWN: usize = 20;

/// What reads are held against while the writers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// A majority of owners is alive and connected, at each moment.
    Fresh,
    /// Nodes are apart: each goes its own way for a while.
    Convergent,
}

/// A PUT's name: who wrote it, and the how-many-th write of that writer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub(crate) struct WriteId {
    pub(crate) writer: usize,
    pub(crate) write: u64,
}

impl WriteId {
    /// The value that says who wrote it, some hundred bytes long.
    pub(crate) fn value(self) -> String {
        let filler = "lorem ipsum ".repeat(usize::try_from(self.write % 40).unwrap_or_default());
        format!(r#"{{"writer":{},"write":{},"text":"{filler}"}}"#, self.writer, self.write)
    }

    fn of(value: &str) -> Option<WriteId> {
        serde_json::from_str(value).ok()
    }
}

/// What a writer wants of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Put(WriteId),
    Delete,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Acknowledged, with this version.
    Acknowledged(String),
    /// It may have taken effect, or take effect still.
    Maybe,
    /// It has not, and never will.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    UnderWay,
    Settled(Outcome),
}

/// A write that was acknowledged: its version, and the PUT; none is a delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stands {
    version: String,
    put: Option<WriteId>,
}

/// The acknowledged write of the highest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) version: String,
    /// It is a delete, or one may stand above it.
    pub(crate) may_be_gone: bool,
}

#[derive(Debug, Default)]
struct Key {
    puts: HashMap<WriteId, Fate>,
    /// Whose each version is, of all that were acknowledged or seen.
    versions: HashMap<String, WriteId>,
    highest: Stands,
    highest_delete: String,
    /// Deletes that are under way, or whose outcome is unknown.
    deletes_open: u64,
    /// The highest version that any read has shown.
    seen: String,
}

impl Key {
    fn floor(&self) -> String {
        self.highest.version.clone().max(self.seen.clone())
    }

    /// What is wrong with seeing this record; it is remembered as seen.
    fn see(&mut self, version: &str, value: &str) -> Option<String> {
        let id = WriteId::of(value);
        let fate = id.and_then(|id| self.puts.get(&id));
        let (Some(id), Some(fate)) = (id, fate) else {
            return Some(format!("nobody wrote it: {version} {value}"));
        };
        let owner = *self.versions.entry(version.to_owned()).or_insert(id);
        self.seen = std::mem::take(&mut self.seen).max(version.to_owned());
        match fate {
            _ if owner != id => Some(format!("{version} is {owner:?} and {id:?}")),
            Fate::Settled(Outcome::Refused) => {
                Some(format!("{id:?} was refused, and is there at {version}"))
            }
            // A write that met a newer one is stamped again: a read that was under way may show it at its
            // first stamp. Whether that is stale is another question.
            Fate::Settled(Outcome::Acknowledged(own)) if own.as_str() < version => {
                Some(format!("{id:?} was acknowledged at {own}, and is there at {version}"))
            }
            _ => None,
        }
    }

    /// A delete that stands above this version, or may.
    fn may_be_deleted_above(&self, floor: &str) -> bool {
        self.deletes_open > 0 || self.highest_delete.as_str() >= floor
    }

    fn known(&self) -> String {
        format!(
            "highest acknowledged {:?}, highest delete {:?}, deletes open {}, seen {:?}",
            self.highest, self.highest_delete, self.deletes_open, self.seen
        )
    }
}

/// What is known of a table's records.
#[derive(Debug)]
pub(crate) struct Oracle {
    promise: Promise,
    keys: Vec<Mutex<Key>>,
    violations: Mutex<Vec<String>>,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) unknown: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// The name of a record.
pub(crate) fn key_name(key: usize) -> String {
    format!("key/{key:06}")
}

impl Oracle {
    pub(crate) fn new(keys: usize, promise: Promise) -> Oracle {
        Oracle {
            promise,
            keys: (0..keys).map(|_| Mutex::default()).collect(),
            violations: Mutex::default(),
            acknowledged: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    fn key(&self, key: usize) -> MutexGuard<'_, Key> {
        self.keys[key].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called before a request is sent: what its answer must not fall below.
    pub(crate) fn floor(&self, key: usize) -> String {
        self.key(key).floor()
    }

    /// What whoever follows a key must come to hear of, if nothing newer.
    pub(crate) fn newest(&self, key: usize) -> Newest {
        let known = self.key(key);
        let version = known.highest.version.clone();
        Newest { may_be_gone: known.may_be_deleted_above(&version), version }
    }

    /// A write is about to be sent.
    pub(crate) fn begin(&self, key: usize, wish: Wish) -> String {
        let mut known = self.key(key);
        match wish {
            Wish::Put(id) => _ = known.puts.insert(id, Fate::UnderWay),
            Wish::Delete => known.deletes_open += 1,
        }
        known.floor()
    }

    /// It was answered, or never will be. `floor` is what [`Oracle::begin`] gave.
    pub(crate) fn settle(&self, key: usize, wish: Wish, floor: &str, outcome: Outcome) {
        let count = match outcome {
            Outcome::Acknowledged(_) => &self.acknowledged,
            Outcome::Maybe => &self.unknown,
            Outcome::Refused => &self.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let mut known = self.key(key);
        let mut wrong = None;
        if let Outcome::Acknowledged(version) = &outcome {
            if self.promise == Promise::Fresh && version.as_str() <= floor {
                wrong = Some(format!("{wish:?} got {version}, not above {floor}"));
            }
            let put = if let Wish::Put(id) = wish { Some(id) } else { None };
            if let Some(id) = put {
                let owner = *known.versions.entry(version.clone()).or_insert(id);
                if owner != id {
                    wrong = Some(format!("{version} is {owner:?} and {id:?}"));
                }
            } else {
                known.highest_delete =
                    std::mem::take(&mut known.highest_delete).max(version.clone());
            }
            if *version > known.highest.version {
                known.highest = Stands { version: version.clone(), put };
            }
        }
        match wish {
            Wish::Put(id) => _ = known.puts.insert(id, Fate::Settled(outcome)),
            Wish::Delete if outcome != Outcome::Maybe => known.deletes_open -= 1,
            Wish::Delete => {}
        }
        drop(known);
        self.complain(key, wrong);
    }

    /// What a read at the default consistency has shown; `floor` was taken before it was sent.
    pub(crate) fn read(&self, key: usize, floor: &str, answer: &Answer) {
        let mut known = self.key(key);
        let fresh = self.promise == Promise::Fresh;
        let wrong = if answer.status == 200 {
            let version = answer.etag();
            let stale = fresh && version.as_str() < floor;
            let wrong = known.see(&version, answer.value());
            wrong.or_else(|| stale.then(|| format!("read {version}, below {floor}")))
        } else {
            let lost = fresh && !known.may_be_deleted_above(floor);
            lost.then(|| format!("read nothing, and {floor} was there"))
        };
        let wrong = wrong.map(|wrong| format!("{wrong}; {}", known.known()));
        drop(known);
        self.complain(key, wrong);
    }

    /// A law was broken, if it was.
    pub(crate) fn complain(&self, key: usize, wrong: Option<String>) {
        let Some(wrong) = wrong else { return };
        let wrong = format!("{}: {wrong}", key_name(key));
        let mut violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        if violations.len() < VIOLATIONS_SHOWN {
            eprintln!("!! {wrong}");
        }
        violations.push(wrong);
    }

    /// Whatever was seen that must not be, and whatever is wrong with these last records.
    pub(crate) fn violations(&self, last: &View) -> Vec<String> {
        let named: BTreeMap<String, usize> =
            (0..self.keys.len()).map(|key| (key_name(key), key)).collect();
        let mut found = self.violations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let foreign = last.keys().filter(|name| !named.contains_key(*name));
        found.extend(foreign.map(|name| format!("{name}: nobody writes that key")));
        for (name, &key) in &named {
            let mut known = self.key(key);
            let highest = known.highest.clone();
            let wrong = match last.get(name) {
                None => {
                    let lost = highest.put.is_some() && known.deletes_open == 0;
                    lost.then(|| "it is absent at the end".to_owned())
                }
                Some(seen) => known.see(&seen.version, &seen.value).or_else(|| {
                    let lost = seen.version < highest.version;
                    let returned = seen.version == highest.version && highest.put.is_none();
                    (lost || returned).then(|| format!("{} is there at the end", seen.version))
                }),
            };
            found.extend(wrong.map(|wrong| format!("{name}: {wrong}; {}", known.known())));
        }
        found
    }

    /// Panics where any law was broken.
    #[track_caller]
    pub(crate) fn assert_kept(&self, last: &View) {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (acknowledged, unknown) = (count(&self.acknowledged), count(&self.unknown));
        let refused = count(&self.refused);
        eprintln!("writes: {acknowledged} acknowledged, {unknown} unknown, {refused} refused");
        let violations = self.violations(last);
        let shown = &violations[..violations.len().min(VIOLATIONS_SHOWN)];
        assert!(violations.is_empty(), "{} laws broken: {shown:#?}", violations.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::Seen;

    const FIRST: WriteId = WriteId { writer: 1, write: 1 };
    const SECOND: WriteId = WriteId { writer: 2, write: 1 };

    fn done(oracle: &Oracle, wish: Wish, outcome: Outcome) {
        let floor = oracle.begin(0, wish);
        oracle.settle(0, wish, &floor, outcome);
    }

    fn at(version: &str) -> Outcome {
        Outcome::Acknowledged(version.to_owned())
    }

    fn last(version: &str, id: WriteId) -> View {
        let seen = Seen { value: id.value(), version: version.to_owned() };
        View::from([(key_name(0), seen)])
    }

    #[track_caller]
    fn assert_found(oracle: &Oracle, last: &View, word: &str) {
        let found = oracle.violations(last);
        assert!(found.len() == 1 && found[0].contains(word), "no {word:?} alone in {found:?}");
    }

    #[test]
    fn a_loss_is_found() {
        let oracle = Oracle::new(1, Promise::Fresh);
        done(&oracle, Wish::Put(FIRST), at("1"));
        done(&oracle, Wish::Put(SECOND), at("2"));
        assert_eq!(oracle.violations(&last("2", SECOND)), Vec::<String>::new());
        assert_found(&oracle, &last("1", FIRST), "1 is there at the end");
        assert_found(&oracle, &View::new(), "absent");
        assert_found(&oracle, &last("2", FIRST), "2 is");
        assert_found(&oracle, &last("3", SECOND), "acknowledged at 2");
        assert_found(&oracle, &last("4", WriteId { writer: 9, write: 9 }), "nobody wrote it");
    }

    #[test]
    fn a_return_of_what_was_deleted_is_found() {
        let oracle = Oracle::new(1, Promise::Fresh);
        done(&oracle, Wish::Put(FIRST), at("1"));
        done(&oracle, Wish::Delete, at("2"));
        assert_eq!(oracle.violations(&View::new()), Vec::<String>::new());
        assert_found(&oracle, &last("1", FIRST), "1 is there at the end");
    }

    #[test]
    fn what_is_unknown_may_be_either_way_and_what_was_refused_may_not() {
        let oracle = Oracle::new(1, Promise::Fresh);
        done(&oracle, Wish::Put(FIRST), at("1"));
        done(&oracle, Wish::Put(SECOND), Outcome::Maybe);
        assert_eq!(oracle.violations(&last("1", FIRST)), Vec::<String>::new());
        assert_eq!(oracle.violations(&last("2", SECOND)), Vec::<String>::new());
        assert_found(&oracle, &View::new(), "absent");
        done(&oracle, Wish::Delete, Outcome::Maybe);
        assert_eq!(oracle.violations(&View::new()), Vec::<String>::new());
        let third = WriteId { writer: 3, write: 1 };
        done(&oracle, Wish::Put(third), Outcome::Refused);
        assert_found(&oracle, &last("3", third), "refused");
    }

    #[test]
    fn a_step_back_is_found() {
        let oracle = Oracle::new(1, Promise::Fresh);
        done(&oracle, Wish::Put(FIRST), at("2"));
        done(&oracle, Wish::Put(SECOND), at("1"));
        assert_found(&oracle, &last("2", FIRST), "not above 2");
        let apart = Oracle::new(1, Promise::Convergent);
        done(&apart, Wish::Put(FIRST), at("2"));
        done(&apart, Wish::Put(SECOND), at("1"));
        assert_eq!(apart.violations(&last("2", FIRST)), Vec::<String>::new());
    }
}
