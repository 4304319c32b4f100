//! The disk of a machine: it forgets what was not synced, fails, fills, is slow, and rots.
//!
//! ```text
//! store ─▶ Disk (one start's) ─▶ SimDisk: journal files, in memory
//!       ─▶ SQLite, the note ───▶ a folder of the computer that simulates; its image behind a kill or a power cut
//! ```
//!
//! Invariants:
//! - all that is drawn comes from the seed, in the order of the calls;
//! - what was synced is there whatever comes; of what was not, a power cut decides write by write;
//! - changes of names become durable in their order, and when the directory is synced;
//! - once a process is dead, or another one started, what is left of it can do nothing any more.

mod base;
mod file;
mod files;
mod rot;
mod start;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::RecordName;
use dynarust_store::Disk;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::dice::Dice;
pub(crate) use base::Image;
use base::image;
use files::Files;
use start::Start;
pub(crate) use tally::Tally;

/// Free space of a disk that is not full.
const AVAILABLE_BYTES: u64 = 1 << 30;
/// Transactions and checkpoints of a round of the applier, about.
const STEPS_OF_A_ROUND: u64 = 8;
/// A disk that is not slow takes up to so long.
const LATENCY_MILLIS_MAX: u64 = 2;

/// See the module.
pub(crate) struct SimDisk(Arc<Mutex<State>>);

struct State {
    files: Files,
    random: StdRng,
    /// The number of the present start; what another one does fails.
    start: u64,
    is_dead: bool,
    dies: Option<Dies>,
    /// The process is to die within its applier, behind so many steps of a round.
    applier_dies_behind: Option<u64>,
    on_death: Option<OnDeath>,
    faults: Faults,
    /// The start in which a sync failed last.
    failed_at: u64,
    /// What flipped bits have made of values.
    rotten: BTreeMap<RecordName, Vec<u8>>,
    tally: Tally,
}

/// What is called when a process dies within a call of its disk.
type OnDeath = Box<dyn FnOnce() + Send>;

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    is_full: bool,
    /// So many of the next syncs fail.
    syncs_that_fail: u64,
    /// Each sync may take so much longer.
    slower_millis: u64,
}

/// What a store does to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A file is made.
    Create,
    /// Some bytes are written.
    Write,
    /// A file is synced.
    Sync,
    /// A file is cut, and synced: at opening.
    Settle,
    /// A file is renamed, and the directory synced.
    Rename,
    /// A file is removed.
    Remove,
}

/// When a process dies within an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nothing of it is done.
    Before,
    /// All of it is done; only nobody hears of it.
    After,
}

/// The death of a process within a call of its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dies {
    /// Within such an operation; `None`: within any.
    pub(crate) within: Option<Operation>,
    /// So many of them are carried out before.
    pub(crate) behind: u64,
    /// When.
    pub(crate) moment: Moment,
}

impl SimDisk {
    /// An empty disk.
    pub(crate) fn new(mut dice: Dice) -> Arc<Self> {
        Arc::new(Self(Arc::new(Mutex::new(State {
            files: Files::default(),
            random: StdRng::seed_from_u64(dice.seed()),
            start: 0,
            is_dead: false,
            dies: None,
            applier_dies_behind: None,
            on_death: None,
            faults: Faults::default(),
            failed_at: 0,
            rotten: BTreeMap::new(),
            tally: Tally::default(),
        }))))
    }

    /// The disk as the process that starts now has it. `told` is called if that dies within a call of it,
    /// before anything else happens.
    pub(crate) fn start(&self, told: impl FnOnce() + Send + 'static) -> Arc<dyn Disk> {
        let mut state = self.0.lock();
        state.start += 1;
        state.is_dead = false;
        state.plan_no_death();
        state.on_death = Some(Box::new(told));
        Arc::new(Start::new(Self(Arc::clone(&self.0)), state.start))
    }

    /// The process is gone. What it had written stays, unsynced as it may be. The folder's image is `to`.
    ///
    /// # Errors
    /// The computer's that simulates.
    pub(crate) fn process_died(&self, from: &Path, to: &Path) -> io::Result<Image> {
        self.0.lock().is_dead = true;
        image(from, to, None)
    }

    /// The power fails: each write that was not synced is kept, lost, cut short, torn or garbled. Of the changes of
    /// names since the directory was synced the oldest stand. Of the base's write-ahead log some goes that
    /// no checkpoint has synced. The folder's image is `to`.
    ///
    /// # Errors
    /// The computer's that simulates.
    pub(crate) fn power_failed(&self, from: &Path, to: &Path) -> io::Result<Image> {
        let state = &mut *self.0.lock();
        state.is_dead = true;
        state.tally.lost += state.files.power_cut(&mut state.random);
        let image = image(from, to, Some(&mut state.random))?;
        state.tally.log_bytes_lost += (image.unsynced_bytes - image.kept_bytes) as u64;
        Ok(image)
    }

    /// It is another one, and empty. What is in the folder is for whoever has that to forget.
    pub(crate) fn wipe(&self) {
        let mut state = self.0.lock();
        state.is_dead = true;
        state.files = Files::default();
    }

    /// It becomes what another machine's disk is, whose process is dead and whose folder is `from`; the folder's
    /// copy is `to`.
    ///
    /// # Errors
    /// The computer's that simulates.
    pub(crate) fn become_copy(&self, of: &Self, from: &Path, to: &Path) -> io::Result<Image> {
        let files = of.0.lock().files.copied();
        let mut state = self.0.lock();
        state.is_dead = true;
        state.files = files;
        drop(state);
        image(from, to, None)
    }

