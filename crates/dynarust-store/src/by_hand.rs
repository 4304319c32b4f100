//! A store that is driven by hand: no thread runs, and nothing waits but in the tasks of those who call.
//!
//! ```text
//! write ─▶ submissions ─ bell ─▶ who holds the hands ─▶ Hands::write ─▶ journal, published, answered
//!                                                    ─▶ Hands::apply ─▶ base
//!                                                    ─▶ Hands::expire
//! ```
//!
//! Simulations use it: what a store does, and when, follows from the calls, the clocks and the disk alone.
//! Each step is what a thread of the store does at a turn, and the same code.
//!
//! Invariants:
//! - a step has done all of its work when it returns; reads are done when they are polled;
//! - where the hands are dropped, nothing more is written, as if the process had been killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::applier::Applier;
use crate::config::StoreConfig;
use crate::driver::Driver;
use crate::expirer::{Due, Expirer, LOOK_INTERVAL};
use crate::folder::Folder;
use crate::journal::disk::Disk;
use crate::local::{LocalStore, Threads};
use crate::open_error::OpenError;
use crate::shared::Shared;
use crate::submission::Marked;
use crate::writer::Writer;

/// What a store's threads do, step by step.
pub struct Hands {
    writer: Writer,
    pub(crate) applier: Applier,
    expirer: Expirer,
    shared: Arc<Shared>,
    /// Stays locked until the hands go.
    _folder: Arc<Folder>,
    finished: bool,
}

impl LocalStore {
    /// Opens the folder of a node, or makes one, with its journal on this disk. Nothing happens behind the
    /// store but by the hands.
    ///
    /// # Errors
    /// [`OpenError`]; the folder is as it was.
    pub fn open_by_hand(
        config: &StoreConfig,
        disk: Arc<dyn Disk>,
    ) -> Result<(Self, Hands), OpenError> {
        let (store, Threads { writer, applier, expirer }) =
            Self::assemble(config, disk, Driver::Hands)?;
        let (shared, folder) = (Arc::clone(&store.shared), Arc::clone(&store.folder));
        let hands = Hands { writer, applier, expirer, shared, _folder: folder, finished: false };
        Ok((store, hands))
    }
}

impl Hands {
    /// Whether the store is being closed, and waits for [`Hands::finish`].
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.shared.submissions.is_closed()
    }

    /// How long to wait before the first [`Hands::write`], so that versions follow the wall clock.
    #[must_use]
    pub fn clock_wait(&self) -> Duration {
        self.writer.clock_wait()
    }

    /// Returns once there may be work for [`Hands::write`] or, if [`Hands::is_pressed`], for
    /// [`Hands::apply`].
    pub fn wait_for_work(&self) -> impl Future<Output = ()> + Send + use<> {
        let bell = self.shared.bell.clone();
        async move { bell.rung().await }
    }

    /// One turn of the writer: the writes that wait, as many as one sync covers; or the flush of relaxed
    /// writes, if it is due. False where there was nothing to do.
    pub fn write(&mut self) -> bool {
        self.make_room();
        let work = self.shared.submissions.take_now(self.writer.flush_at);
        work.is_some_and(|work| self.writer.turn(work))
    }

    /// When [`Hands::write`] has relaxed writes to flush.
    #[must_use]
    pub fn flush_at(&self) -> Option<Instant> {
        self.writer.flush_at
    }

    /// One round of the applier: into the base, a checkpoint, and what else is due: emptying, scrubbing,
    /// forgetting. True where another is wanted at once.
    pub fn apply(&mut self) -> bool {
        self.applier.count_inherited_or_fail();
        self.shared.pressure.lock().apply_now = false;
        self.applier.turn(None) && self.is_pressed()
    }

    /// The process is to end within [`Hands::apply`], behind so many more transactions and checkpoints, or
    /// not: the store fails there, and nothing more comes of it.
    pub fn end_behind(&mut self, steps: Option<u64>) {
        self.applier.base.steps.set(steps);
    }

    /// Whether the store has failed: no step does anything any more.
    #[must_use]
    pub fn have_failed(&self) -> bool {
        self.shared.failure().is_some()
    }

    /// Whether [`Hands::apply`] should not wait for its interval.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.applier.is_pressed()
    }

    /// A round is due so long behind the last one.
    #[must_use]
    pub fn apply_interval(&self) -> Duration {
        self.applier.round_interval()
    }

    /// One look of the expirer; what is due is marked.
    pub fn expire(&mut self) {
        let Self { writer, expirer, shared, .. } = self;
        let mut mark = |due: Vec<Due>| -> Marked {
            shared.submissions.mark_expired_now(due, || {
                if let Some(work) = shared.submissions.take_now(None) {
                    writer.turn(work);
                }
            })
        };
        expirer.turn(&mut mark);
    }

    /// A look is due so long behind the last one.
    #[must_use]
    pub fn expire_interval(&self) -> Duration {
        LOOK_INTERVAL
    }

    /// A clean end: what waits is written, and everything is brought into the base. Whoever waits in
    /// [`crate::Store::close`] goes on.
    pub fn finish(mut self) {
        self.shared.submissions.close();
        while self.write() {}
        let clock = self.writer.end();
        self.applier.count_inherited_or_fail();
        self.applier.turn(Some(clock));
        self.shared.to_empty.close();
        self.finished = true;
    }

    /// The writer's thread waits until there is room for more in the journal.
    fn make_room(&mut self) {
        let base_full = |shared: &Shared| shared.pressure.lock().base_full;
        while !self.writer.has_room() && !base_full(&self.shared) && self.applier.turn(None) {}
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.fail("it was killed");
        }
    }
}
