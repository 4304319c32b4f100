//! What a fault does to the world when it begins, and when it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use dynarust_node::Status;
use tokio::time::Instant;

use super::{Event, Fault};
use crate::network::Weather;
use crate::trace::tell;
use crate::world::World;

/// How long it may take until a node that was killed is seen as down.
const SEEN_DOWN_WITHIN: Duration = Duration::from_secs(15);
/// How long two with one id may both run.
const CLONE_NOTICED_WITHIN: Duration = Duration::from_secs(30);
/// So long behind its write a record is surely at rest.
const AT_REST_BEHIND: Duration = Duration::from_secs(10);

impl World {
    /// It happens from now on.
    pub(crate) async fn begin(&mut self, event: Event) {
        self.check_on_the_way(true).await;
        tell!(self.trace, "begins: {event}");
        self.disturbances.begin();
        *self.happened.entry(event.fault.kind().to_owned()).or_default() += 1;
        self.active.insert(event.number, event.clone());
        self.set_weather();
        match event.fault {
            Fault::Kill(node) => self.with(node, |it| drop(it.kill())),
            Fault::Restart(node) => self.with(node, |it| it.ask_to_stop()),
            Fault::PowerCut(nodes) => {
                self.power_failed = true;
                nodes.into_iter().for_each(|node| self.with(node, |it| drop(it.cut_power())));
            }
            Fault::PowerCutInSync(node) => {
                self.power_failed = true;
                self.with(node, |it| it.disk.cut_power_in_sync());
            }
            Fault::Pause(node) => self.with(node, |it| it.pause(true)),
            Fault::ClockStep { node, millis } => {
                self.skew_millis_max = self.skew_millis_max.max(millis.unsigned_abs());
                self.with(node, |it| it.clock.step(millis));
            }
            Fault::ClockDrift { node, millionths } => {
                self.skew_millis_max = self.skew_millis_max.max(2000);
                self.with(node, |it| it.clock.set_drift(millionths));
            }
            Fault::SlowDisk { node, millis_max } => self.with(node, |it| it.disk.slow(millis_max)),
            Fault::FullDisk(node) => self.with(node, |it| it.disk.fill(true)),
            Fault::FailingSync(node) => self.with(node, |it| it.disk.fail_sync()),
            Fault::Flip { node, key } => {
                let key = self.keys.at_rest(key, AT_REST_BEHIND);
                // The next copy only once the one before is mended: else no majority is sound.
                let others = self.machines.iter().filter(|it| it.number != node);
                if !others.into_iter().any(|it| it.is_rotten(&key)) {
                    self.with(node, |it| it.flip(&key));
                }
            }
            Fault::Join(node) => {
                while self.machines.len() <= node {
                    self.add_machine();
                }
                self.start(node);
            }
            Fault::Leave(node) => self.leave(node).await,
            Fault::Remove(node) => self.remove(node).await,
            Fault::Wipe(node) => self.wipe(node).await,
            Fault::Clone { node, at, copy_first, apart_millis } => {
                let apart = Duration::from_millis(apart_millis);
                let (first, second) = if copy_first { (at, node) } else { (node, at) };
                if self.copy(node, at) {
                    self.start_both(first, second, apart).await;
                }
            }
            Fault::Reset { one, other } => self.net.reset(one, other),
            Fault::CutOneWay { .. }
            | Fault::Deaf { .. }
            | Fault::Isolate(_)
            | Fault::Split(_)
            | Fault::Weather { .. } => {}
        }
    }

    /// It is over.
    pub(crate) fn end(&mut self, number: usize) {
        let Some(event) = self.active.remove(&number) else {
            return;
        };
        tell!(self.trace, "ends: {event}");
        self.set_weather();
        match event.fault {
            Fault::Kill(node)
            | Fault::Restart(node)
            | Fault::FailingSync(node)
            | Fault::Remove(node) => {
                self.start(node);
            }
            Fault::PowerCutInSync(node) => {
                self.with(node, |it| {
                    if it.disk.is_dead() {
                        drop(it.cut_power());
                    } else {
                        // There was no sync to be cut.
                        it.disk.mend();
                    }
                });
                self.start(node);
            }
            Fault::PowerCut(nodes) => nodes.into_iter().for_each(|node| self.start(node)),
            Fault::Pause(node) => self.with(node, |it| it.pause(false)),
            Fault::ClockStep { node, .. } | Fault::ClockDrift { node, .. } => {
                self.with(node, |it| it.clock.set_right());
            }
            Fault::SlowDisk { node, .. } => self.with(node, |it| it.disk.slow(0)),
            Fault::FullDisk(node) => self.with(node, |it| it.disk.fill(false)),
            Fault::Leave(node) => self.come_back_empty(node),
            Fault::CutOneWay { .. }
            | Fault::Deaf { .. }
            | Fault::Isolate(_)
            | Fault::Split(_)
            | Fault::Weather { .. }
            | Fault::Reset { .. }
            | Fault::Flip { .. }
            | Fault::Join(_)
            | Fault::Wipe(_)
            | Fault::Clone { .. } => {}
        }
    }

