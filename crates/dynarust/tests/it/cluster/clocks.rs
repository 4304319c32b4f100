//! Clocks that are set, and step, while their node runs: `libfaketime` reads each node's from a file.
//!
//! Only the wall clock: how long something takes is measured by another, which runs on as ever.

use std::path::PathBuf;

use super::nodes::{Cluster, Plan};
use crate::node::Launch;

/// Where Debian has the library that shows a process another time.
const FAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];

fn library() -> Option<&'static str> {
    FAKETIME.into_iter().find(|path| std::path::Path::new(path).exists())
}

/// Whether clocks can be set here. Says so where they can't; panics where they must.
pub(crate) fn can_set_clocks(test: &str) -> bool {
    let possible = library().is_some();
    let must = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(possible || !must, "{test} needs libfaketime, and CI=true demands it");
    if !possible {
        eprintln!("!! SKIPPED: {test} needs libfaketime");
    }
    possible
}

impl Plan {
    /// This node's clock is so many seconds ahead, and can be set while it runs.
    pub(crate) fn clock(mut self, node: usize, seconds_ahead: f64) -> Plan {
        self.clocks.insert(node, seconds_ahead);
        self
    }
}

impl Cluster {
    /// What a node's process must be told so that it has a clock of its own.
    pub(super) fn with_own_clock(&self, node: usize, launch: Launch) -> Launch {
        let Some(&ahead) = self.plan.clocks.get(&node) else { return launch };
        self.set_clock(node, ahead);
        launch
            .environment("LD_PRELOAD", library().unwrap())
            .environment("FAKETIME_TIMESTAMP_FILE", self.clock_file(node).to_str().unwrap())
            .environment("FAKETIME_NO_CACHE", "1")
            .environment("DONT_FAKE_MONOTONIC", "1")
            .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    fn clock_file(&self, node: usize) -> PathBuf {
        self.home.path().join(format!("clock-{node}"))
    }

    /// From now on the node's clock is so many seconds ahead of the machine's.
    pub(crate) fn set_clock(&self, node: usize, seconds_ahead: f64) {
        // Put in place whole: it is read at every look at the clock.
        let (file, new) = (self.clock_file(node), self.clock_file(node).with_extension("new"));
        std::fs::write(&new, format!("{seconds_ahead:+.3}s\n")).unwrap();
        std::fs::rename(new, file).unwrap();
    }
}
