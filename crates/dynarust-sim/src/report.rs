//! What a simulation found.

use std::collections::BTreeMap;
use std::fmt;

use dynarust_history::History;
use serde::{Deserialize, Serialize};

use crate::faults::{Climate, Event};
use crate::recorder::Counts;
use crate::settings::Form;

/// Of one seed; the others mostly say the same.
const VIOLATIONS_SHOWN_MAX: usize = 5;

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The seed.
    pub seed: u64,
    /// How long it was.
    pub form: Form,
    /// What was to go wrong.
    pub climate: Climate,
    /// How many nodes there were at the beginning.
    pub nodes: usize,
    /// What is wrong with the cluster.
    pub violations: Vec<String>,
    /// What clients did.
    pub counts: Counts,
    /// How often each kind of fault happened.
    pub faults: BTreeMap<String, u64>,
    /// What the disks did of that, and what power cuts left.
    pub disks: BTreeMap<String, u64>,
    /// How often a stream of each kind was opened, in each form, and told something.
    pub streams: BTreeMap<String, u64>,
    /// How much the checkers have judged that seldom have anything to judge.
    pub judged: BTreeMap<String, u64>,
    /// For how long, by the simulated clock.
    pub simulated_seconds: f64,
    /// What stands for the trace.
    pub trace_sum: u64,
    /// Lines of the trace.
    pub trace_lines: u64,
}

/// The same, and what led to it.
#[derive(Debug, Clone)]
pub struct Report {
    /// What came of it.
    pub summary: Summary,
    /// The plan.
    pub events: Vec<Event>,
    /// The trace, where it was kept.
    pub trace: Option<String>,
    /// What clients were told.
    pub history: History,
}

impl Summary {
    /// Whether all was as promised.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.violations.is_empty()
    }

    /// A seed that came to no end.
    #[must_use]
    pub fn of_failure(seed: u64, form: Form, why: String) -> Self {
        Self {
            seed,
            form,
            climate: Climate::Calm,
            nodes: 0,
            violations: vec![why],
            counts: Counts::default(),
            faults: BTreeMap::new(),
            disks: BTreeMap::new(),
            streams: BTreeMap::new(),
            judged: BTreeMap::new(),
            simulated_seconds: 0.0,
            trace_sum: 0,
            trace_lines: 0,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, climate, nodes, counts, .. } = self;
        writeln!(
            f,
            "seed {seed}: {climate:?}, {nodes} nodes, {:.1} s simulated, {} operations ({} done, {} refused, {} \
             unknown), {} events on {} connections of streams, {} faults, trace {:016x} of {} lines",
            self.simulated_seconds,
            counts.operations,
            counts.done,
            counts.refused,
            counts.indeterminate,
            counts.events,
            counts.connections,
            self.faults.values().sum::<u64>(),
            self.trace_sum,
            self.trace_lines
        )?;
        let shown = self.violations.iter().take(VIOLATIONS_SHOWN_MAX);
        shown.into_iter().try_for_each(|violation| writeln!(f, "  !! {violation}"))?;
        match self.violations.len().saturating_sub(VIOLATIONS_SHOWN_MAX) {
            0 => Ok(()),
            more => writeln!(f, "  !! and {more} more"),
        }
    }
}

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Sum {
    seeds: u64,
    failed: Vec<u64>,
    counts: Counts,
    simulated_seconds: f64,
    faults: BTreeMap<String, u64>,
    disks: BTreeMap<String, u64>,
    streams: BTreeMap<String, u64>,
    judged: BTreeMap<String, u64>,
    climates: BTreeMap<String, u64>,
}

impl Sum {
    /// One more.
    pub fn add(&mut self, summary: &Summary) {
        self.seeds += 1;
        if !summary.is_well() {
            self.failed.push(summary.seed);
        }
        self.counts.add(&summary.counts);
        self.simulated_seconds += summary.simulated_seconds;
        for (kind, count) in &summary.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        for (what, count) in &summary.disks {
            *self.disks.entry(what.clone()).or_default() += count;
        }
        for (what, count) in &summary.judged {
            *self.judged.entry(what.clone()).or_default() += count;
        }
        for (what, count) in &summary.streams {
            *self.streams.entry(what.clone()).or_default() += count;
        }
        *self.climates.entry(format!("{:?}", summary.climate)).or_default() += 1;
    }

    /// Whether none failed.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.failed.is_empty()
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "{} seeds, {} failed {:?}; {:.1} simulated hours; {} operations: {} done, {} refused, {} unknown; {} \
             events of streams",
            self.seeds,
            self.failed.len(),
            self.failed,
            self.simulated_seconds / 3600.0,
            counts.operations,
            counts.done,
            counts.refused,
            counts.indeterminate,
            counts.events
        )?;
        writeln!(f, "climates: {:?}", self.climates)?;
        writeln!(f, "faults: {} in all: {:?}", self.faults.values().sum::<u64>(), self.faults)?;
        writeln!(f, "streams: {:?}", self.streams)?;
        writeln!(f, "judged: {:?}", self.judged)?;
        writeln!(f, "disks: {:?}", self.disks)
    }
}
