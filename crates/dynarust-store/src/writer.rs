//! The writer thread: group commit (design section 3).
//!
//! ```text
//! take what waits ─▶ decide ─▶ append ─▶ sync, if any of it asks ─▶ publish ─▶ answer
//! ```
//!
//! Invariants:
//! - nothing is published before it is as durable as its writer asked, and nothing is answered before
//!   it is published;
//! - no version is handed out above a clock ceiling that is on stable storage;
//! - after a failed sync, or a write that left the file unknown, nothing is written any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dynarust_core::clock;
use dynarust_core::limits::{
    APPLY_BYTES, CLOCK_CEILING_MILLIS, JOURNAL_BYTES_MAX, RECENT_RECORDS_MAX,
};
use dynarust_core::version::COUNTER_BITS;
use dynarust_core::{HybridClock, NodeId, Seq};
use tokio::sync::watch;

use crate::base::ReadBase;
use crate::clock::WallClock;
use crate::expirer::Due;
use crate::group::{Decided, Deciding, Pending};
use crate::journal::{AppendError, JournalWriter, Place};
use crate::port::WriteError;
use crate::shared::Shared;
use crate::submission::{Answer, Submission, Work};
use crate::view::View;

/// All that the writer owns.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) published: watch::Sender<Seq>,
    pub(crate) journal: JournalWriter,
    pub(crate) base: ReadBase,
    pub(crate) wall_clock: Arc<dyn WallClock>,
    pub(crate) clock: HybridClock,
    pub(crate) node: NodeId,
    pub(crate) last_seq: Seq,
    /// A relaxed write is synced at most so much later.
    pub(crate) relaxed_flush: Duration,
    /// The clock ceiling that is on stable storage.
    pub(crate) ceiling_synced: u64,
    /// When what is not synced is to be.
    pub(crate) flush_at: Option<Instant>,
}

impl Writer {
    /// Runs until the queue is closed and empty, or the journal fails. Returns the newest hybrid time
    /// that was handed out.
    pub(crate) fn run(mut self) -> u64 {
        let wait = self.clock_wait();
        if !wait.is_zero() {
            self.wall_clock.sleep(wait);
        }
        loop {
            let work = self.shared.submissions.take(self.flush_at);
            if !self.turn(work) {
                return self.end();
            }
        }
    }

    /// Carries out what was found; false where nothing comes any more.
    pub(crate) fn turn(&mut self, work: Work) -> bool {
        match work {
            Work::Group(group) => self.commit(group),
            Work::Due(due) => {
                let marked = self.mark(&due).is_ok();
                self.shared.submissions.marked(marked);
            }
            Work::Deadline => self.flush(),
            Work::Closed => return false,
        }
        self.flush_in_time();
        true
    }

    fn flush_in_time(&mut self) {
        if !self.journal.is_synced() {
            let at = *self.flush_at.get_or_insert_with(|| Instant::now() + self.relaxed_flush);
            if at > Instant::now() {
                return;
            }
            self.flush();
        }
        self.flush_at = None;
    }

    /// Ends the journal, once nothing comes any more. Returns the newest hybrid time that was handed out.
    pub(crate) fn end(&mut self) -> u64 {
        self.flush();
        self.journal.finish();
        self.clock.last()
    }

    /// How long to wait before the first turn: a start hands out nothing that an earlier one may have handed
    /// out. What the wall clock has not passed after that long, the hybrid clock counts on from.
    pub(crate) fn clock_wait(&self) -> Duration {
        let now = clock::at(self.wall_clock.now());
        let ahead = Duration::from_millis(self.clock.last().saturating_sub(now) >> COUNTER_BITS);
        if ahead > Duration::from_millis(CLOCK_CEILING_MILLIS) {
            tracing::warn!(?ahead, "the wall clock is behind the last start's; versions count on");
        }
        ahead.min(Duration::from_millis(CLOCK_CEILING_MILLIS))
    }

    /// An error is that of everything in the group: none of it took.
    fn commit(&mut self, group: Vec<Submission>) {
        if let Err(error) = self.check_running().and_then(|()| self.wait_for_room()) {
            return group.into_iter().for_each(|submission| submission.refuse(&error));
        }
        let mut deciding = self.deciding();
        let answers: Vec<Answer> =
            group.into_iter().map(|submission| submission.decide(&mut deciding)).collect();
        let decided = deciding.end();
        let stands = self.put_down(&decided);
        answers.into_iter().for_each(|answer| answer.give(&stands));
    }

    /// Marks those that have expired. Nobody waits for it: what does not work now is tried again.
    fn mark(&mut self, due: &[Due]) -> Result<(), WriteError> {
        self.check_running()?;
        // Clients' writes have the rest.
        if self.shared.unapplied_bytes() > JOURNAL_BYTES_MAX / 2 {
            return Err(WriteError::Overloaded);
        }
        // One that cannot be read stays as it is.
        let found = due.iter().filter_map(|due| {
            let stored = self.shared.find(&self.base, &due.name).ok().flatten();
            stored.filter(|stored| stored.record.version == due.version)
        });
        let found: Vec<_> = found.collect();
        let mut deciding = self.deciding();
        deciding.expire(&found);
        let decided = deciding.end();
        self.put_down(&decided)
    }

