//! A simulation: machines, network and clients, from the first start to the last check.
//!
//! ```text
//! nodes start, and join ─▶ whole ─▶ clients at work, and the plan's faults ─▶ all is mended ─▶ converged ─▶ checked
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dynarust_node::ClusterError;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::checkers;
use crate::checkers::available::Away;
use crate::checkers::dropped::Drops;
use crate::client::WriteIds;
use crate::dice::{Dice, Part};
use crate::disk::SimDisk;
use crate::faults::{Climate, Event, Fault, Plan, plan};
use crate::known::Known;
use crate::machine::{Ended, Machine, Why};
use crate::network::{CLIENTS_FROM, Net, Socket};
use crate::readers::Reader;
use crate::recorder::{Disturbances, Recorder};
use crate::report::{Report, Summary};
use crate::rules::Rules;
use crate::settings::Settings;
use crate::time;
use crate::trace::{Trace, tell};
use crate::workload::{Keys, Session};

/// Within so long all nodes are whole, and say the same, once all is mended.
pub(crate) const CONVERGES_WITHIN: Duration = Duration::from_secs(120);
/// How long an event waits until all is well behind the one before.
const WELL_WITHIN: Duration = Duration::from_secs(90);
/// After some events nothing happens for so long: then is to be told whatever was acknowledged (the law `told`).
const QUIET: Duration = Duration::from_secs(7);
const QUIET_PERCENT: u32 = 15;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Between two looks of the checkers that look on the way; where copies move, and else.
const CHECK_MOVES: Duration = Duration::from_millis(100);
const CHECK: Duration = Duration::from_millis(500);
/// How soon a process that ended by itself is started again.
const RESTART_AFTER: Duration = Duration::from_millis(700);
pub(crate) const SESSIONS: u32 = 6;
pub(crate) const READERS: u32 = 4;

/// See the module.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) plan: Plan,
    pub(crate) machines: Vec<Machine>,
    pub(crate) net: Arc<Net>,
    pub(crate) trace: Arc<Trace>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) disturbances: Arc<Disturbances>,
    pub(crate) rules: Rules,
    /// What clients write has these.
    pub(crate) ids: Arc<WriteIds>,
    /// Which keys clients use.
    pub(crate) keys: Keys,
    pub(crate) violations: Vec<String>,
    /// What happens at the moment, by the numbers of the events.
    pub(crate) active: BTreeMap<usize, Event>,
    /// Who was away, and when.
    pub(crate) aways: Vec<Away>,
    /// What the machines had, while copies move.
    pub(crate) drops: Drops,
    /// When those checkers looked last that look on the way.
    looked: Option<Instant>,
    /// How much the checkers have judged that seldom have anything to judge.
    judged: BTreeMap<String, u64>,
    /// How often each kind of fault happened.
    pub(crate) happened: BTreeMap<String, u64>,
    pub(crate) power_failed: bool,
    pub(crate) disk_lost: bool,
    pub(crate) skew_millis_max: u64,
    /// Machines that start at that moment.
    starting: BTreeMap<usize, Instant>,
    /// Machines with copies of one node's folder, of which none has noticed yet that it is one too many.
    pub(crate) same: BTreeSet<usize>,
    /// By way of whom each machine joins.
    pub(crate) joins: BTreeMap<usize, usize>,
    ends: mpsc::UnboundedReceiver<Ended>,
    ended: mpsc::UnboundedSender<Ended>,
    root: TempDir,
}

impl World {
    /// Nothing has started yet.
    pub(crate) fn new(settings: Settings, root: TempDir) -> Self {
        let plan = plan(settings.seed, settings.form);
        let trace = Arc::new(if settings.keeps_trace { Trace::kept() } else { Trace::default() });
        let net = Net::new(Dice::of(settings.seed, Part::Network, 0), Arc::clone(&trace));
        let (ended, ends) = mpsc::unbounded_channel();
        let rules = Rules::of(&plan, settings.seed);
        let mut world = Self {
            recorder: Recorder::new(Arc::clone(&trace)),
            disturbances: Arc::default(),
            machines: Vec::new(),
            ids: Arc::default(),
            keys: Keys::begin(),
            violations: Vec::new(),
            active: BTreeMap::new(),
            aways: Vec::new(),
            drops: Drops::default(),
            looked: None,
            judged: BTreeMap::new(),
            happened: BTreeMap::new(),
            power_failed: false,
            disk_lost: false,
            skew_millis_max: 0,
            starting: BTreeMap::new(),
            same: BTreeSet::new(),
            joins: BTreeMap::new(),
            settings,
            plan,
            net,
            trace,
            rules,
            ends,
            ended,
            root,
        };
        (0..world.plan.nodes).for_each(|_| world.add_machine());
        world
    }

