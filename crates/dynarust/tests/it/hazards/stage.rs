//! A cluster, the crowd at work on it, and what is done to it meanwhile; at the end, the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dynarust_history::{Final, Seen};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::crowd::{Crowd, FOLLOWED, TABLES, read_all};
use super::recorder::{Recorder, seen};
use super::verdict::{Promises, assert_kept};
use crate::cluster::agreement::View;
use crate::cluster::doors::Doors;
use crate::cluster::nodes::Cluster;
use crate::node::wait_for;
use crate::seed::dice;

/// How long all may take until they say the same, once nothing happens any more. A copy that lost something
/// is found by digests, which are compared every 10 s.
pub(super) const EQUAL_WITHIN: Duration = Duration::from_secs(15);

/// How long a healed cluster may take to be one again.
pub(super) const HEALED_WITHIN: Duration = Duration::from_secs(10);

/// How long a scenario lasts: this, or what the long form asks for.
pub(super) fn lasting(short_form: Duration) -> Duration {
    let seconds = std::env::var("DYNARUST_HAZARDS_SECONDS").ok();
    seconds.map_or(short_form, |seconds| Duration::from_secs(seconds.parse().unwrap()))
}

/// What a scenario has to its hand while the crowd is at work.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) cluster: &'a mut Cluster,
    pub(super) doors: &'a Doors,
    pub(super) recorder: &'a Recorder,
    pub(super) dice: StdRng,
    began: Instant,
    /// How often what was done.
    faults: BTreeMap<&'static str, u64>,
}

impl Scene<'_> {
    /// Whether it is to go on: for so long, or as long as the long form asks for.
    pub(super) fn goes_on(&self, short_form: Duration) -> bool {
        self.began.elapsed() < lasting(short_form)
    }

    /// Some time passes, in milliseconds.
    pub(super) fn rest(&mut self, millis: std::ops::Range<u64>) {
        std::thread::sleep(Duration::from_millis(self.dice.random_range(millis)));
    }

    /// One more fault of this kind.
    pub(super) fn count(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Until so many more writes are acknowledged.
    pub(super) fn until_acknowledged(&self, more: u64) {
        let before = self.recorder.acknowledged();
        wait_for("acknowledged writes", || {
            (self.recorder.acknowledged() >= before + more).then_some(())
        });
    }

    /// Any of the nodes.
    pub(super) fn any_node(&mut self) -> usize {
        let running = self.cluster.running();
        running[self.dice.random_range(0..running.len())]
    }
}

/// The crowd is at work on these nodes while `during` does them harm, and mends it; then all must say the
/// same, and no law may be broken.
pub(super) fn play(
    name: &'static str,
    mut cluster: Cluster,
    crowd: &Crowd,
    promises: Promises,
    during: impl FnOnce(&mut Scene<'_>),
) {
    let mut dice = dice(name);
    let doors = Doors::new(cluster.addresses());
    let recorder = Recorder::new(cluster.addresses());
    let scene_dice = StdRng::seed_from_u64(dice.random());
    let (mut faults, readers) = crowd.run(&recorder, &doors, &mut dice, || {
        let mut scene = Scene {
            cluster: &mut cluster,
            doors: &doors,
            recorder: &recorder,
            dice: scene_dice,
            began: Instant::now(),
            faults: BTreeMap::new(),
        };
        during(&mut scene);
        scene.faults
    });
    let views: BTreeMap<&str, View> = TABLES
        .into_iter()
        .map(|table| (table, cluster.until_equal_within(EQUAL_WITHIN, table)))
        .collect();
    for node in cluster.running() {
        read_all(&recorder, cluster.address(node));
    }
    for mut reader in readers {
        reader.follow_to(doors.pick(0), &views[FOLLOWED]);
        reader.end();
    }
    note_finals(&recorder, &cluster, &views);
    if cluster.has_hosts() {
        for (kind, count) in cluster.hosts().harm().counted() {
            faults.insert(kind, count);
        }
    }
    assert_kept(name, &recorder.history(), promises, &faults);
}

/// What each node says of each key in the end: the same, by now.
fn note_finals(recorder: &Recorder, cluster: &Cluster, views: &BTreeMap<&str, View>) {
    let mut last: BTreeMap<String, Seen> = BTreeMap::new();
    for (table, view) in views {
        for (key, it) in view {
            last.insert(format!("{table}/{key}"), seen(&it.version, &it.value));
        }
    }
    let at = recorder.now();
    let mut history = recorder.history();
    let asked: BTreeSet<String> = history
        .operations
        .iter()
        .filter(|it| it.is_write())
        .map(|it| it.key.clone())
        .chain(last.keys().cloned())
        .collect();
    for node in cluster.running() {
        let node = recorder.number(cluster.address(node));
        for key in &asked {
            let seen = last.get(key).cloned().unwrap_or_else(Seen::absent);
            history.finals.push(Final { node, key: key.clone(), at, seen });
        }
    }
}
