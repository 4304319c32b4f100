//! The applier: a thread that brings what is recent into the base, and drops journal segments that
//! are no longer needed.
//!
//! ```text
//! recent ─▶ part by part, in name order: read from the journal ─▶ one transaction ─▶ checkpoint ─▶ rest
//!        ─▶ now and then the feed, in seq order                ─▶ one transaction ─▶ checkpoint ─▶ rest
//!        ─▶ `applied_seq` moves
//! ```
//!
//! Parts are small, so that no sync of the base is long: the journal's syncs wait behind it. Name order
//! brings neighbours together: a page is read and written once a round, however many of its records
//! have changed. Between parts the thread rests, as long as there is time: those who write and read
//! meanwhile need the processor too.
//!
//! Invariants:
//! - what a part holds is on stable storage in the journal before it is in the base: the base never
//!   knows what the journal could lose;
//! - `applied_seq` moves at the end of a round; until then the base may be ahead of it, record
//!   by record, and bringing them in again does no harm;
//! - a segment goes only once a synced checkpoint covers all that it holds;
//! - a full disk is waited out, with all that is recent kept; a damaged base stops the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dynarust_core::{RecordName, Seq, Stored, Version};

use crate::base::{ApplyBase, BaseError, Bounds, DeadEntriesPosition, Reached, ScrubPosition};
use crate::clock::WallClock;
use crate::driver::Driver;
use crate::emptying::Emptying;
use crate::journal::CompleteSegments;
use crate::journal::disk::Disk;
use crate::port::ReadError;
use crate::recent::Named;
use crate::shared::Shared;

/// Old tombstones and rotten records are looked for so often, or more often where tombstones are kept
/// for a short time.
const UPKEEP_INTERVAL_MAX: Duration = Duration::from_secs(60);
const UPKEEP_INTERVAL_MIN: Duration = Duration::from_millis(200);
/// Transactions that forget or give back, at most so many a round.
const TIDIED_A_ROUND: usize = 64;
/// Records that leave memory under one hold of its lock.
const RECENT_DROPPED_MAX: usize = 256;
/// With nothing written for so long, what is recent goes into the base without waiting for the interval.
const IDLE: Duration = Duration::from_millis(500);
/// Pages that a part should change: what one checkpoint syncs.
const PART_PAGES: u64 = 128;
/// Records of a part: how many change that many pages depends on how close they lie.
const PART_RECORDS_MIN: usize = 64;
/// See [`PART_RECORDS_MIN`].
const PART_RECORDS_MAX: usize = 4096;
/// Answers of requests that go into the base in one transaction.
const ANSWERS_AT_A_TIME: usize = 4096;
/// Records of an earlier start that the digests take in at a time.
const INHERITED_AT_A_TIME: usize = 1024;
/// Bytes of a part.
const PART_BYTES_MAX: usize = 2 << 20;
/// For each moment of work in a round so many of rest, while no more is recent than makes a round due.
/// With twice as much there is no rest.
const REST: f64 = 4.0;
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(100);

/// All that the applier owns.
pub(crate) struct Applier {
    pub(crate) shared: Arc<Shared>,
    pub(crate) base: ApplyBase,
    pub(crate) complete: CompleteSegments,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) wall_clock: Arc<dyn WallClock>,
    pub(crate) interval: Duration,
    pub(crate) upkeep_interval: Duration,
    pub(crate) upkeep_at: Instant,
    /// Hands don't rest.
    pub(crate) driver: Driver,
    /// Everything up to here is durable in the base.
    pub(crate) checkpointed: Seq,
    /// What the journal had at opening, until the digests have it: names in order, and versions of what has
    /// a value.
    pub(crate) inherited: Vec<(RecordName, Option<Version>)>,
    /// The write-ahead log has been emptied since the last transaction.
    pub(crate) truncated: bool,
    /// Where the scrub goes on.
    pub(crate) scrubbed: ScrubPosition,
    /// Where the look for dead entries of the feed goes on.
    pub(crate) dead_entries: DeadEntriesPosition,
    /// Partitions that are being emptied.
    pub(crate) emptying: Option<Emptying>,
    /// Records of the next part.
    pub(crate) part_records: usize,
    /// The newest seq at the last rest.
    pub(crate) head_at_rest: Seq,
}