    /// One more machine, by way of node 0 later; the first founds the cluster.
    pub(crate) fn add_machine(&mut self) {
        let host = self.machines.len();
        let socket = Socket { net: Arc::clone(&self.net), host };
        let dice = Dice::of(self.settings.seed, Part::Disks, host as u64);
        let disk = SimDisk::new(dice);
        self.machines.push(Machine::new(self.root.path(), socket, disk, self.ended.clone()));
        if host > 0 {
            self.joins.insert(host, 0);
        }
    }

    /// From the first start to the last check.
    pub(crate) async fn run(mut self) -> Report {
        for host in 0..self.plan.nodes {
            self.start(host);
            sleep(Duration::from_millis(20)).await;
        }
        if !self.until_well(WELL_WITHIN).await {
            self.violations.push("the cluster never became whole at its beginning".to_owned());
            return self.report();
        }
        self.keys = Keys::begin();
        let until = Instant::now() + self.settings.form.faults_last();
        let end = until + 2 * CONVERGES_WITHIN;
        let over = watch::Sender::new(false);
        let mut clients = self.clients(until, &over, end);
        self.carry_out_plan(until).await;
        self.mend();
        self.attend_until(until).await;
        self.converge(Instant::now()).await;
        over.send_replace(true);
        while let Ok(Some(ended)) = timeout_at(end, clients.join_next()).await {
            if let Err(error) = ended {
                self.violations.push(format!("a client failed: {error}"));
            }
        }
        clients.abort_all();
        checkers::at_the_end(&mut self).await;
        self.report()
    }

