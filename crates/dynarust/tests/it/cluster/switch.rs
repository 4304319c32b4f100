//! The network between hosts: it takes each host's packets, and hands them on: late, twice, in another
//! order, or not at all.
//!
//! Every host's only link is a TUN device whose other end is here, so what a rule says of a way from
//! one host to another holds for all that goes that way, at once, for connections that stand too. It
//! needs neither netem nor packet filters, which not every kernel has. Dropping it ends it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How soon the thread notices that it is to end.
const ROUND: Duration = Duration::from_millis(50);

/// What waits at once for its time to come; more is lost, as in any switch.
const DELAYED_MAX: usize = 100_000;

const PACKET_BYTES_MAX: usize = 65_536;

/// What happens to packets from one host to another.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Way {
    pub(crate) cut: bool,
    pub(crate) delay: Duration,
    /// By up to so much more each packet is late, so that others overtake it.
    pub(crate) jitter: Duration,
    /// Of a hundred packets, so many are lost.
    pub(crate) lost_percent: u32,
    /// Of a hundred packets, so many arrive twice.
    pub(crate) doubled_percent: u32,
}

/// What was done to packets so far.
#[derive(Debug, Default)]
pub(crate) struct Harm {
    /// Lost on an open way, or sent into a cut one.
    pub(crate) lost: AtomicU64,
    pub(crate) doubled: AtomicU64,
    pub(crate) late: AtomicU64,
}

