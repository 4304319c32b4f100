//! Convergent: all copies of a record become equal (design section 1).

use std::collections::BTreeMap;

use dynarust_core::{RecordName, Stored};
use dynarust_history::{Final, Seen};
use dynarust_store::{Store, WallClock};

use crate::client::TABLE;
use crate::machine::Machine;
use crate::workload::Keys;

/// What a node has of a key.
async fn held(machine: &Machine, key: &str) -> Option<(Option<Seen>, bool)> {
    let store = machine.store()?;
    let name = RecordName::parse(TABLE, key).ok()?;
    let stored = store.get(name).await;
    Some(match stored {
        Ok(stored) => (stored.map(|stored| seen(&stored, machine.clock.now())), true),
        Err(_) => (None, false),
    })
}

fn seen(stored: &Stored, now: u64) -> Seen {
    let record = &stored.record;
    if record.is_live(now) {
        Seen::of(record.version, &String::from_utf8_lossy(&record.value))
    } else {
        Seen::Absent { version: Some(record.version) }
    }
}

/// Where copies that are there differ; a copy that cannot be read does.
pub(crate) async fn differences(machines: &[Machine], keys: &Keys) -> Vec<String> {
    let mut differences = Vec::new();
    for key in keys.all() {
        let mut copies = BTreeMap::new();
        for machine in machines {
            if let Some((seen, sound)) = held(machine, &key).await {
                if !sound {
                    differences.push(format!("{key} cannot be read at node {}", machine.number));
                }
                if let Some(seen) = seen {
                    copies.insert(machine.number, seen);
                }
            }
        }
        // Those who forgot a delete already have nothing; what is there is the same.
        let mut different: Vec<_> = copies.values().collect();
        different.dedup();
        if different.len() > 1 {
            differences.push(format!("{key}: {copies:?}"));
        }
    }
    differences
}

/// What each node that has a copy says of each key.
pub(crate) async fn finals(machines: &[Machine], keys: &Keys) -> Vec<Final> {
    let mut finals = Vec::new();
    for key in keys.all() {
        for machine in machines {
            if let Some((Some(seen), _)) = held(machine, &key).await {
                let node = u32::try_from(machine.number).unwrap_or(u32::MAX);
                let at = crate::time::nanos();
                finals.push(Final { node, at, key: key.clone(), seen });
            }
        }
    }
    finals
}
