//! A cluster as an operator has it: nodes with their folders and addresses, started and harmed one by one.
//!
//! A node is named by its number. It keeps its folder and its address from life to life, and its
//! process from start to end; what it says in each life is kept for the report of a failure.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::hosts::Hosts;
use crate::client::Client;
use crate::node::{Launch, Node, Refusal, run_in_with, wait_for};

pub(super) const SECRET: &str = "the secret of the tests";

/// What a client waits for an answer: longer than any deadline of a node.
pub(super) const PATIENCE: Duration = Duration::from_secs(6);

/// Where Debian has the library that shows a process another time.
const FAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];

/// By how much the library moves the clock.
const CLOCK: &str = "FAKETIME";

/// Whether clocks can be set here. Says so where they can't; panics where they must.
pub(super) fn can_set_clocks(test: &str) -> bool {
    let possible = FAKETIME.iter().any(|path| std::path::Path::new(path).exists());
    let must = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(possible || !must, "{test} needs libfaketime, and CI=true demands it");
    if !possible {
        eprintln!("!! SKIPPED: {test} needs libfaketime");
    }
    possible
}

/// What all nodes of a cluster have in common, and what one of them has alone.
#[derive(Debug, Default)]
pub(super) struct Plan {
    flags: Vec<String>,
    /// Seconds by which a node's clock is ahead.
    clocks: Vec<(usize, i64)>,
    hosts: Option<Hosts>,
}

impl Plan {
    /// A flag that all nodes get.
    pub(super) fn flag(mut self, flag: &str) -> Plan {
        self.flags.push(flag.to_owned());
        self
    }

    /// This node's clock is so many seconds ahead.
    pub(super) fn clock(mut self, node: usize, seconds_ahead: i64) -> Plan {
        self.clocks.push((node, seconds_ahead));
        self
    }

    /// Each node on a host of its own.
    pub(super) fn on(mut self, hosts: Hosts) -> Plan {
        self.hosts = Some(hosts);
        self
    }

    /// So many nodes, none of which runs yet.
    pub(super) fn prepare(self, count: usize) -> Cluster {
        let home = tempfile::tempdir().unwrap();
        let mut cluster = Cluster { home, plan: self, seats: Vec::new() };
        for _ in 0..count {
            cluster.add();
        }
        cluster
    }

    /// So many nodes, ready and one cluster.
    pub(super) fn start(self, count: usize) -> Cluster {
        let mut cluster = self.prepare(count);
        for node in 0..count {
            cluster.start_one(node);
        }
        cluster.until_members(count);
        cluster
    }
}

/// A node's folder and address, with or without a process.
#[derive(Debug)]
struct Seat {
    // Before the launch, which has its log.
    node: Option<Node>,
    launch: Launch,
    /// What its earlier lives said.
    said_before: Vec<String>,
    paused: bool,
}

#[derive(Debug)]
pub(super) struct Cluster {
    home: TempDir,
    plan: Plan,
    seats: Vec<Seat>,
}

impl Cluster {
    /// So many nodes with the settings that a user gets, ready and one cluster.
    pub(super) fn start(count: usize) -> Cluster {
        Plan::default().start(count)
    }

