//! A cluster as an operator has it: nodes with their folders and addresses, started and harmed one by one.
//!
//! A node is named by its number. It keeps its folder and its address from life to life, and its
//! process from start to end; what it says in each life is kept for the report of a failure.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::hosts::Hosts;
use crate::client::Client;
use crate::mount::{Mount, shut_down};
use crate::node::{Launch, Node, Refusal, run_in_with, wait_for};

pub(crate) const SECRET: &str = "the secret of the tests";

/// What a client waits for an answer: longer than any deadline of a node.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);

/// What all nodes of a cluster have in common, and what one of them has alone.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    flags: Vec<String>,
    /// Seconds by which a node's clock is ahead.
    pub(super) clocks: BTreeMap<usize, f64>,
    hosts: Option<Hosts>,
    disk_mebibytes: Option<u32>,
}

impl Plan {
    /// A flag that all nodes get.
    pub(crate) fn flag(mut self, flag: &str) -> Plan {
        self.flags.push(flag.to_owned());
        self
    }

    /// Each node on a host of its own.
    pub(crate) fn on(mut self, hosts: Hosts) -> Plan {
        self.hosts = Some(hosts);
        self
    }

    /// Each node's folder on a disk of its own, of this size, whose power can be cut.
    pub(crate) fn on_disks(mut self, mebibytes: u32) -> Plan {
        self.disk_mebibytes = Some(mebibytes);
        self
    }

    /// So many nodes, none of which runs yet.
    pub(crate) fn prepare(self, count: usize) -> Cluster {
        let home = tempfile::tempdir().unwrap();
        let mut cluster = Cluster { home, plan: self, seats: Vec::new() };
        for _ in 0..count {
            cluster.add();
        }
        cluster
    }

    /// So many nodes, ready and one cluster.
    pub(crate) fn start(self, count: usize) -> Cluster {
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
    disk: Option<Mount>,
    /// What its earlier lives said.
    said_before: Vec<String>,
    paused: bool,
}

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(super) home: TempDir,
    pub(super) plan: Plan,
    seats: Vec<Seat>,
}

impl Cluster {
    /// So many nodes with the settings that a user gets, ready and one cluster.
    pub(crate) fn start(count: usize) -> Cluster {
        Plan::default().start(count)
    }

    /// One more folder and address. The first joins nobody; each other one that runs, or the first.
    pub(crate) fn add(&mut self) -> usize {
        let number = self.seats.len();
        let disk = self.plan.disk_mebibytes.map(Mount::ext4);
        let name = format!("node-{number}");
        let home = disk.as_ref().map_or_else(|| self.home.path().to_path_buf(), Mount::path);
        let mut launch = match &self.plan.hosts {
            Some(hosts) => Launch::on(hosts.address(number), &home.join(name)),
            None => Launch::new(&home.join(name)),
        };
        launch = launch.environment("CLUSTER_SECRET", SECRET);
        for flag in &self.plan.flags {
            launch = launch.flag(flag);
        }
        launch = self.with_own_clock(number, launch);
        let joined = self.seats.iter().find(|seat| seat.node.is_some()).or(self.seats.first());
        launch.set_join(joined.map(|seat| seat.launch.address().to_string()));
        let said_before = Vec::new();
        self.seats.push(Seat { node: None, launch, disk, said_before, paused: false });
        self.wrap(number, &[]);
        number
    }

    /// From its next start on, this node runs under that program, which must become it by `exec`.
    pub(crate) fn wrap(&mut self, node: usize, program: &[&str]) {
        let host = self.plan.hosts.iter().flat_map(|hosts| hosts.wrapper(node));
        let wrapper = host.chain(program.iter().map(|&word| word.to_owned())).collect();
        self.seats[node].launch.set_wrapper(wrapper);
    }

    /// From its next start on, this node joins that one.
    pub(crate) fn set_join(&mut self, node: usize, join: Option<usize>) {
        let join = join.map(|join| self.address(join).to_string());
        self.seats[node].launch.set_join(join);
    }

    pub(crate) fn has_hosts(&self) -> bool {
        self.plan.hosts.is_some()
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        self.plan.hosts.as_ref().unwrap()
    }

    pub(crate) fn address(&self, node: usize) -> SocketAddr {
        self.seats[node].launch.address()
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.seats.iter().map(|seat| seat.launch.address()).collect()
    }

    pub(crate) fn folder(&self, node: usize) -> PathBuf {
        self.seats[node].launch.folder().to_path_buf()
    }

    pub(crate) fn client(&self, node: usize) -> Client {
        Client::impatient(self.address(node), PATIENCE)
    }

