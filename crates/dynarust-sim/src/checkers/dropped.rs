//! No copy is dropped early: where a record goes from a node that runs, each of those that own it by then has it
//! (design section 4).
//!
//! What is dropped is gone by the end, and by then others have it again: so this looks while things move.

use std::collections::BTreeMap;
use std::time::Duration;

use dynarust_core::limits::WEIGHT_DEFAULT;
use dynarust_core::{
    Incarnation, Member, MemberState, NodeId, Partition, PartitionSet, RecordName, Version,
    placement,
};
use dynarust_node::{Node, Status};
use dynarust_store::{ReadError, Store, WallClock};
use tokio::time::Instant;

use crate::client::TABLE;
use crate::machine::Machine;
use crate::workload::Keys;

/// What was seen longer ago tells nothing of what has gone since.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// Others may take a machine that is down for one that is there for so long.
const NOTICED_WITHIN: Duration = Duration::from_secs(3);

/// What the machines had when they were last looked at.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    seen: BTreeMap<usize, Held>,
    /// Copies that have gone, and were judged.
    pub(crate) judged: u64,
}

/// What a machine had of the keys.
#[derive(Debug)]
struct Held {
    /// Of which of its disks, and by which of its processes.
    disk: u64,
    start: u64,
    node: NodeId,
    /// When it was looked at, and when it last answered.
    at: Instant,
    answered: Instant,
    /// Something moves here.
    moves: bool,
    records: BTreeMap<String, Copy>,
}

#[derive(Debug, Clone, Copy)]
struct Copy {
    /// None where it cannot be read.
    version: Option<Version>,
    is_live: bool,
}

impl Drops {
    /// What is wrong since the last look. What lies where nothing moves is looked at only before something
    /// happens, which is for the caller to say.
    pub(crate) async fn look(
        &mut self,
        machines: &[Machine],
        keys: &Keys,
        replication: u8,
        something_happens: bool,
    ) -> Vec<String> {
        let now = Instant::now();
        let mut wrong = Vec::new();
        for machine in machines.iter().filter(|machine| machine.answers()) {
            let Some(node) = machine.node() else { continue };
            let stats = node.stats().cluster;
            let moves = stats.partitions_surplus > 0 || stats.partitions_dropping > 0;
            let before = self.seen.get_mut(&machine.number);
            let before = before.filter(|it| it.is_of(machine)).map(|held| {
                held.answered = now;
                &*held
            });
            let moved = before.is_some_and(|before| before.moves);
            if !(moves || moved || something_happens) {
                continue;
            }
            let records = held(machine, keys).await;
            let gone = before.filter(|it| now - it.at <= SEEN_WITHIN).map(|it| it.gone(&records));
            for (key, version) in gone.unwrap_or_default() {
                wrong.extend(self.judge(machine, machines, &key, version, replication).await);
            }
            let (disk, start, node) = (machine.disks(), machine.starts(), node.id());
            let held = Held { disk, start, node, at: now, answered: now, moves, records };
            self.seen.insert(machine.number, held);
        }
        wrong
    }

    /// What is wrong, where a machine has dropped its copy of a key, at that version.
    async fn judge(
        &mut self,
        machine: &Machine,
        machines: &[Machine],
        key: &str,
        version: Version,
        replication: u8,
    ) -> Option<String> {
        let node = machine.node()?;
        let owners = owners(node, key, replication)?;
        // What it is to own again it takes in anew.
        if owners.contains(&node.id()) {
            return None;
        }
        self.judged += 1;
        let mut lacking = Vec::new();
        for owner in owners {
            let other = machines.iter().find(|it| self.id_of(it) == Some(owner));
            // Of one that was never looked at nothing is known.
            if let Some(other) = other
                && !self.has(other, key, version).await
            {
                lacking.push(other.number);
            }
        }
        let number = machine.number;
        (!lacking.is_empty()).then(|| {
            format!(
                "dropped: {key} at {version} is gone from node {number}, and {lacking:?}, which own it, have it not"
            )
        })
    }

    /// The node that runs on a machine, or ran there when it was last looked at.
    fn id_of(&self, machine: &Machine) -> Option<NodeId> {
        let seen = self.seen.get(&machine.number).filter(|it| it.disk == machine.disks());
        machine.node().map(|node| node.id()).or(seen.map(|it| it.node))
    }

    /// Whether a machine has that version of the key, or a later one, on its disk.
    async fn has(&self, machine: &Machine, key: &str, version: Version) -> bool {
        if machine.answers() {
            let copy = copy(machine, key).await;
            // What cannot be read is another checker's.
            return copy.is_err()
                || copy.ok().flatten().is_some_and(|it| it.version >= Some(version));
        }
        let Some(seen) = self.seen.get(&machine.number).filter(|it| it.disk == machine.disks())
        else {
            return false;
        };
        seen.answered.elapsed() <= NOTICED_WITHIN
            || seen.records.get(key).is_some_and(|copy| copy.version >= Some(version))
    }
}

impl Held {
    fn is_of(&self, machine: &Machine) -> bool {
        (self.disk, self.start) == (machine.disks(), machine.starts())
    }

    /// What was there, and is not any more, not even as something deleted.
    fn gone(&self, now: &BTreeMap<String, Copy>) -> Vec<(String, Version)> {
        let live = self.records.iter().filter(|(_, copy)| copy.is_live);
        // What expires goes from all of them.
        let lasting = live.filter(|(key, _)| !key.starts_with('e'));
        let gone = lasting.filter(|(key, _)| !now.contains_key(*key));
        gone.filter_map(|(key, copy)| Some((key.clone(), copy.version?))).collect()
    }
}

async fn held(machine: &Machine, keys: &Keys) -> BTreeMap<String, Copy> {
    let mut records = BTreeMap::new();
    for key in keys.all() {
        match copy(machine, &key).await {
            Ok(Some(copy)) => drop(records.insert(key, copy)),
            Ok(None) => {}
            // What cannot be read has not gone.
            Err(_) => drop(records.insert(key, Copy { version: None, is_live: false })),
        }
    }
    records
}

async fn copy(machine: &Machine, key: &str) -> Result<Option<Copy>, ReadError> {
    let Some((store, name)) = machine.store().zip(RecordName::parse(TABLE, key).ok()) else {
        return Ok(None);
    };
    let stored = store.get(name).await?;
    Ok(stored.map(|stored| {
        let is_live = stored.record.is_live(machine.clock.now());
        Copy { version: Some(stored.record.version), is_live }
    }))
}

/// Who is to own a key, as this node sees the cluster.
fn owners(node: &Node, key: &str, replication: u8) -> Option<Vec<NodeId>> {
    let name = RecordName::parse(TABLE, key).ok()?;
    let members = node.membership().members;
    let members = members.iter().filter(|member| member.status != Status::Leaving);
    let members: Vec<Member> = members
        .map(|member| Member {
            id: member.id,
            incarnation: Incarnation(member.incarnation),
            revision: 1,
            address: member.address.as_str().into(),
            zone: None,
            weight: WEIGHT_DEFAULT,
            state: MemberState::Up,
            serves: PartitionSet::default(),
            dropped: PartitionSet::default(),
        })
        .collect();
    Some(placement::owners(Partition::of(&name), &members, replication))
}