    /// One more folder and address. The first joins nobody; each other the first.
    pub(super) fn add(&mut self) -> usize {
        let number = self.seats.len();
        let folder = self.home.path().join(format!("node-{number}"));
        let mut launch = match &self.plan.hosts {
            Some(hosts) => {
                let [program, entered] = hosts.wrapper(number);
                Launch::on(hosts.address(number), &folder).wrapped_in(&[&program, &entered])
            }
            None => Launch::new(&folder),
        };
        launch = launch.environment("CLUSTER_SECRET", SECRET);
        for flag in &self.plan.flags {
            launch = launch.flag(flag);
        }
        for (_, ahead) in self.plan.clocks.iter().filter(|(node, _)| *node == number) {
            let library = FAKETIME.iter().find(|path| std::path::Path::new(path).exists()).unwrap();
            launch = launch
                .environment("LD_PRELOAD", library)
                .environment(CLOCK, &format!("{ahead:+}s"))
                .environment("DONT_FAKE_MONOTONIC", "1")
                .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        launch.set_join(self.seats.first().map(|first| first.launch.address().to_string()));
        self.seats.push(Seat { node: None, launch, said_before: Vec::new(), paused: false });
        number
    }

    /// From its next start on, this node joins that one.
    pub(super) fn set_join(&mut self, node: usize, join: Option<usize>) {
        let join = join.map(|join| self.address(join).to_string());
        self.seats[node].launch.set_join(join);
    }

    /// From its next start on, this node has the time that all have.
    pub(super) fn set_clock_right(&mut self, node: usize) {
        self.seats[node].launch.set_environment(CLOCK, "+0s");
    }

    pub(super) fn hosts(&self) -> &Hosts {
        self.plan.hosts.as_ref().unwrap()
    }

    pub(super) fn address(&self, node: usize) -> SocketAddr {
        self.seats[node].launch.address()
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.seats.iter().map(|seat| seat.launch.address()).collect()
    }

    pub(super) fn folder(&self, node: usize) -> PathBuf {
        self.seats[node].launch.folder().to_path_buf()
    }

    pub(super) fn client(&self, node: usize) -> Client {
        Client::impatient(self.address(node), PATIENCE)
    }

    /// The nodes whose processes run, paused ones left out.
    pub(super) fn running(&self) -> Vec<usize> {
        let runs = |seat: &Seat| seat.node.is_some() && !seat.paused;
        (0..self.seats.len()).filter(|&node| runs(&self.seats[node])).collect()
    }

    pub(super) fn all(&self) -> std::ops::Range<usize> {
        0..self.seats.len()
    }

    /// What this node's latest life has said so far.
    pub(super) fn said(&self, node: usize) -> String {
        self.seats[node].launch.said()
    }

    /// What all its lives have said.
    pub(super) fn said_ever(&self, node: usize) -> String {
        let seat = &self.seats[node];
        [seat.said_before.join("--- the next life\n"), seat.launch.said()]
            .join("--- the latest life\n")
    }

    /// Starts the process and returns at once.
    pub(super) fn spawn(&mut self, node: usize) {
        let seat = &mut self.seats[node];
        assert!(seat.node.is_none(), "node {node} runs already");
        let said = seat.launch.said();
        if !said.is_empty() {
            seat.said_before.push(said);
        }
        seat.node = Some(seat.launch.spawn());
    }

    /// Starts the process and waits until it is ready, or ends.
    pub(super) fn try_start(&mut self, node: usize) -> Result<(), Refusal> {
        self.spawn(node);
        let seat = &mut self.seats[node];
        let process = seat.node.as_mut().unwrap();
        let ended = wait_for("a node that is ready, or ends", || match process.has_ended() {
            Some(status) => Some(Some(status)),
            None => process.is_ready().then_some(None),
        });
        match ended {
            None => Ok(()),
            Some(status) => {
                seat.node = None;
                Err(Refusal { status, stderr: seat.launch.said() })
            }
        }
    }

    #[track_caller]
    pub(super) fn start_one(&mut self, node: usize) {
        if let Err(refusal) = self.try_start(node) {
            panic!("node {node} did not start ({}): {}", refusal.status, refusal.stderr);
        }
    }

    pub(super) fn kill9(&mut self, node: usize) {
        self.seats[node].node.take().unwrap().kill9();
    }

    /// SIGTERM, and the process must end well.
    pub(super) fn terminate(&mut self, node: usize) {
        self.seats[node].node.take().unwrap().terminate();
    }

    /// `DynaRust` with these words and the cluster's secret. What it says on standard output; or, where it
    /// fails, on standard error.
    pub(super) fn operate(&self, words: &[&str]) -> Result<String, String> {
        let ran = run_in_with(self.home.path(), words, &[("CLUSTER_SECRET", SECRET)]);
        let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if ran.status.success() { Ok(said(ran.stdout)) } else { Err(said(ran.stderr)) }
    }

    /// Waits until the process has ended by itself; tells how.
    #[track_caller]
    pub(super) fn until_ended(&mut self, node: usize) -> ExitStatus {
        let status = wait_for("the end of a node", || self.has_ended(node));
        self.seats[node].node = None;
        status
    }

    /// How the process ended, if it has, by itself.
    pub(super) fn has_ended(&mut self, node: usize) -> Option<ExitStatus> {
        self.seats[node].node.as_mut().unwrap().has_ended()
    }

    /// SIGSTOP: the process stands still, its connections are open.
    pub(super) fn stop(&mut self, node: usize) {
        self.signal(node, Signal::STOP);
        self.seats[node].paused = true;
    }

    /// SIGCONT: it goes on, and does not know that it stood.
    pub(super) fn cont(&mut self, node: usize) {
        self.signal(node, Signal::CONT);
        self.seats[node].paused = false;
    }

    pub(super) fn signal(&self, node: usize, signal: Signal) {
        self.seats[node].node.as_ref().unwrap().signal(signal);
    }

    /// Kills the process, if there is one, and starts it again on the same folder and address.
    #[track_caller]
    pub(super) fn restart(&mut self, node: usize) {
        if self.seats[node].node.is_some() {
            self.kill9(node);
        }
        self.start_one(node);
    }

    /// The same, without its folder: another node at the same address.
    #[track_caller]
    pub(super) fn wipe_and_restart(&mut self, node: usize) {
        if self.seats[node].node.is_some() {
            self.kill9(node);
        }
        std::fs::remove_dir_all(self.folder(node)).unwrap();
        if node == 0 {
            self.set_join(0, Some(1));
        }
        self.start_one(node);
    }
}
