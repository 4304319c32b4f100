//! Hosts of their own on one machine: each a network namespace with one link, to a switch of the test.
//!
//! The test itself is one more host, from which every other can be reached whatever is cut. A namespace
//! lives as long as the process that holds it, which ends with this test, however that ends; so do the
//! links. Nothing is left behind, and nothing needs to be cleaned up before.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::switch::{Harm, Link, Switch, Way};
use crate::node::wait_for;

/// The port of each host's node: nobody else is in its network.
const PORT: u16 = 6660;

/// The networks of RFC 2544, which no real one uses: 198.18.0.0/15.
const NETWORKS: u32 = 512;

/// Whether there can be hosts here. Says so where there can't; panics where there must.
pub(crate) fn can_have_hosts(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    let possible = root && Path::new("/dev/net/tun").exists() && has_ip();
    let must = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(possible || !must, "{test} needs root, TUN and iproute2, and CI=true demands it");
    if !possible {
        eprintln!("!! SKIPPED: {test} needs root, TUN and iproute2");
    }
    possible
}

fn has_ip() -> bool {
    Command::new("ip").arg("-V").output().is_ok_and(|output| output.status.success())
}

/// A namespace, held by a process that ends when its standard input does.
#[derive(Debug)]
struct Namespace(Child);

impl Namespace {
    fn new() -> Namespace {
        let mut holder = Command::new("unshare");
        holder.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let namespace = Namespace(holder.spawn().unwrap());
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        wait_for("a network namespace", || {
            std::fs::read_link(namespace.path()).ok().filter(|path| *path != own)
        });
        namespace
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    /// What stands before a command that is to run in it: it becomes the command.
    fn wrapper(&self) -> [String; 2] {
        ["nsenter".to_owned(), format!("--net={}", self.path())]
    }

    fn ip(&self, arguments: &str) {
        let [program, entered] = self.wrapper();
        run(&program, &format!("{entered} ip {arguments}"));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {said}");
}

/// Some hosts, and the network between them.
#[derive(Debug)]
pub(crate) struct Hosts {
    network: u32,
    // Before the namespaces, since the switch has the links' other ends.
    switch: Switch,
    namespaces: Vec<Namespace>,
}

impl Hosts {
    /// All ways are open and fast.
    pub(crate) fn new(count: usize) -> Hosts {
        let (network, own) = free_network();
        let namespaces: Vec<Namespace> = (0..count).map(|_| Namespace::new()).collect();
        let mut links = Vec::new();
        for (host, namespace) in namespaces.iter().enumerate() {
            let name = format!("dynarust{network}n{host}");
            links.push(Link::new(&name).unwrap());
            run("ip", &format!("link set {name} netns {}", namespace.0.id()));
            let address = address(network, host);
            namespace.ip(&format!("address add {address}/24 dev {name}"));
            namespace.ip(&format!("link set {name} up"));
            namespace.ip("link set lo up");
        }
        let outside = address(network, count);
        run("ip", &format!("address add {outside}/24 dev {}", device(network)));
        run("ip", &format!("link set {} up", device(network)));
        links.push(own);
        Hosts { network, switch: Switch::new(links, u64::from(network)), namespaces }
    }

    /// Where a host's node listens.
    pub(crate) fn address(&self, host: usize) -> SocketAddr {
        (address(self.network, host), PORT).into()
    }

    /// What stands before a node's command so that it runs on this host.
    pub(crate) fn wrapper(&self, host: usize) -> [String; 2] {
        self.namespaces[host].wrapper()
    }

    /// Nothing passes between the two any more, in neither direction.
    pub(crate) fn cut(&self, one: usize, other: usize) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Nothing passes between those and all others. The test reaches everybody still.
    pub(crate) fn split(&self, some: &[usize]) {
        for one in 0..self.namespaces.len() {
            for other in 0..self.namespaces.len() {
                if some.contains(&one) && !some.contains(&other) {
                    self.cut(one, other);
                }
            }
        }
    }

    /// What the one sends does not reach the other; the other is heard.
    pub(crate) fn cut_one_way(&self, from: usize, to: usize) {
        self.switch.set(from, to, |way| way.cut = true);
    }

    /// Each way takes this long, and loses so many packets of a hundred.
    pub(crate) fn slow(&self, one: usize, other: usize, delay: Duration, lost_percent: u32) {
        for (from, to) in [(one, other), (other, one)] {
            self.switch.set(from, to, |way| {
                way.delay = delay;
                way.lost_percent = lost_percent;
            });
        }
    }

    /// What happens to all that any node sends to any other. The test reaches everybody as before.
    pub(crate) fn disturb_all(&self, way: Way) {
        for one in 0..self.namespaces.len() {
            for other in (0..self.namespaces.len()).filter(|&other| other != one) {
                self.switch.set(one, other, |it| *it = way);
            }
        }
    }

    /// What was done to packets so far.
    pub(crate) fn harm(&self) -> &Harm {
        self.switch.harm()
    }

    /// All ways are open and fast again.
    pub(crate) fn heal(&self) {
        self.switch.heal();
    }
}

/// A network that no other test has: who makes the device of its name has it.
fn free_network() -> (u32, Link) {
    let first = std::process::id();
    (0..NETWORKS)
        .map(|offset| first.wrapping_add(offset) % NETWORKS)
        .find_map(|network| Some((network, Link::new(&device(network))?)))
        .unwrap()
}

fn device(network: u32) -> String {
    format!("dynarust{network}")
}

/// Hosts are numbered from 0, their addresses from 1.
fn address(network: u32, host: usize) -> IpAddr {
    let [_, _, high, low] = network.to_be_bytes();
    Ipv4Addr::new(198, 18 + high, low, u8::try_from(host + 1).unwrap()).into()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    use super::*;
    use crate::client::Client;
    use crate::node::{Launch, Node};

    const SHORT: Duration = Duration::from_millis(500);

    fn node_on(hosts: &Hosts, host: usize, folder: &Path) -> Node {
        let [program, entered] = hosts.wrapper(host);
        let launch = Launch::on(hosts.address(host), &folder.join(host.to_string()));
        launch.wrapped_in(&[&program, &entered]).start()
    }

    /// Asks a host's node from another host, within a second.
    fn reaches(hosts: &Hosts, from: usize, to: usize) -> bool {
        let [program, entered] = hosts.wrapper(from);
        let mut curl = Command::new(program);
        let url = format!("http://{}/livez", hosts.address(to));
        curl.args([&entered, "curl", "-sf", "-m", "1", "-o", "/dev/null", &url]);
        curl.status().unwrap().success()
    }

    #[test]
    fn ways_are_cut_and_healed() {
        if !can_have_hosts("hosts") {
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let hosts = Hosts::new(3);
        let nodes: Vec<Node> = (0..3).map(|host| node_on(&hosts, host, home.path())).collect();
        for (one, other) in [(0, 1), (1, 0), (0, 2), (2, 1)] {
            assert!(reaches(&hosts, one, other), "{one} to {other}");
        }
        hosts.cut(0, 1);
        assert!(!reaches(&hosts, 0, 1) && !reaches(&hosts, 1, 0));
        assert!(reaches(&hosts, 0, 2) && reaches(&hosts, 2, 1));
        hosts.heal();
        assert!(reaches(&hosts, 0, 1) && reaches(&hosts, 1, 0));
        hosts.split(&[2]);
        assert!(reaches(&hosts, 0, 1) && !reaches(&hosts, 0, 2) && !reaches(&hosts, 2, 1));
        // Whatever is cut, the test reaches all.
        for node in &nodes {
            node.client().put("t", "k", "1").unwrap().expect(200);
        }
    }

    /// A connection that stands carries what is sent the one way, and nothing the other.
    #[test]
    fn one_way_is_cut_and_the_other_is_not() {
        if !can_have_hosts("hosts") {
            return;
        }
        let hosts = Hosts::new(1);
        let (outside, inside) = (1, 0);
        let home = tempfile::tempdir().unwrap();
        let node = node_on(&hosts, inside, home.path());
        node.client().put("t", "k", "1").unwrap().expect(200);
        let mut client = Client::impatient(hosts.address(inside), SHORT);
        client.get("/livez").unwrap().expect(200);
        hosts.switch.set(inside, outside, |way| way.cut = true);
        // The request arrives, the answer does not.
        assert!(client.put("t", "k", "2").unwrap_err().sent);
        hosts.heal();
        let mut client = node.client();
        let read = || client.read("t", "k").unwrap().expect(200).value().parse::<u32>().ok();
        assert_eq!(wait_for("a value", read), 2);
    }

    #[test]
    fn slow_ways_are_slow_and_lose_some() {
        if !can_have_hosts("hosts") {
            return;
        }
        const DELAY: Duration = Duration::from_millis(100);
        const BYTES: usize = 300_000;
        let hosts = Hosts::new(1);
        // Somebody who sends back what comes, on the host, is not needed: a node echoes too.
        let home = tempfile::tempdir().unwrap();
        let node = node_on(&hosts, 0, home.path());
        let ask = || {
            let began = Instant::now();
            Client::new(hosts.address(0)).get("/livez").unwrap().expect(200);
            began.elapsed()
        };
        hosts.slow(0, 1, DELAY, 0);
        // A handshake and an answer, there and back.
        assert!(ask() >= DELAY * 4);
        hosts.slow(0, 1, DELAY / 10, 10);
        let value = format!("\"{}\"", "x".repeat(BYTES));
        // Much is lost, and nothing of it is missing in the end.
        node.client().put("t", "large", &value).unwrap().expect(200);
        assert_eq!(node.client().read("t", "large").unwrap().expect(200).value(), value);
        hosts.heal();
        assert!(ask() < DELAY * 4);
    }

    /// What is sent twice and out of order arrives once and in order: TCP is what it passes through.
    #[test]
    fn what_is_doubled_and_overtaken_arrives_whole() {
        if !can_have_hosts("hosts") {
            return;
        }
        let hosts = Hosts::new(1);
        let home = tempfile::tempdir().unwrap();
        let node = node_on(&hosts, 0, home.path());
        let way = Way { jitter: Duration::from_millis(5), doubled_percent: 50, ..Way::default() };
        for (from, to) in [(0, 1), (1, 0)] {
            hosts.switch.set(from, to, |it| *it = way);
        }
        let value = format!("\"{}\"", "x".repeat(300_000));
        node.client().put("t", "large", &value).unwrap().expect(200);
        assert_eq!(node.client().read("t", "large").unwrap().expect(200).value(), value);
        for count in [&hosts.harm().doubled, &hosts.harm().late] {
            assert!(count.load(Ordering::Relaxed) > 10, "{:?}", hosts.harm());
        }
    }

    /// Nothing stays: neither the devices nor the namespaces' holders.
    #[test]
    fn nothing_is_left_behind() {
        if !can_have_hosts("hosts") {
            return;
        }
        let hosts = Hosts::new(2);
        let device = format!("/sys/class/net/{}", device(hosts.network));
        let holder = format!("/proc/{}", hosts.namespaces[0].0.id());
        assert!(Path::new(&device).exists() && Path::new(&holder).exists());
        let listener = TcpListener::bind((address(hosts.network, 2), 0)).unwrap();
        let mut one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        one.write_all(b"x").unwrap();
        other.read_exact(&mut [0]).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _hosts = hosts;
            std::panic::resume_unwind(Box::new("the test fails"));
        }));
        assert!(panicked.is_err());
        assert!(!Path::new(&holder).exists(), "{holder}");
        wait_for("the device's end", || (!Path::new(&device).exists()).then_some(()));
    }
}