    /// The nodes whose processes run, paused ones left out.
    pub(crate) fn running(&self) -> Vec<usize> {
        let runs = |seat: &Seat| seat.node.is_some() && !seat.paused;
        (0..self.seats.len()).filter(|&node| runs(&self.seats[node])).collect()
    }

    pub(crate) fn all(&self) -> std::ops::Range<usize> {
        0..self.seats.len()
    }

    /// What this node's latest life has said so far.
    pub(crate) fn said(&self, node: usize) -> String {
        self.seats[node].launch.said()
    }

    /// What all its lives have said.
    pub(crate) fn said_ever(&self, node: usize) -> String {
        let seat = &self.seats[node];
        [seat.said_before.join("--- the next life\n"), seat.launch.said()]
            .join("--- the latest life\n")
    }

    /// Starts the process and returns at once.
    pub(crate) fn spawn(&mut self, node: usize) {
        let seat = &mut self.seats[node];
        assert!(seat.node.is_none(), "node {node} runs already");
        let said = seat.launch.said();
        if !said.is_empty() {
            seat.said_before.push(said);
        }
        seat.node = Some(seat.launch.spawn());
    }

    /// Starts the process and waits until it is ready, or ends.
    pub(crate) fn try_start(&mut self, node: usize) -> Result<(), Refusal> {
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
    pub(crate) fn start_one(&mut self, node: usize) {
        if let Err(refusal) = self.try_start(node) {
            panic!("node {node} did not start ({}): {}", refusal.status, refusal.stderr);
        }
    }

    pub(crate) fn kill9(&mut self, node: usize) {
        self.seats[node].node.take().unwrap().kill9();
    }

    /// The power of these nodes fails, at one moment: what was not synced by then never will be. When it is
    /// back they can be started again.
    pub(crate) fn cut_power(&mut self, nodes: &[usize]) {
        let disks = nodes.iter().map(|&node| self.seats[node].disk.as_ref().unwrap());
        shut_down(disks);
        for &node in nodes {
            self.kill9(node);
            self.seats[node].disk.as_mut().unwrap().mount_again();
        }
    }

    /// Where the node's disk is seen, beside its folder.
    pub(crate) fn disk(&self, node: usize) -> PathBuf {
        self.seats[node].disk.as_ref().unwrap().path()
    }

    /// Each of the two, none of which runs, gets the other's folder: from its next start on it is the other,
    /// at this address.
    pub(crate) fn swap_folders(&mut self, one: usize, other: usize) {
        let [first, second] = [self.folder(one), self.folder(other)];
        self.seats[one].launch.set_folder(second);
        self.seats[other].launch.set_folder(first);
    }

    /// SIGTERM, and the process must end well.
    pub(crate) fn terminate(&mut self, node: usize) {
        self.seats[node].node.take().unwrap().terminate();
    }

    /// `DynaRust` with these words and the cluster's secret. What it says on standard output; or, where it
    /// fails, on standard error.
    pub(crate) fn operate(&self, words: &[&str]) -> Result<String, String> {
        let ran = run_in_with(self.home.path(), words, &[("CLUSTER_SECRET", SECRET)]);
        let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if ran.status.success() { Ok(said(ran.stdout)) } else { Err(said(ran.stderr)) }
    }

    /// Waits until the process has ended by itself; tells how.
    #[track_caller]
    pub(crate) fn until_ended(&mut self, node: usize) -> ExitStatus {
        let status = wait_for("the end of a node", || self.has_ended(node));
        self.seats[node].node = None;
        status
    }

    /// How the process ended, if it has, by itself.
    pub(crate) fn has_ended(&mut self, node: usize) -> Option<ExitStatus> {
        self.seats[node].node.as_mut().unwrap().has_ended()
    }

    /// SIGSTOP: the process stands still, its connections are open.
    pub(crate) fn stop(&mut self, node: usize) {
        self.signal(node, Signal::STOP);
        self.seats[node].paused = true;
    }

    /// SIGCONT: it goes on, and does not know that it stood.
    pub(crate) fn cont(&mut self, node: usize) {
        self.signal(node, Signal::CONT);
        self.seats[node].paused = false;
    }

    pub(crate) fn signal(&self, node: usize, signal: Signal) {
        self.seats[node].node.as_ref().unwrap().signal(signal);
    }

    /// Kills the process, if there is one, and starts it again on the same folder and address.
    #[track_caller]
    pub(crate) fn restart(&mut self, node: usize) {
        if self.seats[node].node.is_some() {
            self.kill9(node);
        }
        self.start_one(node);
    }

    /// The same, without its folder: another node at the same address.
    #[track_caller]
    pub(crate) fn wipe_and_restart(&mut self, node: usize) {
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