impl Harm {
    /// By its kind.
    pub(crate) fn counted(&self) -> [(&'static str, u64); 3] {
        [
            ("packets lost", self.lost.load(Ordering::Relaxed)),
            ("packets doubled", self.doubled.load(Ordering::Relaxed)),
            ("packets late", self.late.load(Ordering::Relaxed)),
        ]
    }
}

/// The ways between all pairs, row by row.
#[derive(Debug)]
struct Ways {
    ports: usize,
    ways: Vec<Way>,
}

/// One end of a TUN device: packets that its host sends come out, and packets put in reach it.
#[derive(Debug)]
pub(crate) struct Link(File);

impl Link {
    /// A new device of this name, in the network namespace of this process; nothing where there is
    /// one already. It is gone with this value.
    pub(crate) fn new(name: &str) -> Option<Link> {
        // `ioctl(TUNSETIFF)` with IFF_TUN and IFF_NO_PI, on the open file that perl gets from here.
        const SET: &str = "my $request = pack(q(a16 S x22), $ARGV[0], 0x1001);
ioctl(STDIN, 0x400454ca, $request) or exit($!{EBUSY} ? 2 : die $!);";
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        let device = options.open("/dev/net/tun").unwrap();
        let mut perl = Command::new("perl");
        perl.args(["-MErrno", "-e", SET, name]).stdin(Stdio::from(device.try_clone().unwrap()));
        let output = perl.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => Some(Link(device)),
            Some(2) => None,
            _ => panic!("no TUN device {name}: {said}"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Switch {
    ways: Arc<Mutex<Ways>>,
    harm: Arc<Harm>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Switch {
    /// Joins these links. A packet goes to the link whose number is the last part of its IPv4
    /// destination, less one.
    pub(crate) fn new(links: Vec<Link>, seed: u64) -> Switch {
        let ports = links.len();
        let ways = vec![Way::default(); ports * ports];
        let ways = Arc::new(Mutex::new(Ways { ports, ways }));
        let harm = Arc::<Harm>::default();
        let over = Arc::new(AtomicBool::new(false));
        let forwarder = Forwarder {
            links,
            ways: Arc::clone(&ways),
            harm: Arc::clone(&harm),
            over: Arc::clone(&over),
            delayed: BinaryHeap::new(),
            taken: 0,
            dice: StdRng::seed_from_u64(seed),
        };
        let thread = std::thread::Builder::new().name("switch".to_owned());
        let thread = thread.spawn(move || forwarder.run()).unwrap();
        Switch { ways, harm, over, thread: Some(thread) }
    }

    /// Changes the way from one port to another.
    pub(crate) fn set(&self, from: usize, to: usize, change: impl FnOnce(&mut Way)) {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let index = from * ways.ports + to;
        change(&mut ways.ways[index]);
    }

    /// What was done to packets so far.
    pub(crate) fn harm(&self) -> &Harm {
        &self.harm
    }

    /// All ways are fast and open again. What is under way arrives when it would have.
    pub(crate) fn heal(&self) {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        ways.ways.fill(Way::default());
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// A packet whose time has not come; the number keeps those of one moment in order.
type Delayed = Reverse<(Instant, u64, usize, Vec<u8>)>;

#[derive(Debug)]
struct Forwarder {
    links: Vec<Link>,
    ways: Arc<Mutex<Ways>>,
    harm: Arc<Harm>,
    over: Arc<AtomicBool>,
    delayed: BinaryHeap<Delayed>,
    taken: u64,
    dice: StdRng,
}

impl Forwarder {
    fn run(mut self) {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        while !self.over.load(Ordering::Relaxed) {
            for from in self.links_to_read() {
                while let Ok(length @ 1..) = (&self.links[from].0).read(&mut packet) {
                    self.take(from, &packet[..length]);
                }
            }
            self.hand_out_what_is_due();
        }
    }

    /// Waits until a host has sent something, or something delayed is due.
    fn links_to_read(&self) -> Vec<usize> {
        let due = self.delayed.peek().map(|Reverse((due, ..))| *due);
        let wait =
            due.map_or(ROUND, |due| due.saturating_duration_since(Instant::now()).min(ROUND));
        let mut polled: Vec<PollFd<'_>> =
            self.links.iter().map(|link| PollFd::new(&link.0, PollFlags::IN)).collect();
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        // Interrupted, or nothing to read: the next round asks again.
        let _count = poll(&mut polled, Some(&wait));
        let ready = polled.iter().map(|it| it.revents().contains(PollFlags::IN));
        ready.enumerate().filter_map(|(port, ready)| ready.then_some(port)).collect()
    }

    fn take(&mut self, from: usize, packet: &[u8]) {
        let Some(to) = destination(packet).filter(|&to| to < self.links.len()) else { return };
        let way = {
            let ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
            ways.ways[from * ways.ports + to]
        };
        let mut happens = |percent| self.dice.random_range(0..100) < percent;
        let (lost, doubled) = (way.cut || happens(way.lost_percent), happens(way.doubled_percent));
        if lost {
            self.harm.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.carry(way, to, packet);
        if doubled {
            self.harm.doubled.fetch_add(1, Ordering::Relaxed);
            self.carry(way, to, packet);
        }
    }

    fn carry(&mut self, way: Way, to: usize, packet: &[u8]) {
        let delay = way.delay + way.jitter.mul_f64(self.dice.random());
        if delay.is_zero() {
            self.hand_out(to, packet);
        } else if self.delayed.len() < DELAYED_MAX {
            self.harm.late.fetch_add(1, Ordering::Relaxed);
            self.taken += 1;
            let due = Instant::now() + delay;
            self.delayed.push(Reverse((due, self.taken, to, packet.to_vec())));
        }
    }

    fn hand_out_what_is_due(&mut self) {
        let now = Instant::now();
        while self.delayed.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            if let Some(Reverse((_, _, to, packet))) = self.delayed.pop() {
                self.hand_out(to, &packet);
            }
        }
    }

    /// A host that takes nothing has lost it, as on any wire.
    fn hand_out(&self, to: usize, packet: &[u8]) {
        let _written = (&self.links[to].0).write(packet);
    }
}

/// The port that an IPv4 packet is for; the hosts speak nothing else.
fn destination(packet: &[u8]) -> Option<usize> {
    let version = packet.first()? >> 4;
    let last = usize::from(*packet.get(19)?);
    (version == 4).then(|| last.checked_sub(1)).flatten()
}
