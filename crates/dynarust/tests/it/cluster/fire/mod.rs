//! Gapless under fire: readers of live streams hop from node to node while nodes are killed, stand still, and are
//! split from the others, and while everything that they follow is written to.
//!
//! Each reader follows a key, a prefix, a table, or some of all (`/subscribe?…`), as server-sent events, lines, or
//! WebSocket messages. It stays for a moment, drops its connection, and goes on at another node behind the last id.
//! Per key its versions never fall, and no `reset` comes without cause ([`causes`]). Where it asks while all is well, it
//! comes to hold what was acknowledged before. At the end, when all is mended, it is told the final records where it
//! is; then it hops once more, and has them still. Nothing acknowledged is lost, and all nodes hold the same.
//!
//! | | streams | keys followed | events a second, each |
//! | --- | --- | --- | --- |
//! | a key of [`WIDE`](load::WIDE) | 200 | 1 | 1.2 |
//! | a prefix of it | 200 | 10 | 12 |
//! | the table [`NARROW`](load::NARROW) | 200 | 20 | 20 |
//! | many: a key of either, and a prefix | 200 | 12 | 14 |
//!
//! The long form, `just fire`, has these, and 500 writes and deletes a second, 20 of them to the narrow table: some
//! 9,000 events a second. The short form has a tenth of the streams and 150 writes.

mod causes;
mod load;
mod reader;
mod tally;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use self::causes::Causes;
use self::load::Tables;
use self::reader::{Kind, Reader};
use self::tally::Tally;
use super::agreement::{View, lasting, long_form};
use super::hosts::{Hosts, can_have_hosts};
use super::nodes::{Cluster, Plan};
use super::oracle::Oracle;
use super::workload::SetAtLast;
use crate::crowd::raise_open_files;
use crate::forms::Form;
use crate::seed::dice;

const NODES: usize = 3;

/// How long a mended cluster may take to be one again.
const HEALED_WITHIN: Duration = Duration::from_secs(10);

/// A reader's thread holds little.
const STACK_BYTES: usize = 512 << 10;

/// Hops of a stream, at least: 10,000 of 800 streams in five minutes.
const SECONDS_A_HOP_MAX: u64 = 24;

/// How much of it.
#[derive(Debug)]
struct Size {
    streams_of_each_kind: usize,
    /// To all tables.
    writes_a_second: u32,
    lasting: Duration,
}

impl Size {
    /// The long form is `DYNARUST_CLUSTER_SECONDS=300`.
    fn asked_for() -> Size {
        let (streams_of_each_kind, writes_a_second) =
            if long_form().is_some() { (200, 500) } else { (20, 150) };
        Size { streams_of_each_kind, writes_a_second, lasting: lasting(Duration::from_secs(20)) }
    }
}

/// What readers and writers have in common.
#[derive(Debug)]
struct Scene {
    addresses: Vec<SocketAddr>,
    tables: Tables,
    causes: Causes,
    tally: Tally,
}

/// What is done to a node.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Pause,
    Split,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Fault::Kill => "killed",
            Fault::Pause => "standing still",
            Fault::Split => "split off",
        }
    }

    /// It happens, lasts for so long, and is mended.
    fn happen(self, cluster: &mut Cluster, node: usize, lasting: Duration) {
        match self {
            Fault::Kill => cluster.kill9(node),
            Fault::Pause => cluster.stop(node),
            Fault::Split => cluster.hosts().split(&[node]),
        }
        thread::sleep(lasting);
        match self {
            Fault::Kill => cluster.start_one(node),
            Fault::Pause => cluster.cont(node),
            Fault::Split => cluster.hosts().heal(),
        }
    }
}