/// How often the upkeep is due where tombstones are kept for so long.
pub(crate) fn upkeep_interval(tombstone_age: Duration) -> Duration {
    (tombstone_age / 4).clamp(UPKEEP_INTERVAL_MIN, UPKEEP_INTERVAL_MAX)
}

/// All that is recent, on its way into the base.
#[derive(Debug)]
pub(crate) struct Round {
    /// What it began with: everything up to here.
    pub(crate) through: Seq,
    pub(crate) clock_ceiling: u64,
    /// The last record that was brought in.
    pub(crate) after: Option<RecordName>,
    pub(crate) parts: usize,
    pub(crate) records: usize,
}

/// Records of the first part.
pub(crate) const PART_RECORDS_FIRST: usize = 512;

impl Applier {
    /// Runs until the writer thread has ended and everything is in the base, or the store fails.
    pub(crate) fn run(mut self) {
        self.run_to_the_end();
        self.shared.to_empty.close();
    }

    fn run_to_the_end(&mut self) {
        self.count_inherited_or_fail();
        loop {
            let closing = self.wait();
            if !self.turn(closing) {
                return;
            }
        }
    }

    /// A round, or the last one, with the newest hybrid time that was handed out; false where none follows.
    pub(crate) fn turn(&mut self, closing: Option<u64>) -> bool {
        if self.shared.failure().is_some() {
            return false;
        }
        let outcome = match closing {
            Some(clock) => self.finish(clock),
            None => self.round(),
        };
        self.tell(outcome.as_ref().err());
        if outcome.is_err() {
            self.dead_entries = DeadEntriesPosition::default();
        }
        match outcome {
            // What could not be brought in is in the journal.
            Ok(()) | Err(BaseError::Full) => closing.is_none(),
            Err(BaseError::Busy(reason)) => {
                tracing::warn!(%reason, "the base is busy");
                closing.is_none()
            }
            Err(error) => {
                self.shared.fail(&format!("bringing records into the base: {error}"));
                false
            }
        }
    }

    pub(crate) fn count_inherited_or_fail(&mut self) {
        if let Err(error) = self.count_inherited() {
            self.shared.fail(&format!("reading what records of the journal replace: {error}"));
        }
    }

    /// Has the digests tell of what the journal had at opening. It must be done before any of that is brought
    /// into the base: there stands still what it replaced.
    pub(crate) fn count_inherited(&mut self) -> Result<(), BaseError> {
        let inherited = std::mem::take(&mut self.inherited);
        for part in inherited.chunks(INHERITED_AT_A_TIME) {
            let replaced = part.iter().map(|(name, after)| {
                let before = self.base.live_version(name)?;
                Ok((name, before, *after))
            });
            let replaced: Vec<_> = replaced.collect::<Result<_, BaseError>>()?;
            self.shared.count_replaced(replaced.into_iter());
        }
        self.shared.digests_are_whole();
        Ok(())
    }

    /// One round: apply, checkpoint, and now and then upkeep.
    fn round(&mut self) -> Result<(), BaseError> {
        // What was published before it was asked for is brought in first.
        self.emptying = self.emptying.take().or_else(|| self.shared.to_empty.begin());
        let applied = self.apply()?;
        // What asked for this round meanwhile has got it.
        self.shared.pressure.lock().apply_now = false;
        self.checkpoint(!applied)?;
        self.empty_some()?;
        let due = Instant::now() >= self.upkeep_at;
        // After a start the first pass is brisk: what rotted while nobody looked is found soon.
        if (due || self.scrubbed.passes == 0)
            && !self.is_pressed()
            && let Err(error) = self.scrub()
        {
            // Those who read there are told; all else goes on.
            tracing::error!(%error, "the scrub could not read the base");
        }
        if due && self.tidy()? {
            self.upkeep_at = Instant::now() + self.upkeep_interval;
        }
        Ok(())
    }

