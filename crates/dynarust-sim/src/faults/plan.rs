//! From a seed to a plan.

use std::time::Duration;

use super::{Climate, Event, Fault};
use crate::dice::{Dice, Part};
use crate::settings::Form;
use crate::workload::AT_REST_COUNT;

/// All that is to happen.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) climate: Climate,
    /// Nodes at the beginning.
    pub(crate) nodes: usize,
    /// Owners of each record.
    pub(crate) replication: u8,
    /// Who is away for some seconds is evicted.
    pub(crate) evicts: bool,
    /// By when they begin. Where only one is to happen at a time, each waits for the one before.
    pub(crate) events: Vec<Event>,
}

impl Plan {
    /// Whether each event waits until all is well behind the one before.
    pub(crate) fn one_at_a_time(&self) -> bool {
        matches!(self.climate, Climate::Minority | Climate::Members | Climate::Rot)
    }

    /// Whether some clock is ever wrong.
    pub(crate) fn moves_clocks(&self) -> bool {
        let mut faults = self.events.iter().map(|event| &event.fault);
        faults.any(|fault| matches!(fault, Fault::ClockStep { .. } | Fault::ClockDrift { .. }))
    }
}

/// The plan of a seed.
pub(crate) fn plan(seed: u64, form: Form) -> Plan {
    let mut dice = Dice::of(seed, Part::Plan, 0);
    let climate = match dice.between(0, 100) {
        0..4 => Climate::Calm,
        4..35 => Climate::Minority,
        35..68 => Climate::Storm,
        68..92 => Climate::Members,
        _ => Climate::Rot,
    };
    let nodes = match climate {
        Climate::Minority => dice.one(&[2, 3, 3, 4, 5]),
        Climate::Rot => dice.one(&[3, 3, 4, 5]),
        Climate::Members => dice.one(&[2, 3, 3, 4]),
        Climate::Calm | Climate::Storm => dice.one(&[2, 3, 3, 3, 4, 5]),
    };
    let nodes = nodes.unwrap_or(3);
    let last = form.faults_last();
    let mut events = Vec::new();
    let mut at = Duration::from_millis(dice.between(0, 1500));
    while climate != Climate::Calm && at < last {
        let fault = fault(&mut dice, climate, nodes);
        let lasts = Duration::from_millis(match dice.between(0, 10) {
            0..4 => dice.between(50, 1500),
            4..8 => dice.between(500, 5000),
            _ => dice.between(3000, 12_000),
        });
        events.push(Event { number: events.len(), at, lasts, fault, beside: None });
        at += Duration::from_millis(match climate {
            Climate::Storm => dice.between(50, 3000),
            _ => dice.between(100, 2500),
        });
    }
    let mut replication = 3;
    if climate == Climate::Members {
        clone_some(&mut Dice::of(seed, Part::Plan, 2), &mut events, nodes);
        replication = match Dice::of(seed, Part::Plan, 4).between(0, 100) {
            0..15 => 1,
            15..40 => 2,
            _ => 3,
        };
    }
    if replication == 1 {
        spare_only_copies(&mut events);
    }
    let evicts =
        climate == Climate::Members && replication > 1 && Dice::of(seed, Part::Plan, 6).percent(40);
    // Who is evicted may come back empty: one at a time.
    if climate == Climate::Members && !evicts {
        hamper_some(&mut Dice::of(seed, Part::Plan, 5), &mut events, nodes);
    }
    Plan { climate, nodes, replication, evicts, events }
}

/// No disk goes for good that may have the only copy of something.
fn spare_only_copies(events: &mut [Event]) {
    for event in events {
        if let Fault::Wipe(node) | Fault::Remove(node) | Fault::Clone { node, .. } = event.fault {
            event.fault = Fault::Leave(node);
        }
    }
}

/// While some come, go, or are made anew, something happens to one of the nodes that are to have what they had.
fn hamper_some(dice: &mut Dice, events: &mut [Event], nodes: usize) {
    for event in events {
        let changed = match event.fault {
            Fault::Join(node) | Fault::Leave(node) | Fault::Remove(node) | Fault::Wipe(node) => {
                node
            }
            _ => continue,
        };
        if dice.percent(50) {
            continue;
        }
        let comes = matches!(event.fault, Fault::Join(_));
        let node = match comes && dice.percent(60) {
            true => changed,
            false => (changed + 1 + dice.below(nodes.saturating_sub(1))) % nodes,
        };
        event.beside = Some(match dice.between(0, 6) {
            0 => Fault::Kill(node),
            1 => Fault::Pause(node),
            2 => Fault::Isolate(node),
            3 => Fault::Deaf { node, hears: dice.percent(50) },
            4 => Fault::PowerCut(vec![node]),
            _ => weather(dice, node, nodes),
        });
        // Long enough for what moves to be dropped meanwhile.
        event.lasts = event.lasts.max(Duration::from_millis(dice.between(500, 16_000)));
    }
}