    fn put_down(&mut self, decided: &Decided) -> Result<(), WriteError> {
        self.shared.tally.overwritten.add(decided.overwritten);
        if !decided.records.is_empty() {
            let places = self.persist(decided)?;
            self.count_journaled(&places);
            self.publish_answers(decided);
            self.count_replaced(decided);
            self.shared.publish(&decided.records, &places, &self.published);
            self.press();
        } else if decided.proposed && self.clock.last() > self.ceiling_synced {
            // A frame without records: no later start gives the stamp again.
            self.persist(decided)?;
        } else if decided.sync {
            self.sync()?;
        }
        Ok(())
    }

    fn count_replaced(&self, decided: &Decided) {
        let after = decided.records.iter().zip(&decided.before).map(|(stored, before)| {
            let record = &stored.record;
            (&stored.name, *before, record.holds_value().then_some(record.version))
        });
        self.shared.count_replaced(after);
    }

    /// With the lock only where there is one: few writes come with a key.
    fn publish_answers(&self, decided: &Decided) {
        if !decided.carried.is_empty() {
            let mut answers = self.shared.answers.lock();
            decided.carried.iter().cloned().for_each(|carried| answers.publish(carried));
        }
    }

    fn deciding(&mut self) -> Deciding<'_, View<'_>> {
        let now = self.wall_clock.now();
        Deciding {
            node: self.node,
            clock: &mut self.clock,
            now,
            last_seq: self.last_seq,
            published: View::new(&self.shared, &self.base),
            pending: Pending::default(),
            decided: Decided::default(),
        }
    }

    /// As durable as the group asks; and always so where a version outruns the synced ceiling: else a later
    /// start could give it again.
    fn persist(&mut self, decided: &Decided) -> Result<Vec<Place>, WriteError> {
        // Also ahead of a clock that counts on because the wall clock was set back.
        let now = clock::at(self.wall_clock.now()).max(self.clock.last());
        let ceiling = now.saturating_add(clock::at(CLOCK_CEILING_MILLIS));
        let places = match self.journal.append(&decided.records, &decided.carried, ceiling) {
            Ok(places) => places,
            Err(AppendError::Full) => return Err(WriteError::Full),
            Err(AppendError::Refused(error)) => {
                tracing::error!(%error, "no journal segment can be made; writes are refused");
                return Err(WriteError::Overloaded);
            }
            Err(AppendError::Io(error)) => return Err(self.fail("writing the journal", &error)),
        };
        self.shared.raise_clock_ceiling(ceiling);
        self.shared.tally.groups.add(1);
        self.shared.tally.group_records.add(decided.records.len() as u64);
        self.last_seq += decided.records.len() as u64;
        if decided.sync || decided.ahead || self.clock.last() > self.ceiling_synced {
            self.sync()?;
            self.ceiling_synced = ceiling;
        }
        Ok(places)
    }

    fn sync(&mut self) -> Result<(), WriteError> {
        if !self.journal.is_synced() {
            self.shared.tally.syncs.add(1);
        }
        self.journal.sync().map_err(|error| self.fail("syncing the journal", &error))?;
        self.shared.raise_synced(self.last_seq);
        Ok(())
    }

    fn flush(&mut self) {
        if self.check_running().is_ok() {
            // The failure is kept in `shared`; nobody waits for this sync.
            let _ = self.sync();
        }
    }

    fn fail(&self, doing: &str, error: &std::io::Error) -> WriteError {
        self.shared.fail(&format!("{doing}: {error}"));
        self.stopped()
    }

    fn stopped(&self) -> WriteError {
        WriteError::Stopped(self.shared.failure().unwrap_or_else(|| "it was closed".into()))
    }

    fn check_running(&self) -> Result<(), WriteError> {
        if self.shared.failure().is_some() { Err(self.stopped()) } else { Ok(()) }
    }

    /// Waits while more is recent than room is set aside for; fails where the base has no space.
    fn wait_for_room(&self) -> Result<(), WriteError> {
        let mut pressure = self.shared.pressure.lock();
        while !self.has_room() {
            if pressure.base_full {
                return Err(WriteError::Full);
            }
            pressure.apply_now = true;
            self.shared.pressure_changed.notify_all();
            self.shared.pressure_changed.wait(&mut pressure);
            self.check_running()?;
        }
        Ok(())
    }

    /// Whether no more is recent than room is set aside for.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.unapplied_bytes() <= JOURNAL_BYTES_MAX
            && self.shared.recent.read().len() <= RECENT_RECORDS_MAX
    }

    fn count_journaled(&self, places: &[Place]) {
        let bytes: usize = places.iter().map(Place::bytes).sum();
        self.shared.journaled.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Has the applier come early where much is recent.
    fn press(&self) {
        if self.shared.journaled.load(Ordering::Relaxed) >= APPLY_BYTES
            || self.shared.recent.read().len() >= self.shared.apply_records
        {
            self.shared.press();
        }
    }
}