    fn with(&mut self, node: usize, change: impl FnOnce(&mut crate::machine::Machine)) {
        if let Some(machine) = self.machines.get_mut(node) {
            change(machine);
        }
    }

    /// The network as all that happens at the moment makes it.
    fn set_weather(&self) {
        let hosts = self.machines.len();
        for from in 0..hosts {
            for to in (0..hosts).filter(|to| *to != from) {
                let faults = self.active.values().map(|event| &event.fault);
                let weather = faults
                    .fold(Weather::default(), |weather, fault| under(fault, (from, to), weather));
                self.net.set_weather(from, to, weather);
            }
        }
    }

    async fn leave(&mut self, node: usize) {
        let there = self.machines.get(node).and_then(|machine| machine.node().cloned());
        if let Some(there) = there
            && let Err(refused) = there.leave().await
        {
            tell!(self.trace, "node {node} does not leave: {refused}");
        }
    }

    pub(crate) fn come_back_empty(&mut self, node: usize) {
        let host = self.other_up(node);
        let Some(machine) = self.machines.get_mut(node) else {
            return;
        };
        if machine.is_up() {
            // It had not handed over yet, and starts again before it has.
            drop(machine.kill());
        } else if let Some(host) = host {
            machine.wipe();
            self.joins.insert(node, host);
        }
        self.start(node);
    }

    async fn remove(&mut self, node: usize) {
        let id = self.machines.get(node).and_then(|machine| machine.node().map(|it| it.id()));
        let (Some(id), Some(host)) = (id, self.other_up(node)) else {
            return;
        };
        self.with(node, |machine| drop(machine.kill()));
        self.joins.insert(node, host);
        let patience = Instant::now() + SEEN_DOWN_WITHIN;
        while Instant::now() < patience {
            let other = self.machines.get(host).and_then(|machine| machine.node().cloned());
            let Some(other) = other else {
                return;
            };
            let members = other.membership().members;
            if members.iter().any(|member| member.id == id && member.status == Status::Down) {
                let removed = other.remove(id).await;
                tell!(self.trace, "node {node} removed by {host}: {removed:?}");
                return;
            }
            self.attend_until(Instant::now() + Duration::from_millis(100)).await;
        }
    }

    /// As when its disk breaks, and whoever runs it removes the node and starts a new one in its place.
    async fn wipe(&mut self, node: usize) {
        self.disk_lost = true;
        self.remove(node).await;
        self.with(node, |machine| {
            if machine.is_up() {
                drop(machine.kill());
            }
            machine.wipe();
        });
        self.start(node);
    }

    /// Kills a node, and makes of another machine's disk a copy of its; whether that machine had no node.
    fn copy(&mut self, node: usize, at: usize) -> bool {
        while self.machines.len() <= at {
            self.add_machine();
        }
        let [of, copy] = match self.machines.get_disjoint_mut([node, at]) {
            Ok([of, copy]) if of.is_up() && !copy.is_up() => [of, copy],
            _ => return false,
        };
        drop(of.kill());
        if let Err(error) = copy.become_copy(of) {
            self.violations.push(format!("node {node} cannot be copied: {error}"));
        }
        // What one of them takes in, and acknowledges, goes with it if it is the one that ends.
        self.disk_lost = true;
        self.same = BTreeSet::from([node, at]);
        true
    }

    /// Two with one id: one of them must notice, and end.
    async fn start_both(&mut self, first: usize, second: usize, apart: Duration) {
        self.start(first);
        self.attend_until(Instant::now() + apart).await;
        self.start(second);
        let patience = Instant::now() + CLONE_NOTICED_WITHIN;
        while self.same.len() > 1 {
            if Instant::now() >= patience {
                self.violations.push(format!(
                    "members: nodes {first} and {second} are one, and neither noticed within {CLONE_NOTICED_WITHIN:?}"
                ));
                return;
            }
            self.attend_until(Instant::now() + Duration::from_millis(100)).await;
        }
    }

    fn other_up(&self, node: usize) -> Option<usize> {
        let mut others = self.machines.iter().filter(|it| it.number != node && it.is_up());
        others.next().map(|machine| machine.number)
    }
}

/// What the way becomes under a fault.
fn under(fault: &Fault, (from, to): (usize, usize), weather: Weather) -> Weather {
    let cut = |cuts: bool| Weather { cut: weather.cut || cuts, ..weather };
    match fault {
        Fault::CutOneWay { from: of, to: at } => cut((from, to) == (*of, *at)),
        Fault::Deaf { node, hears: true } => cut(to == *node),
        Fault::Deaf { node, hears: false } => cut(from == *node),
        Fault::Isolate(node) => cut(from == *node || to == *node),
        Fault::Split(nodes) => cut(nodes.contains(&from) != nodes.contains(&to)),
        Fault::Weather { one, other, delay_millis_max, loss_percent }
            if (from, to) == (*one, *other) || (to, from) == (*one, *other) =>
        {
            Weather {
                delay_millis_max: weather.delay_millis_max.max(*delay_millis_max),
                loss_percent: weather.loss_percent.max(*loss_percent),
                ..weather
            }
        }
        _ => weather,
    }
}