    /// The power is to fail in the middle of something: mostly the next sync, or what the store does to its
    /// journal else, or a round of its applier.
    pub(crate) fn cut_power_in_sync(&self) {
        let state = &mut *self.0.lock();
        let random = &mut state.random;
        let moment = if random.random_bool(0.5) { Moment::Before } else { Moment::After };
        match random.random_range(0..10) {
            0..5 => {
                let within = Some(Operation::Sync);
                state.dies = Some(Dies { within, behind: random.random_range(0..4), moment });
            }
            5..8 => {
                let behind = random.random_range(0..40);
                state.dies = Some(Dies { within: None, behind, moment });
            }
            _ => state.applier_dies_behind = Some(random.random_range(0..STEPS_OF_A_ROUND)),
        }
    }

    /// The process is to die within that operation.
    #[cfg(test)]
    fn die(&self, dies: Dies) {
        self.0.lock().dies = Some(dies);
    }

    /// Where it is to die within a round of its applier: behind how many of its steps.
    pub(crate) fn applier_dies_behind(&self) -> Option<u64> {
        self.0.lock().applier_dies_behind
    }

    /// It has died there.
    pub(crate) fn applier_has_died(&self) {
        let mut state = self.0.lock();
        let told = state.die();
        drop(state);
        told.into_iter().for_each(|told| told());
    }

    /// Whether the process is gone.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.lock().is_dead
    }

    /// Nothing is wrong with it any more. What it lost is lost.
    pub(crate) fn mend(&self) {
        let mut state = self.0.lock();
        state.plan_no_death();
        state.faults = Faults::default();
    }

    /// Whether it fails, or failed since the process started, to sync or to write.
    pub(crate) fn is_faulty(&self) -> bool {
        let state = self.0.lock();
        state.faults.is_full || state.faults.syncs_that_fail > 0 || state.failed_at == state.start
    }

    /// Each sync may take so many milliseconds more.
    pub(crate) fn slow(&self, millis: u64) {
        self.0.lock().faults.slower_millis = millis;
    }

    /// How long the next sync takes: for who drives the store to wait before a turn of the writer.
    pub(crate) fn latency(&self) -> Duration {
        let state = &mut *self.0.lock();
        let most = (LATENCY_MILLIS_MAX + state.faults.slower_millis) * 1000;
        Duration::from_micros(state.random.random_range(0..most))
    }

    /// Whether it has no space left.
    pub(crate) fn fill(&self, is_full: bool) {
        self.0.lock().faults.is_full = is_full;
    }

    /// The next sync fails: what it was to sync is read as it was written, and no later sync writes it.
    pub(crate) fn fail_sync(&self) {
        self.0.lock().faults.syncs_that_fail = 1;
    }

    /// A bit flips in the value of this record, which is at rest in the base of this folder. False where it is
    /// not: it is recent, or was deleted.
    pub(crate) fn flip(&self, folder: &Path, name: &RecordName) -> bool {
        let state = &mut *self.0.lock();
        // What cannot be opened has no record at rest.
        let Ok(Some(value)) = rot::flip_bit(folder, name, &mut state.random) else {
            return false;
        };
        state.rotten.insert(name.clone(), value);
        state.tally.flipped += 1;
        true
    }

    /// Whether what flipped bits have made of this record's value is there still.
    pub(crate) fn is_rotten(&self, folder: &Path, name: &RecordName) -> bool {
        let state = self.0.lock();
        let rotten = state.rotten.get(name);
        rotten.is_some_and(|rotten| {
            rot::value(folder, name).is_ok_and(|value| value.as_ref() == Some(rotten))
        })
    }

    /// What it did, and did not, so far.
    pub(crate) fn tally(&self) -> Tally {
        self.0.lock().tally
    }

    /// Carries an operation of a start out, unless the process is dead, or dies here.
    fn carry_out<T>(
        &self,
        start: u64,
        operation: Operation,
        effect: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.0.lock();
        state.check(start)?;
        match state.meets_death(operation) {
            None => return effect(&mut state),
            Some(Moment::Before) => {}
            Some(Moment::After) => drop(effect(&mut state)?),
        }
        let told = state.die();
        drop(state);
        told.into_iter().for_each(|told| told());
        Err(dead())
    }

    /// Looks at something, unless the process is dead.
    fn look<T>(&self, start: u64, at: impl FnOnce(&State) -> io::Result<T>) -> io::Result<T> {
        let state = self.0.lock();
        state.check(start)?;
        at(&state)
    }
}

impl State {
    fn check(&self, start: u64) -> io::Result<()> {
        if self.is_dead || self.start != start { Err(dead()) } else { Ok(()) }
    }

    fn plan_no_death(&mut self) {
        self.dies = None;
        self.applier_dies_behind = None;
    }

    /// Whoever is to be told of it is to be told without the lock.
    fn die(&mut self) -> Option<OnDeath> {
        self.is_dead = true;
        self.tally.deaths += 1;
        self.on_death.take()
    }

    fn meets_death(&mut self, operation: Operation) -> Option<Moment> {
        let dies = self.dies.as_mut()?;
        if dies.within.is_some_and(|within| within != operation) {
            return None;
        }
        match dies.behind.checked_sub(1) {
            Some(left) => {
                dies.behind = left;
                None
            }
            None => self.dies.take().map(|dies| dies.moment),
        }
    }

    /// Whether a sync may be carried out.
    fn check_sync(&mut self) -> io::Result<()> {
        if let Some(left) = self.faults.syncs_that_fail.checked_sub(1) {
            self.faults.syncs_that_fail = left;
            self.tally.syncs_failed += 1;
            self.failed_at = self.start;
            // As the kernel tells it: EIO.
            return Err(io::Error::from_raw_os_error(5));
        }
        self.tally.syncs += 1;
        Ok(())
    }
}

fn dead() -> io::Error {
    io::Error::other("the process is gone")
}
