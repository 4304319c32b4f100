//! A machine with a node on it: disk, wall clock, address, and the process while there is one.
//!
//! ```text
//! Machine ─▶ process: front door ─▶ Node ─▶ LocalStore ◀─ hands, driven here
//!     │                               └──▶ Socket ─▶ Net
//!     └─▶ folder, journal, clock: stay when the process goes
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::RecordName;
use dynarust_http::{FrontDoor, HttpConfig};
use dynarust_node::streams::StreamsConfig;
use dynarust_node::{
    ClusterConfig, ClusterError, Environment, Holdings, Node, NodeConfig, Secret, Tasks,
};
use dynarust_store::renew::renew;
use dynarust_store::{LocalStore, OpenError, StoreConfig};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::client::TABLE;
use crate::disk::{Image, SimDisk};
use crate::driver;
use crate::network::{Socket, address_of};
use crate::process::Process;
use crate::rules::Rules;
use crate::time::Clock;
use crate::trace::{Trace, tell};

/// How long running requests have once a node closes.
const DRAIN: Duration = Duration::from_millis(2500);

/// Why a machine's process does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The simulator's own.
    #[error("the image of a disk: {0}")]
    Image(#[from] io::Error),
}

/// A process has ended by itself, or because it was asked to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) machine: usize,
    /// Which of its processes.
    pub(crate) start: u64,
    pub(crate) why: Why,
}

/// Why a process ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Why {
    /// It was asked to.
    #[error("it was asked to")]
    Asked,
    /// It has left its cluster.
    #[error("it has left")]
    Left,
    /// Its store stopped.
    #[error("its store stopped: {0}")]
    StoreStopped(Arc<str>),
    /// It can't take part.
    #[error(transparent)]
    NoCluster(ClusterError),
}

/// See the module.
pub(crate) struct Machine {
    pub(crate) number: usize,
    root: PathBuf,
    /// The folder's name changes where it is another disk's image.
    generation: u64,
    pub(crate) clock: Arc<Clock>,
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) socket: Socket,
    trace: Arc<Trace>,
    ended: mpsc::UnboundedSender<Ended>,
    starts: u64,
    /// Which of its disks it has.
    disks: u64,
    up: Option<Up>,
}

/// What is there only while a process is.
struct Up {
    node: Arc<Node>,
    store: Arc<LocalStore>,
    process: Arc<Process>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Machine {
    pub(crate) fn new(
        root: &Path,
        socket: Socket,
        disk: Arc<SimDisk>,
        ended: mpsc::UnboundedSender<Ended>,
    ) -> Self {
        Self {
            number: socket.host,
            root: root.to_owned(),
            generation: 0,
            clock: Arc::default(),
            disk,
            trace: Arc::clone(&socket.net.trace),
            socket,
            ended,
            starts: 0,
            disks: 0,
            up: None,
        }
    }

    fn folder(&self) -> PathBuf {
        self.root.join(format!("node-{}-{}", self.number, self.generation))
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// Whether its process is there, and not stopped.
    pub(crate) fn answers(&self) -> bool {
        self.up.as_ref().is_some_and(|up| !up.process.is_stopped())
    }

    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.up.as_ref().map(|up| &up.node)
    }

    pub(crate) fn store(&self) -> Option<&Arc<LocalStore>> {
        self.up.as_ref().map(|up| &up.store)
    }

    /// Which of its processes runs, or ran last.
    pub(crate) fn starts(&self) -> u64 {
        self.starts
    }

    /// How many times its disk was replaced by another.
    pub(crate) fn disks(&self) -> u64 {
        self.disks
    }

    /// Starts the process.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub(crate) fn start(&mut self, rules: &Rules, join: Option<usize>) -> Result<(), StartError> {
        let number = self.number;
        self.starts += 1;
        tell!(self.trace, "node {number}: start {}, joining {join:?}", self.starts);
        let config = StoreConfig {
            clock: self.clock.clone(),
            trusts_clock: false,
            apply_interval: rules.apply_interval,
            tombstone_age: rules.tombstone_age,
            segment_bytes: 64 << 10,
            cache_bytes: rules.cache_bytes,
            ..StoreConfig::new(self.folder())
        };
        let process = Arc::new(Process::default());
        let dying = process.clone();
        let (store, hands) =
            LocalStore::open_by_hand(&config, self.disk.start(move || dying.kill()))?;
        let store = Arc::new(store);
        let tasks = Tasks::behind(process.clone());
        let environment = Environment {
            clock: self.clock.clone(),
            network: Arc::new(self.socket.clone()),
            tasks: tasks.clone(),
        };
        let cluster = ClusterConfig {
            secret: Some(Secret::new("the secret of the simulation")),
            join: join.map(|host| address_of(host).to_string()),
            listen: address_of(number),
            ..rules.cluster.clone()
        };
        let streams = StreamsConfig {
            cursor_age_max: rules.tombstone_age,
            queue_bytes_max: rules.queue_bytes_max,
            ..StreamsConfig::default()
        };
        let node_config = NodeConfig { streams, cluster };
        let node = Node::start_in(store.clone(), environment, node_config);
        let door = FrontDoor::of(self.socket.listen(), address_of(number));
        let (stop, stopped) = watch::channel(false);
        let driving = driver::drive(hands, self.disk.clone(), self.trace.clone(), number);
        let serving = serve(door, node.clone(), stopped);
        let (ended, start) = (self.ended.clone(), self.starts);
        let serving = async move {
            let why = serving.await;
            // Its receiver outlives all.
            let _ = ended.send(Ended { machine: number, start, why });
        };
        let tasks = vec![tokio::spawn(tasks.task(driving)), tokio::spawn(tasks.task(serving))];
        self.up = Some(Up { node, store, process, stop, tasks });
        Ok(())
    }