    fn clients(&self, until: Instant, over: &watch::Sender<bool>, end: Instant) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let ids = &self.ids;
        let nodes: Vec<usize> = (0..self.plan.nodes).collect();
        for number in 0..SESSIONS {
            let dice = Dice::of(self.settings.seed, Part::Clients, number.into());
            let socket = self.socket_of_client(number);
            let session =
                Session::new(number, socket, dice, ids, &self.recorder, nodes.clone(), &self.keys);
            clients.spawn(session.work(until));
        }
        for number in 0..READERS {
            let reader = Reader {
                number,
                socket: self.socket_of_client(SESSIONS + number),
                dice: Dice::of(self.settings.seed, Part::Readers, number.into()),
                nodes: nodes.clone(),
                recorder: Arc::clone(&self.recorder),
                over: over.subscribe(),
            };
            clients.spawn(reader.follow(end));
        }
        clients
    }

    pub(crate) fn socket_of_client(&self, nth: u32) -> Socket {
        Socket { net: Arc::clone(&self.net), host: CLIENTS_FROM + nth as usize }
    }

    async fn carry_out_plan(&mut self, until: Instant) {
        let wanted = self.settings.faults.clone();
        let mut events = self.plan.events.clone();
        events.retain(|event| wanted.as_ref().is_none_or(|wanted| wanted.contains(&event.number)));
        let began = Instant::now();
        if self.plan.one_at_a_time() {
            let mut quiet = Dice::of(self.settings.seed, Part::Plan, 7);
            for event in events {
                self.attend_until(began + event.at).await;
                if Instant::now() >= until {
                    return;
                }
                let (began, ends) = (time::nanos(), Instant::now() + event.lasts);
                self.begin(event.clone()).await;
                let beside = event.beside();
                if let Some(beside) = &beside {
                    self.attend_until(Instant::now() + beside.at.saturating_sub(event.at)).await;
                    self.begin(beside.clone()).await;
                }
                self.attend_until(ends).await;
                if let Some(beside) = beside {
                    self.end(beside.number);
                }
                let away = Away::of(self.plan.climate, &event.fault, began, time::nanos());
                self.aways.extend(away);
                self.end(event.number);
                if !self.until_well(WELL_WITHIN).await {
                    self.violations.push(format!(
                        "not well within {WELL_WITHIN:?} behind {event}: {}",
                        self.state()
                    ));
                    return;
                }
                if quiet.percent(QUIET_PERCENT) {
                    self.attend_until(Instant::now() + QUIET).await;
                }
            }
            return;
        }
        let mut steps: Vec<_> = events
            .iter()
            .flat_map(|event| [(event.at, true, event), (event.at + event.lasts, false, event)])
            .collect();
        steps.sort_by_key(|(at, begins, event)| (*at, *begins, event.number));
        for (at, begins, event) in steps {
            if began + at >= until {
                return;
            }
            self.attend_until(began + at).await;
            if begins {
                self.begin(event.clone()).await;
            } else {
                self.end(event.number);
            }
        }
    }

    /// Starts a machine's process, if there is none.
    pub(crate) fn start(&mut self, host: usize) {
        self.starting.remove(&host);
        let join = self.joins.get(&host).copied();
        let rules = self.rules.clone();
        let Some(machine) = self.machines.get_mut(host).filter(|machine| !machine.is_up()) else {
            return;
        };
        machine.power_up();
        match machine.start(&rules, join) {
            Ok(()) => {}
            // Whoever runs it tries again.
            Err(error) if machine.disk.is_faulty() => {
                tell!(self.trace, "node {host}: cannot be started: {error}");
                self.starting.insert(host, Instant::now() + RESTART_AFTER);
            }
            Err(error) => {
                self.violations.push(format!("node {host} cannot be started: {error}"));
            }
        }
    }

    /// Waits, and does meanwhile what whoever runs the nodes does: what has ended starts again.
    pub(crate) async fn attend_until(&mut self, moment: Instant) {
        loop {
            let next = self.starting.iter().map(|(host, at)| (*at, *host)).min();
            let looks = self.looks_at();
            let wake = next.map_or(moment, |(at, _)| at.min(moment)).min(looks);
            tokio::select! {
                biased;
                Some(ended) = self.ends.recv() => self.has_ended(ended),
                () = sleep_until(wake) => {
                    if let Some((_, host)) = next.filter(|(at, _)| *at <= Instant::now()) {
                        self.start(host);
                    } else if moment <= Instant::now() {
                        return;
                    } else {
                        self.check_on_the_way(false).await;
                    }
                }
            }
        }
    }

    /// When those checkers look next that look on the way.
    fn looks_at(&self) -> Instant {
        let every = if self.plan.climate == Climate::Members { CHECK_MOVES } else { CHECK };
        self.looked.map_or_else(Instant::now, |looked| looked + every)
    }

    /// They look, thoroughly where something is about to happen.
    pub(crate) async fn check_on_the_way(&mut self, something_happens: bool) {
        checkers::on_the_way(self, something_happens).await;
        self.looked = Some(Instant::now());
    }

    /// So much of that was judged.
    pub(crate) fn judged(&mut self, what: &str, count: usize) {
        *self.judged.entry(what.to_owned()).or_default() += count as u64;
    }

    fn has_ended(&mut self, ended: Ended) {
        let Ended { machine: host, start, why } = ended;
        let expected = self.is_expected(host);
        let Some(machine) = self.machines.get_mut(host).filter(|it| it.starts() == start) else {
            return;
        };
        if !machine.is_up() {
            return;
        }
        tell!(self.trace, "node {host}: ended: {why}");
        machine.has_ended();
        match why {
            Why::Asked if expected => return,
            Why::Left => {
                if !expected {
                    self.come_back_empty(host);
                }
                return;
            }
            Why::Asked => {}
            Why::StoreStopped(_) => {}
            Why::NoCluster(ClusterError::Gone { member, holdings }) => {
                self.same.remove(&host);
                if let Err(error) = machine.renew(&holdings) {
                    self.violations.push(format!("node {host} cannot be renewed: {error}"));
                }
                self.disk_lost = true;
                let other = member.as_deref().and_then(crate::network::host_at);
                self.joins.insert(host, other.filter(|it| *it != host).unwrap_or(0));
            }
            // The other one stays; whoever runs them makes of this machine a new node.
            Why::NoCluster(ClusterError::Excluded { .. } | ClusterError::Refused { .. })
                if self.same.remove(&host) =>
            {
                if !self.same.is_empty() {
                    self.come_back_empty(host);
                    return;
                }
            }
            Why::NoCluster(error) => {
                self.violations.push(format!("node {host} takes no part any more: {error}"));
                return;
            }
        }
        self.starting.insert(host, Instant::now() + RESTART_AFTER);
    }

    /// Whether whatever made it end starts it again.
    fn is_expected(&self, host: usize) -> bool {
        let mut faults = self.active.values().map(|event| &event.fault);
        faults.any(|fault| matches!(fault, Fault::Restart(it) | Fault::Leave(it) if *it == host))
    }

    /// Waits until all that are up are whole; whether they became so in time.
    pub(crate) async fn until_well(&mut self, within: Duration) -> bool {
        let patience = Instant::now() + within;
        while Instant::now() < patience {
            if self.starting.is_empty() && checkers::whole::are_whole(&self.machines) {
                self.disturbances.end();
                return true;
            }
            self.attend_until(Instant::now() + LOOK).await;
        }
        false
    }

    /// All is as it should be again; who is down starts.
    fn mend(&mut self) {
        let active: Vec<usize> = self.active.keys().copied().collect();
        active.into_iter().for_each(|number| self.end(number));
        self.net.clear_up();
        for machine in &self.machines {
            machine.clock.set_right();
            machine.disk.mend();
            machine.pause(false);
        }
        for host in 0..self.machines.len() {
            let left = self.machines.get(host).is_some_and(|it| it.starts() == 0);
            if !left {
                self.start(host);
            }
        }
        tell!(self.trace, "all is mended");
    }

    async fn converge(&mut self, over: Instant) {
        let patience = over + CONVERGES_WITHIN;
        loop {
            let whole = self.starting.is_empty() && checkers::whole::are_whole(&self.machines);
            if whole
                && checkers::convergence::differences(&self.machines, &self.keys).await.is_empty()
            {
                self.disturbances.end();
                tell!(self.trace, "converged");
                return;
            }
            if Instant::now() >= patience {
                let differences =
                    checkers::convergence::differences(&self.machines, &self.keys).await;
                let state = self.state();
                self.violations.push(format!(
                    "liveness: not converged {CONVERGES_WITHIN:?} after all was mended and written: {state}; {}",
                    differences.join("; ")
                ));
                return;
            }
            self.attend_until(Instant::now() + LOOK).await;
        }
    }

    fn state(&self) -> String {
        let states = self.machines.iter().map(checkers::whole::state);
        states.collect::<Vec<_>>().join("; ")
    }

    /// When which promise holds.
    pub(crate) fn known(&self) -> Known {
        Known {
            climate: self.plan.climate,
            replication: self.plan.replication.into(),
            nodes: self.machines.iter().filter(|machine| machine.starts() > 0).count(),
            disturbances: Arc::clone(&self.disturbances),
            power_failed: self.power_failed,
            disk_lost: self.disk_lost,
            forgets_soon: self.rules.tombstone_age < self.settings.form.faults_last(),
            rots: self.plan.climate == Climate::Rot,
            skew_millis_max: self.skew_millis_max,
        }
    }

    fn report(mut self) -> Report {
        for host in 0..self.machines.len() {
            if let Some(machine) = self.machines.get_mut(host) {
                machine.has_ended();
                machine.clean_up();
            }
        }
        let mut disks = BTreeMap::new();
        for (what, count) in self.machines.iter().flat_map(|machine| machine.disk.tally().told()) {
            *disks.entry(what.to_owned()).or_default() += count;
        }
        let (sum, lines) = self.trace.sum();
        let summary = Summary {
            seed: self.settings.seed,
            form: self.settings.form,
            climate: self.plan.climate,
            nodes: self.plan.nodes,
            violations: self.violations,
            counts: self.recorder.counts(),
            faults: self.happened,
            disks,
            streams: self.recorder.streams(),
            judged: self.judged,
            simulated_seconds: time::now().as_secs_f64(),
            trace_sum: sum,
            trace_lines: lines,
        };
        Report {
            summary,
            events: self.plan.events,
            trace: self.trace.text(),
            history: self.recorder.history(),
        }
    }
}
