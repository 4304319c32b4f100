//! What is written to, and who writes: so much a second, whatever happens, through one node until that fails, and
//! then through the next.
//!
//! Of a writer's keys a third is written to at a time, and the others rest, so that what a stream missed of them is not
//! made up for by the next write.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;

use crate::client::Client;
use crate::cluster::oracle::{Oracle, Promise, Wish, WriteId};
use crate::cluster::workload::write;

/// The table of which keys and prefixes are followed, and how many keys it has.
pub(super) const WIDE: &str = "wide";
pub(super) const WIDE_KEYS: usize = 400;

/// The one that is followed whole.
pub(super) const NARROW: &str = "narrow";
pub(super) const NARROW_KEYS: usize = 20;
const NARROW_WRITES_A_SECOND: u32 = 20;

/// Of one writer; what it was kept from it makes up for.
const WRITES_A_SECOND: u32 = 10;

/// The parts of its keys that a writer writes to in turn, and for how long: a key rests for longer than any stream
/// may be late.
const PARTS: usize = 3;
const TURN: Duration = Duration::from_secs(15);

/// How long it waits for an answer. The write may have taken effect then, or take effect still.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of all that is written to.
#[derive(Debug)]
pub(super) struct Tables {
    wide: Oracle,
    narrow: Oracle,
}

impl Tables {
    pub(super) fn new() -> Tables {
        let [wide, narrow] =
            [WIDE_KEYS, NARROW_KEYS].map(|keys| Oracle::new(keys, Promise::Convergent));
        Tables { wide, narrow }
    }

    pub(super) fn each(&self) -> [(&'static str, &Oracle); 2] {
        [(WIDE, &self.wide), (NARROW, &self.narrow)]
    }

    /// Writes that were, so far.
    pub(super) fn acknowledged(&self) -> u64 {
        let each = self.each().map(|(_, oracle)| oracle.acknowledged.load(Ordering::Relaxed));
        each.into_iter().sum()
    }

    pub(super) fn of(&self, table: &str) -> &Oracle {
        if table == WIDE { &self.wide } else { &self.narrow }
    }

    /// Who write so much to all of them. Each key has one writer.
    pub(super) fn writers(&self, writes_a_second: u32) -> impl Iterator<Item = Writer<'_>> {
        let narrow = Writer::some(NARROW, &self.narrow, NARROW_WRITES_A_SECOND);
        Writer::some(WIDE, &self.wide, writes_a_second - NARROW_WRITES_A_SECOND).chain(narrow)
    }
}

/// One writer, and the keys that are its own: every so-many-th of a table.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    table: &'static str,
    oracle: &'a Oracle,
    number: usize,
    writers: usize,
    interval: Duration,
}

impl<'a> Writer<'a> {
    /// As many as a table needs to be written to so often.
    fn some(
        table: &'static str,
        oracle: &'a Oracle,
        writes_a_second: u32,
    ) -> impl Iterator<Item = Writer<'a>> {
        let writers = writes_a_second.div_ceil(WRITES_A_SECOND);
        let interval = Duration::from_secs(1) * writers / writes_a_second;
        let writers = usize::try_from(writers).unwrap();
        (0..writers).map(move |number| Writer { table, oracle, number, writers, interval })
    }

    pub(super) fn write_until(self, over: &AtomicBool, doors: &[SocketAddr], mut dice: StdRng) {
        let keys: Vec<usize> = (self.number..self.oracle.keys()).step_by(self.writers).collect();
        let began = Instant::now();
        let mut due = began + self.interval.mul_f64(dice.random());
        let mut door = self.number;
        let client_at = |door| Client::impatient(doors[door % doors.len()], PATIENCE);
        let mut client = client_at(door);
        for nth in 0.. {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if over.load(Ordering::Relaxed) {
                return;
            }
            due += self.interval;
            let wish = match dice.random_range(0..5) {
                0 => Wish::Delete,
                _ => Wish::Put(WriteId { writer: self.number, write: nth }),
            };
            let turn = began.elapsed().as_millis() / TURN.as_millis();
            let part = keys.iter().skip(usize::try_from(turn).unwrap() % PARTS).step_by(PARTS);
            let key = *part.choose(&mut dice).unwrap();
            if !write(&mut client, self.oracle, self.table, key, wish) {
                door += 1;
                client = client_at(door);
            }
        }
    }
}