    /// Forgets what is old, and gives its space back; true once that is all. Else the next round goes
    /// on: what is recent must not wait for it.
    fn tidy(&mut self) -> Result<bool, BaseError> {
        for _ in 0..TIDIED_A_ROUND {
            if self.is_pressed() {
                return Ok(false);
            }
            if self.sweep()? == 0
                && self.forget_answers()? == 0
                && self.forget_dead_entries()?
                && !self.give_space_back()?
            {
                return Ok(true);
            }
            self.base.checkpoint(false)?;
        }
        Ok(false)
    }

    /// Whether writers or a close wait for this thread.
    pub(crate) fn is_pressed(&self) -> bool {
        let pressure = self.shared.pressure.lock();
        pressure.apply_now || pressure.closing.is_some()
    }

    /// The last round: everything goes into the base, and the journal goes.
    fn finish(&mut self, clock: u64) -> Result<(), BaseError> {
        self.apply_last(clock)?;
        self.checkpoint(true)
    }

    /// The longest time between two rounds.
    pub(crate) fn round_interval(&self) -> Duration {
        self.interval.min(self.upkeep_interval)
    }

    /// Waits for the interval or for pressure; with the writer's last hybrid time once that has ended.
    fn wait(&self) -> Option<u64> {
        let mut pressure = self.shared.pressure.lock();
        let until = Instant::now() + self.round_interval();
        let mut head = *self.shared.published.borrow();
        while !pressure.apply_now && pressure.closing.is_none() && self.shared.failure().is_none() {
            let look = until.min(Instant::now() + IDLE);
            if self.shared.pressure_changed.wait_until(&mut pressure, look).timed_out() {
                let before = std::mem::replace(&mut head, *self.shared.published.borrow());
                if before == head || look == until {
                    break;
                }
            }
        }
        if std::mem::take(&mut pressure.apply_now) && pressure.base_full {
            // Trying at once would only find the disk full again.
            self.shared.pressure_changed.wait_for(&mut pressure, self.interval);
        }
        pressure.closing
    }

    fn tell(&self, error: Option<&BaseError>) {
        let full = error == Some(&BaseError::Full);
        let mut pressure = self.shared.pressure.lock();
        if full && !pressure.base_full {
            tracing::error!(
                "the disk is full: what is recent stays in the journal until there is space"
            );
        }
        pressure.base_full = full;
        self.shared.pressure_changed.notify_all();
    }

    /// Brings all that is recent into the base; false where nothing is.
    pub(crate) fn apply(&mut self) -> Result<bool, BaseError> {
        let round = self.begin_round();
        if self.shared.recent.read().len() == 0 && round.through <= self.base.meta().applied_seq {
            return Ok(false);
        }
        self.bring(round)?;
        Ok(true)
    }

    /// As [`Applier::apply`], for the last time: the ceiling comes down to what was handed out, so that
    /// the next start need not wait for it.
    pub(crate) fn apply_last(&mut self, clock: u64) -> Result<(), BaseError> {
        let round = self.begin_round();
        self.bring(Round { clock_ceiling: clock, ..round })
    }

    pub(crate) fn begin_round(&self) -> Round {
        // Before the records are looked at: what comes between is counted for the next time.
        self.shared.turn_to_journaled();
        let through = self.shared.recent.read().head();
        // Read behind the head: it covers every frame up to there.
        let clock_ceiling = self.shared.clock_ceiling().max(self.base.meta().clock_ceiling);
        Round { through, clock_ceiling, after: None, parts: 0, records: 0 }
    }

    fn bring(&mut self, mut round: Round) -> Result<(), BaseError> {
        let began = Instant::now();
        // The last round's may have lain closer together.
        self.part_records = self.part_records.min(PART_RECORDS_FIRST);
        // What an earlier round could not bring.
        self.bring_feed()?;
        while self.bring_answers(round.through)? {
            self.base.checkpoint(false)?;
        }
        loop {
            let began = Instant::now();
            let last = self.bring_part(&mut round)?;
            let pages = self.base.checkpoint(false)?.pages;
            self.fit_part(pages);
            self.rest_if_busy(began.elapsed());
            if last || self.base.feed_lags() {
                self.bring_feed()?;
            }
            if last {
                break;
            }
        }
        self.end_round(&round)?;
        self.shared.tally.applied(began.elapsed());
        self.count_base()?;
        let Round { parts, records, through, .. } = round;
        tracing::debug!(parts, records, through, took = ?began.elapsed(), "a round of the applier");
        Ok(())
    }