/// Some of those whose disks are to be lost have them copied instead.
fn clone_some(dice: &mut Dice, events: &mut [Event], nodes: usize) {
    for event in events {
        if let Fault::Wipe(node) = event.fault
            && dice.percent(30)
        {
            event.fault = Fault::Clone {
                node,
                // Nobody else is ever there.
                at: nodes + 2,
                copy_first: dice.percent(30),
                apart_millis: dice.between(0, 3000),
            };
        }
    }
}

fn fault(dice: &mut Dice, climate: Climate, nodes: usize) -> Fault {
    match climate {
        Climate::Members if dice.percent(55) => of_members(dice, nodes),
        Climate::Rot if dice.percent(60) => {
            Fault::Flip { node: dice.below(nodes), key: dice.below(AT_REST_COUNT) }
        }
        Climate::Storm => of_storm(dice, nodes),
        _ => of_one(dice, nodes),
    }
}

/// To one node.
fn of_one(dice: &mut Dice, nodes: usize) -> Fault {
    let node = dice.below(nodes);
    match dice.between(0, 15) {
        0 | 1 => Fault::Kill(node),
        2 => Fault::Restart(node),
        3 | 4 => Fault::PowerCut(vec![node]),
        5 => Fault::PowerCutInSync(node),
        6 | 7 => Fault::Pause(node),
        8 => Fault::Isolate(node),
        9 | 10 => Fault::Deaf { node, hears: dice.percent(50) },
        11 => clock_step(dice, node),
        12 => match dice.between(0, 3) {
            0 => Fault::FullDisk(node),
            1 => Fault::FailingSync(node),
            _ => Fault::SlowDisk { node, millis_max: dice.between(20, 800) },
        },
        13 => weather(dice, node, nodes),
        _ => Fault::Reset { one: node, other: other(dice, node, nodes) },
    }
}

fn of_storm(dice: &mut Dice, nodes: usize) -> Fault {
    match dice.between(0, 20) {
        0..=2 => Fault::Split(some(dice, nodes)),
        3..=5 => {
            let from = dice.below(nodes);
            Fault::CutOneWay { from, to: other(dice, from, nodes) }
        }
        6 => Fault::PowerCut((0..nodes).collect()),
        7 => Fault::PowerCut(some(dice, nodes)),
        8 => {
            let millionths = dice.between(0, 100_000) as i64 - 50_000;
            Fault::ClockDrift { node: dice.below(nodes), millionths }
        }
        9 => {
            let one = dice.below(nodes);
            weather(dice, one, nodes)
        }
        _ => of_one(dice, nodes),
    }
}

fn of_members(dice: &mut Dice, nodes: usize) -> Fault {
    let node = dice.below(nodes);
    match dice.between(0, 10) {
        0..=2 => Fault::Join(nodes + dice.below(2)),
        3 | 4 => Fault::Leave(node),
        5 | 6 => Fault::Remove(node),
        _ => Fault::Wipe(node),
    }
}

fn clock_step(dice: &mut Dice, node: usize) -> Fault {
    let far = match dice.between(0, 4) {
        0 => dice.between(10, 450),
        1 => dice.between(450, 2000),
        2 => dice.between(2000, 60_000),
        _ => 3_600_000,
    };
    let far = i64::try_from(far).unwrap_or(0);
    Fault::ClockStep { node, millis: if dice.percent(50) { far } else { -far } }
}

fn weather(dice: &mut Dice, one: usize, nodes: usize) -> Fault {
    Fault::Weather {
        one,
        other: other(dice, one, nodes),
        delay_millis_max: dice.between(1, 700),
        loss_percent: u32::try_from(dice.between(0, 40)).unwrap_or(0),
    }
}

fn other(dice: &mut Dice, node: usize, nodes: usize) -> usize {
    (node + 1 + dice.below(nodes.saturating_sub(1))) % nodes
}

/// Some of the nodes: at least one, and not all.
fn some(dice: &mut Dice, nodes: usize) -> Vec<usize> {
    let first = dice.below(nodes);
    let count = 1 + dice.below(nodes.saturating_sub(1));
    (0..count).map(|nth| (first + nth) % nodes).collect()
}