#[test]
fn streams_have_no_gap_under_fire() {
    let (size, mut dice) = (Size::asked_for(), dice("fire"));
    raise_open_files();
    let mut faults = vec![Fault::Kill, Fault::Pause];
    let mut plan = Plan::default();
    if can_have_hosts("splits under fire") {
        faults.push(Fault::Split);
        plan = plan.on(Hosts::new(NODES));
    }
    let mut cluster = plan.start(NODES);
    let scene = Scene {
        addresses: cluster.addresses(),
        tables: Tables::new(),
        causes: Causes::new(&cluster),
        tally: Tally::default(),
    };
    let mut readers = readers(&size, &scene, &mut dice);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ending = SetAtLast(&over);
        for writer in scene.tables.writers(size.writes_a_second) {
            let (addresses, over, dice) = (&scene.addresses, &over, fork(&mut dice));
            scope.spawn(move || writer.write_until(over, addresses, dice));
        }
        all_at_once(scope, &mut readers, |reader| reader.roam_until(&over));
        under_fire(&mut cluster, &scene.causes, &faults, size.lasting, &mut dice);
        drop(ending);
    });
    let finals = scene.tables.each().into_iter().flat_map(|it| named_finals(&cluster, it));
    let finals: View = finals.collect();
    thread::scope(|scope| all_at_once(scope, &mut readers, |reader| reader.follow_to(&finals)));
    for node in cluster.all() {
        let said = cluster.said_ever(node);
        assert!(!said.contains("panicked") && !said.contains("ERROR"), "node {node}: {said}");
    }
    scene.tally.print(&scene.causes);
    scene.tally.assert_kept(&cluster);
    let hops = scene.tally.hops.load(Ordering::Relaxed);
    let acknowledged = scene.tables.acknowledged();
    let (streams, seconds) = (readers.len() as u64, size.lasting.as_secs());
    eprintln!("{streams} streams, {hops} hops, {acknowledged} writes in {seconds} s");
    assert!(hops >= streams * seconds / SECONDS_A_HOP_MAX);
    assert!(acknowledged >= u64::from(size.writes_a_second) * seconds / 2);
}

fn fork(dice: &mut StdRng) -> StdRng {
    StdRng::seed_from_u64(dice.random())
}

/// Forms go over all kinds.
fn readers<'a>(size: &Size, scene: &'a Scene, dice: &mut StdRng) -> Vec<Reader<'a>> {
    let kinds = [Kind::Key, Kind::Prefix, Kind::Table, Kind::Many];
    let forms = [Form::Sse, Form::Lines, Form::WebSocket];
    let numbers = 0..size.streams_of_each_kind;
    let each = numbers.flat_map(|number| kinds.map(|kind| (number, kind)));
    each.map(|(number, kind)| {
        let (followed, form) = (kind.followed(number), forms[number % forms.len()]);
        Reader::new(scene, followed, form, fork(dice))
    })
    .collect()
}

/// Each reader in a thread of its own.
fn all_at_once<'scope, 'a: 'scope>(
    scope: &'scope Scope<'scope, '_>,
    readers: &'scope mut [Reader<'a>],
    work: impl Fn(&mut Reader<'a>) + Copy + Send + 'scope,
) {
    for reader in readers {
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, move || work(reader)).unwrap();
    }
}

/// One thing after the other is done to some node, each of them as often, and in between nothing.
fn under_fire(
    cluster: &mut Cluster,
    causes: &Causes,
    faults: &[Fault],
    lasting: Duration,
    dice: &mut StdRng,
) {
    let began = Instant::now();
    let rest = |dice: &mut StdRng, millis| Duration::from_millis(dice.random_range(millis));
    for (round, fault) in faults.iter().cycle().enumerate() {
        thread::sleep(rest(dice, 2_000..4_000));
        if began.elapsed() > lasting && round >= faults.len() {
            return;
        }
        let node = dice.random_range(0..NODES);
        let disturbance = causes.begin(fault.name(), node);
        fault.happen(cluster, node, rest(dice, 100..5_000));
        cluster.until_members_within(HEALED_WITHIN, NODES);
        cluster.until_caught_up();
        causes.end(disturbance);
    }
}

/// The last records of a table, which must be right and everywhere, as readers call them: `table/key`.
fn named_finals(cluster: &Cluster, (table, oracle): (&str, &Oracle)) -> View {
    let last = cluster.until_equal_within(HEALED_WITHIN, table);
    oracle.assert_kept(&last);
    last.into_iter().map(|(key, seen)| (format!("{table}/{key}"), seen)).collect()
}
