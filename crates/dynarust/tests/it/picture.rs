//! What a reader holds of what it follows, as its stream has told it.
//!
//! Its laws: per key, versions never fall, equal versions carry the same record, and what is gone does not come back
//! at its version; what a `reset`'s state does not repeat is gone; the picture ends up equal to the table.

use std::collections::{BTreeMap, BTreeSet};

use crate::events::Change;
use crate::mirror::Seen;

/// See the module. A record's name is what its reader calls it.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    /// Deleted records are here too, with their version and no value.
    records: BTreeMap<String, (Option<String>, String)>,
    /// The names told since a `reset`, until its `ready`.
    retold: Option<BTreeSet<String>>,
    pub(crate) been_ready: bool,
}

impl Picture {
    /// Something was told of a record; tells what is wrong with that.
    pub(crate) fn take(&mut self, name: String, change: Change) -> Result<(), String> {
        let Change { value, version, deleted, .. } = change;
        if deleted != value.is_none() {
            return Err(format!("{name}: deleted ({deleted}), with the value {value:?}"));
        }
        let wrong = self.records.get(&name).and_then(|(held, at)| {
            if version < *at {
                return Some(format!("{name}: back to {version} from {at}"));
            }
            let other = version == *at && value != *held;
            other.then(|| format!("{name}: {version} is {value:?}, and was {held:?}"))
        });
        if let Some(retold) = &mut self.retold {
            retold.insert(name.clone());
        }
        self.records.insert(name, (value, version));
        wrong.map_or(Ok(()), Err)
    }

    /// All that is there was told.
    pub(crate) fn ready(&mut self) {
        self.been_ready = true;
        if let Some(retold) = self.retold.take() {
            for (name, (value, _)) in &mut self.records {
                if !retold.contains(name) {
                    *value = None;
                }
            }
        }
    }

    /// All is told anew.
    pub(crate) fn reset(&mut self) {
        self.retold = Some(BTreeSet::new());
    }

    /// What was told so far is no floor for what comes: of several nodes one may begin anew that is behind.
    pub(crate) fn forget_versions(&mut self) {
        self.records.values_mut().for_each(|(_, version)| version.clear());
    }

    /// Whether it is told that this is all that is there, up to changes.
    pub(crate) fn is_whole(&self) -> bool {
        self.been_ready && self.retold.is_none()
    }

    /// Whether it has this version of a record or a newer one; or none, where the record may be gone.
    pub(crate) fn holds(&self, name: &str, version: &str, may_be_gone: bool) -> bool {
        let (value, at) = self.records.get(name).cloned().unwrap_or_default();
        at.as_str() >= version || may_be_gone && value.is_none()
    }

    /// The names under which it has something else than these records.
    pub(crate) fn unlike<'a>(
        &'a self,
        table: &'a BTreeMap<String, Seen>,
    ) -> impl Iterator<Item = &'a String> {
        let own = |name| match self.records.get(name) {
            Some((Some(value), version)) => Some((version, value)),
            _ => None,
        };
        let names: BTreeSet<&String> = self.records.keys().chain(table.keys()).collect();
        names.into_iter().filter(move |name| {
            own(*name) != table.get(*name).map(|seen| (&seen.version, &seen.value))
        })
    }

    /// Whether it has just these records.
    pub(crate) fn is(&self, table: &BTreeMap<String, Seen>) -> bool {
        self.unlike(table).next().is_none()
    }
}