    /// Brings the feed up to date with the parts so far.
    fn bring_feed(&mut self) -> Result<(), BaseError> {
        loop {
            let began = Instant::now();
            if self.base.bring_feed()? {
                return Ok(());
            }
            self.base.checkpoint(false)?;
            self.rest_if_busy(began.elapsed());
        }
    }

    /// The base holds all of the round: what is recent lets go of it.
    pub(crate) fn end_round(&mut self, round: &Round) -> Result<(), BaseError> {
        let reached = Reached {
            applied_seq: round.through,
            clock_ceiling: round.clock_ceiling,
            // Their records, or newer ones of the same keys, are in this round and were synced for it.
            answers: self.shared.answers.lock().through(round.through, usize::MAX),
            now: self.wall_clock.now(),
        };
        self.base.reach(&reached)?;
        self.truncated = false;
        self.shared.answers.lock().applied(reached.answers.len());
        // A little at a time: publications wait for the lock, and must get it.
        loop {
            let began = Instant::now();
            if self.shared.recent.write().applied_through(round.through, RECENT_DROPPED_MAX) {
                break;
            }
            self.rest(began.elapsed());
        }
        self.shared.applying.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// As [`Applier::rest`], but not where nobody has written since the last one.
    pub(crate) fn rest_if_busy(&mut self, worked: Duration) {
        let head = *self.shared.published.borrow();
        if std::mem::replace(&mut self.head_at_rest, head) != head {
            self.rest(worked);
        }
    }

    /// Leaves the processor and the disk to others for a while behind some work.
    fn rest(&self, worked: Duration) {
        if self.driver == Driver::Hands {
            return;
        }
        let rest = worked.mul_f64(REST * (2.0 - self.shared.fullness()).clamp(0.0, 1.0));
        let until = Instant::now() + rest.min(REST_MAX);
        let mut pressure = self.shared.pressure.lock();
        while pressure.closing.is_none()
            && self.shared.failure().is_none()
            && !self.shared.pressure_changed.wait_until(&mut pressure, until).timed_out()
        {}
    }

    /// Brings some answers in that are on stable storage in the journal; whether there are more.
    fn bring_answers(&mut self, through: Seq) -> Result<bool, BaseError> {
        let synced = through.min(self.shared.synced());
        let answers = self.shared.answers.lock().through(synced, ANSWERS_AT_A_TIME);
        if answers.is_empty() {
            return Ok(false);
        }
        self.base.keep_answers(&answers)?;
        self.truncated = false;
        self.shared.answers.lock().applied(answers.len());
        Ok(answers.len() == ANSWERS_AT_A_TIME)
    }

    /// The next part of a round; true after the last. A record that has been overwritten since the round
    /// began comes in its newer form, which covers the older one.
    pub(crate) fn bring_part(&mut self, round: &mut Round) -> Result<bool, BaseError> {
        let bounds = Bounds { records: self.part_records, bytes: PART_BYTES_MAX };
        let (part, more) = self.shared.recent.read().part(round.after.as_ref(), bounds);
        self.sync_journal(&part)?;
        let records = self.load(&part)?;
        self.base.apply(&records)?;
        self.truncated = false;
        round.parts += 1;
        round.records += records.len();
        round.after = part.into_iter().next_back().map(|(name, _)| name);
        Ok(!more)
    }

    /// Tells how much the base holds.
    pub(crate) fn count_base(&self) -> Result<(), BaseError> {
        self.shared.tally.set_counts(&self.base.meta().counts);
        self.shared.tally.base_bytes.set(self.base.file_bytes()?);
        Ok(())
    }

    /// Returns once all of the part is on stable storage in the journal. Segments are synced one before
    /// the next, so the newest record's is enough.
    fn sync_journal(&self, part: &[Named]) -> Result<(), BaseError> {
        let newest = part.iter().map(|(_, entry)| entry).max_by_key(|entry| entry.seq);
        let Some(newest) = newest.filter(|newest| newest.seq > self.shared.synced()) else {
            return Ok(());
        };
        newest
            .place
            .sync()
            .map_err(|error| BaseError::Io(format!("syncing the journal: {error}").into()))?;
        self.shared.raise_synced(newest.seq);
        Ok(())
    }

    fn load(&self, part: &[Named]) -> Result<Vec<Arc<Stored>>, BaseError> {
        let records = part.iter().map(|(name, entry)| self.shared.record(name, entry, true));
        records.collect::<Result<_, ReadError>>().map_err(|error| {
            let what = format!("a record cannot be read back from the journal: {error}");
            BaseError::Damaged(what.into())
        })
    }

    /// The next part is to change about [`PART_PAGES`], as this one changed so many.
    fn fit_part(&mut self, pages: u64) {
        let fitting = if pages > 2 * PART_PAGES {
            self.part_records / 2
        } else if pages < PART_PAGES / 2 {
            self.part_records * 2
        } else {
            self.part_records
        };
        self.part_records = fitting.clamp(PART_RECORDS_MIN, PART_RECORDS_MAX);
    }

    /// Makes what is in the base durable, and drops the segments that are then not needed. An idle
    /// store also empties the write-ahead log.
    pub(crate) fn checkpoint(&mut self, truncate: bool) -> Result<(), BaseError> {
        let applied = self.base.meta().applied_seq;
        let done = self.truncated || (!truncate && self.checkpointed == applied);
        if !done && self.base.checkpoint(truncate)?.complete {
            self.checkpointed = applied;
            self.truncated = truncate;
        }
        self.drop_segments();
        Ok(())
    }

    fn drop_segments(&self) {
        let mut complete = self.complete.lock();
        // Oldest first, and none behind one that stays: a gap would look like a segment that is lost.
        while let Some(oldest) = complete.first().filter(|it| it.last_seq <= self.checkpointed) {
            if let Err(error) = self.disk.remove(&oldest.path) {
                let path = oldest.path.display().to_string();
                tracing::warn!(%error, path, "a journal segment cannot be removed; trying again");
                return;
            }
            complete.remove(0);
        }
    }

    /// Forgets some old tombstones and expired records; returns how many. Readers are told first, so that none resumes
    /// below a delete that is about to go.
    pub(crate) fn sweep(&mut self) -> Result<usize, BaseError> {
        if !self.shared.trusts_clock() {
            return Ok(0);
        }
        let old = self.base.old_records(self.wall_clock.now(), self.shared.forgettable())?;
        if !old.is_empty() {
            self.shared.forget(old.through());
            self.base.forget(&old)?;
            self.truncated = false;
            self.count_base()?;
            tracing::debug!(swept = old.count(), "tombstones and expired records were forgotten");
        }
        Ok(old.count())
    }

    /// Forgets some answers that have had their time; how many.
    pub(crate) fn forget_answers(&mut self) -> Result<usize, BaseError> {
        let forgotten = self.base.forget_answers(self.wall_clock.now())?;
        if forgotten > 0 {
            self.truncated = false;
            let left = self.base.answers()?;
            self.shared.answers.lock().set_in_base(left);
        }
        Ok(forgotten)
    }

    /// Removes some dead entries of the feed; true once all entries were looked at.
    fn forget_dead_entries(&mut self) -> Result<bool, BaseError> {
        let done = self.base.forget_dead_entries(&mut self.dead_entries)?;
        if !done {
            self.truncated = false;
        }
        Ok(done)
    }

    /// Gives some of the base's free space back; whether there was any.
    fn give_space_back(&mut self) -> Result<bool, BaseError> {
        let given = self.base.give_space_back()?;
        if given {
            self.truncated = false;
            self.count_base()?;
        }
        Ok(given)
    }
}