    /// As SIGTERM: [`Ended`] tells when it is done.
    pub(crate) fn ask_to_stop(&self) {
        if let Some(up) = &self.up {
            tell!(self.trace, "node {}: asked to stop", self.number);
            up.stop.send_replace(true);
        }
    }

    /// As SIGSTOP, or SIGCONT.
    pub(crate) fn pause(&self, pauses: bool) {
        if let Some(up) = &self.up {
            tell!(self.trace, "node {}: paused {pauses}", self.number);
            if pauses { up.process.stop() } else { up.process.go_on() }
        }
    }

    /// As SIGKILL: what was written is in the files.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        tell!(self.trace, "node {}: killed", self.number);
        self.end();
        self.take_image(|disk, from, to| disk.process_died(from, to))
    }

    /// Its power goes: what was not synced may be there, or not, or in part.
    pub(crate) fn cut_power(&mut self) -> io::Result<()> {
        tell!(self.trace, "node {}: without power", self.number);
        self.socket.net.go_dark(self.number);
        self.end();
        self.take_image(|disk, from, to| disk.power_failed(from, to))
    }

    /// Its power is back.
    pub(crate) fn power_up(&self) {
        self.socket.net.come_back(self.number);
    }

    /// Its process has ended by itself.
    pub(crate) fn has_ended(&mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.socket.stop_listening();
        if let Some(up) = self.up.take() {
            up.process.kill();
            up.node.crash();
            up.tasks.iter().for_each(JoinHandle::abort);
        }
    }

    /// The disk goes on under another name: whoever of the old process still holds the old one disturbs nobody.
    fn take_image(
        &mut self,
        image: impl FnOnce(&SimDisk, &Path, &Path) -> io::Result<Image>,
    ) -> io::Result<()> {
        let from = self.folder();
        self.generation += 1;
        if from.exists() { image(&self.disk, &from, &self.folder()).map(drop) } else { Ok(()) }
    }

    /// The machine has a new, empty disk.
    pub(crate) fn wipe(&mut self) {
        tell!(self.trace, "node {}: wiped", self.number);
        self.disk.wipe();
        self.generation += 1;
        self.disks += 1;
    }

    /// Its disk, which is without a process, becomes a copy of another machine's without one.
    ///
    /// # Errors
    /// The simulator's own.
    pub(crate) fn become_copy(&mut self, of: &Self) -> io::Result<()> {
        tell!(self.trace, "node {}: a copy of node {}", self.number, of.number);
        self.generation += 1;
        self.disks += 1;
        self.disk.become_copy(&of.disk, &of.folder(), &self.folder()).map(drop)
    }

    /// Bits flip in the value of a record that is at rest.
    pub(crate) fn flip(&self, key: &str) {
        let name = RecordName::parse(TABLE, key);
        let flipped = name.is_ok_and(|name| self.disk.flip(&self.folder(), &name));
        tell!(self.trace, "node {}: bits of {key} flipped: {flipped}", self.number);
    }

    /// Whether the record at rest here is one whose bits have flipped.
    pub(crate) fn is_rotten(&self, key: &str) -> bool {
        let name = RecordName::parse(TABLE, key);
        name.is_ok_and(|name| self.disk.is_rotten(&self.folder(), &name))
    }

    /// The folder of a node that its cluster gave up, as the program makes it fit to come back.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub(crate) fn renew(&mut self, holdings: &Holdings) -> Result<(), StartError> {
        tell!(self.trace, "node {}: comes back as another: {holdings}", self.number);
        if let Holdings::Recent { .. } = holdings {
            // The last process may still hold the folder's lock.
            let from = self.folder();
            self.generation += 1;
            self.disk.process_died(&from, &self.folder())?;
            renew(&self.folder())?;
        } else {
            self.wipe();
        }
        Ok(())
    }

    /// Removes what is left of its disks.
    pub(crate) fn clean_up(&self) {
        // Whoever has a lock there is gone with the process.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// As the program does: until the node is to end, and then in order.
async fn serve(
    door: FrontDoor<crate::network::Listening>,
    node: Arc<Node>,
    mut stopped: watch::Receiver<bool>,
) -> Why {
    let mut why = Why::Asked;
    let stop = async {
        why = tokio::select! {
            biased;
            reason = node.store_failure() => Why::StoreStopped(reason),
            error = node.cluster_failure() => Why::NoCluster(error),
            () = node.left() => Why::Left,
            _ = stopped.wait_for(|stopped| *stopped) => Why::Asked,
        };
        node.close_streams();
    };
    door.serve(Arc::clone(&node), HttpConfig::default(), stop, DRAIN).await;
    if !matches!(why, Why::StoreStopped(_)) {
        node.close_store().await;
    }
    why
}
