//! A node as an operator has it: a process, a folder, a port.
//!
//! A [`Launch`] is how a node is started, again and again, on the same folder and port. A [`Node`] is
//! one life of it. Nothing here reaches into the program: what it knows, it has from the outside.
//! A process is ended by its own id only, and none outlives its test.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::client::Client;

const BINARY: &str = env!("CARGO_BIN_EXE_DynaRust");

/// How long a condition is waited for. Generous: other builds share this machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How much of its log a node shows when its test fails.
const LOG_LINES_SHOWN: usize = 100;

/// Asks again until `met` gives something; panics with `what` when it never does.
pub(crate) fn wait_for<T>(what: &str, mut met: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = met() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port that no other test of this machine gets while this value lives, and no outgoing connection
/// either, since it lies below the ephemeral range. So a node can be restarted on it.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _lease: File,
}

impl Port {
    pub(crate) fn lease() -> Port {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let leases = std::env::temp_dir().join("dynarust-test-ports");
        std::fs::create_dir_all(&leases).unwrap();
        let offset = u16::try_from(std::process::id() % 10_000).unwrap();
        loop {
            let number = 20_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
            let path = leases.join(number.to_string());
            let lease = OpenOptions::new().create(true).append(true).open(path).unwrap();
            let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok();
            if lease.try_lock().is_ok() && free() {
                return Port { number, _lease: lease };
            }
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

/// How a node is started: always on the same folder and the same address.
#[derive(Debug)]
pub(crate) struct Launch {
    address: SocketAddr,
    _port: Option<Port>,
    folder: PathBuf,
    join: Option<String>,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    log: tempfile::NamedTempFile,
}

/// A start that was refused: how the process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl Launch {
    pub(crate) fn new(folder: &Path) -> Launch {
        let port = Port::lease();
        let address = port.address();
        Launch { _port: Some(port), ..Launch::on(address, folder) }
    }

    /// On an address that needs no lease, since nobody else is in its network.
    pub(crate) fn on(address: SocketAddr, folder: &Path) -> Launch {
        Launch {
            address,
            _port: None,
            folder: folder.to_path_buf(),
            join: None,
            flags: Vec::new(),
            environment: Vec::new(),
            wrapper: Vec::new(),
            log: tempfile::NamedTempFile::new().unwrap(),
        }
    }

    /// With a JOIN_ADDRESS, from the next start on; or without one.
    pub(crate) fn set_join(&mut self, address: Option<String>) {
        self.join = address;
    }

    /// With this in the environment of the process.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Launch {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn flag(mut self, flag: &str) -> Launch {
        self.flags.push(flag.to_owned());
        self
    }

    /// Puts a program in front, which must become the node by `exec` (as `strace -D` does), so that
    /// the id of the child is the node's.
    pub(crate) fn wrapped_in(mut self, wrapper: &[&str]) -> Launch {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The same as [`Launch::wrapped_in`], from the next start on.
    pub(crate) fn set_wrapper(&mut self, wrapper: Vec<String>) {
        self.wrapper = wrapper;
    }

    /// On this folder, from the next start on.
    pub(crate) fn set_folder(&mut self, folder: PathBuf) {
        self.folder = folder;
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the process and returns at once; it may not be ready yet, or never.
    pub(crate) fn spawn(&self) -> Node {
        let mut words = self.wrapper.clone();
        words.extend([BINARY.to_owned(), self.address().to_string()]);
        words.extend(self.join.clone());
        words.extend(["--data-dir".to_owned(), self.folder.display().to_string()]);
        words.extend(self.flags.iter().cloned());
        let (program, arguments) = words.split_first().unwrap();
        let log = File::create(self.log.path()).unwrap();
        let mut command = quiet(program);
        command.envs(self.environment.iter().cloned());
        command.args(arguments).stdout(log.try_clone().unwrap()).stderr(log);
        Node {
            child: command.spawn().unwrap(),
            address: self.address(),
            log: self.log.path().to_path_buf(),
        }
    }

    /// Starts the node and waits until it says that it is ready, or ends.
    pub(crate) fn try_start(&self) -> Result<Node, Refusal> {
        let mut node = self.spawn();
        wait_for("a node that is ready, or ends", || {
            if let Some(status) = node.has_ended() {
                return Some(Some(status));
            }
            node.is_ready().then_some(None)
        })
        .map_or(Ok(()), |status| Err(Refusal { status, stderr: self.said() }))
        .map(|()| node)
    }

    pub(crate) fn start(&self) -> Node {
        self.try_start().unwrap_or_else(|refusal| {
            panic!("the node did not start ({}): {}", refusal.status, refusal.stderr)
        })
    }

    /// What the latest life of the node wrote to stdout and stderr.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log.path()).unwrap()).into_owned()
    }
}

/// One life of a node. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Node {
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_ready(&self) -> bool {
        Client::new(self.address).get("/readyz").is_ok_and(|answer| answer.status == 200)
    }

    /// The power of `kill -9`: no handler runs, nothing is flushed by the program.
    pub(crate) fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// How the process ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the process to end by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        wait_for("the node's end", || self.child.try_wait().unwrap())
    }

    /// SIGTERM, and how long the node took to end well.
    pub(crate) fn terminate(self) -> Duration {
        let began = Instant::now();
        self.signal(Signal::TERM);
        let log = self.log.clone();
        let status = self.ended();
        let said = std::fs::read_to_string(log).unwrap_or_default();
        assert!(status.success(), "after SIGTERM: {status}: {said}");
        began.elapsed()
    }

    /// How many files and sockets the process has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Already ended: an error that says so.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        if std::thread::panicking() {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines.len().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("--- {} said:\n{}\n---", self.address, lines[last..].join("\n"));
        }
    }
}

/// A command in the environment of a bare shell: nothing of the caller's settings leaks in, and a
/// panic would show its backtrace.
fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("DYNARUST_") || name_text == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.env_remove("CLUSTER_SECRET").env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

/// Runs `DynaRust` with these words to its end, in this folder.
pub(crate) fn run_in(folder: &Path, words: &[&str]) -> Output {
    run_in_with(folder, words, &[])
}

/// The same, with this in its environment.
pub(crate) fn run_in_with(folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = quiet(BINARY);
    command.envs(environment.iter().copied());
    command.args(words).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_for("a command that ends by itself", || child.try_wait().unwrap());
    child.wait_with_output().unwrap()
}

/// `DynaRust verify <folder>` of a stopped node must be content.
pub(crate) fn verify(folder: &Path) {
    let output = run_in(Path::new("/"), &["verify", &folder.display().to_string()]);
    assert!(
        output.status.success(),
        "verify of {}: {}\n{}{}",
        folder.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The two-nodes-in-one-folder case: a node without `--data-dir`, in a working directory.
pub(crate) fn spawn_in(folder: &Path, port: &Port, log: &Path) -> Node {
    let mut command = quiet(BINARY);
    command.arg(port.address().to_string()).current_dir(folder);
    spawn_logging(command, port.address(), log)
}

/// A node that listens on this address, which may have port 0; its client has no address then.
pub(crate) fn spawn_on(listen: &str, data: &Path, log: &Path) -> Node {
    let mut command = quiet(BINARY);
    command.arg(listen).arg("--data-dir").arg(data);
    spawn_logging(command, listen.parse().unwrap(), log)
}

fn spawn_logging(mut command: Command, address: SocketAddr, log: &Path) -> Node {
    let file = File::create(log).unwrap();
    command.stdout(file.try_clone().unwrap()).stderr(file);
    Node { child: command.spawn().unwrap(), address, log: log.to_path_buf() }
}
