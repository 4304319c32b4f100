//! Brings records into the base, a batch a transaction, and makes them durable there.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::digest::Digests;
use dynarust_core::limits::EPOCHS_MAX;
use dynarust_core::merge::{Merge, merge};
use dynarust_core::{Epoch, RecordName, Seq, Stored, UnixMillis, Version};
use rusqlite::{Connection, Transaction, params};

use super::answers;
use super::audit::{Audit, audit};
use super::counts::{self, Counting};
use super::error::BaseError;
use super::feed::{self, FeedChanges};
use super::feed_times::FeedTimes;
use super::meta::Meta;
use super::misnamed::{is_sound, row_of};
use super::present::Present;
use super::row::{Head, Kind, from_signed, row_checksum, to_signed};
use super::schema::{BaseFormat, OpenBase};
use super::steps::StepsLeft;
use crate::answers::Carried;

/// The connection that writes; owned by the applier.
pub(crate) struct ApplyBase {
    pub(super) connection: Connection,
    pub(super) meta: Meta,
    pub(super) feed_times: FeedTimes,
    pub(super) feed_changes: FeedChanges,
    pub(crate) steps: StepsLeft,
}

/// How far a round of the applier came.
#[derive(Debug)]
pub(crate) struct Reached {
    /// The base holds everything up to here.
    pub(crate) applied_seq: Seq,
    /// No version that has been handed out is above it.
    pub(crate) clock_ceiling: u64,
    /// The answers up to there that the base does not have.
    pub(crate) answers: Vec<Carried>,
    pub(crate) now: UnixMillis,
}

/// What a checkpoint did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checkpoint {
    /// Everything in the base is durable; else a reader still needs an older state.
    pub(crate) complete: bool,
    /// Pages in the write-ahead log.
    pub(crate) pages: u64,
}

impl ApplyBase {
    /// Takes over an opened base.
    pub(crate) fn new(open: OpenBase, tombstone_age: Duration) -> Result<Self, BaseError> {
        open.connection.execute_batch("PRAGMA cache_size = -1024")?;
        open.connection.set_prepared_statement_cache_capacity(32);
        let feed_times = FeedTimes::keeping(tombstone_age);
        Ok(Self {
            connection: open.connection,
            meta: open.meta,
            feed_times,
            feed_changes: FeedChanges::default(),
            steps: StepsLeft::default(),
        })
    }

    /// What the base says of itself, as of the last transaction.
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Bytes of the database file, once the write-ahead log is in it.
    pub(crate) fn file_bytes(&self) -> Result<u64, BaseError> {
        Ok(self.pragma("page_count")?.saturating_mul(self.pragma("page_size")?))
    }

    /// A number that SQLite tells of the file.
    pub(super) fn pragma(&self, name: &str) -> Result<u64, BaseError> {
        let mut statement = self.connection.prepare_cached(&format!("PRAGMA {name}"))?;
        Ok(from_signed(statement.query_row([], |row| row.get(0))?))
    }

    /// The newest seq in the base: above `applied_seq` where a round of the applier was cut short.
    pub(crate) fn newest_seq(&self) -> Result<Seq, BaseError> {
        let newest: Option<i64> =
            self.connection.query_row("SELECT max(seq) FROM feed", [], |row| row.get(0))?;
        Ok(newest.map_or(0, from_signed).max(self.meta.applied_seq))
    }

    /// Ends the epoch before at `last_seq`, begins this start's above `clock_ceiling`, and syncs. Returns the incarnation
    /// and the epochs that are known, each with its last seq.
    pub(crate) fn begin_epoch(
        &mut self,
        epoch: Epoch,
        last_seq: Seq,
        clock_ceiling: u64,
    ) -> Result<(u64, Vec<(Epoch, Seq)>), BaseError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE epochs SET last_seq = ? WHERE last_seq IS NULL",
            [to_signed(last_seq)],
        )?;
        transaction.execute("INSERT INTO epochs (epoch) VALUES (?)", [to_signed(epoch.0)])?;
        let incarnation = from_signed(transaction.last_insert_rowid());
        let forgotten = incarnation.saturating_sub(EPOCHS_MAX as u64);
        transaction.execute("DELETE FROM epochs WHERE incarnation <= ?", [to_signed(forgotten)])?;
        let known = transaction
            .prepare("SELECT epoch, last_seq FROM epochs WHERE last_seq IS NOT NULL")?
            .query_map([], |row| Ok((Epoch(from_signed(row.get(0)?)), from_signed(row.get(1)?))))?
            .collect::<Result<_, _>>()?;
        // The journal that told it may go before this start writes a frame of its own.
        let meta = Meta { clock_ceiling, ..self.meta.clone() };
        meta.save(&transaction)?;
        transaction.commit()?;
        self.meta = meta;
        self.checkpoint(true)?;
        Ok((incarnation, known))
    }

    /// Brings the records in, in one transaction. What is older than what the base holds is left out, so
    /// that doing it twice does no harm. Their changes of the feed are kept back for
    /// [`ApplyBase::bring_feed`], but for the newest one: the end of the feed shows how far the base is.
    ///
    /// In name order, neighbours in the table share pages, and each page is written once.
    pub(crate) fn apply(&mut self, records: &[Arc<Stored>]) -> Result<(), BaseError> {
        self.steps.take()?;
        self.led_right(|base| base.apply_all(records))
    }

    fn apply_all(&mut self, records: &[Arc<Stored>]) -> Result<(), BaseError> {
        let mut meta = self.meta.clone();
        let mut changes = FeedChanges::default();
        let transaction = self.connection.transaction()?;
        let mut counting = Counting::on(meta.counts);
        for stored in records {
            apply_one(&transaction, stored, (&mut meta.digests, &mut counting), &mut changes)?;
        }
        if let Some(newest) = changes.new.iter().max() {
            newest.write(&transaction)?;
        }
        meta.counts = counting.save(&transaction)?;
        meta.save(&transaction)?;
        transaction.commit()?;
        self.meta = meta;
        self.feed_changes.extend(changes);
        Ok(())
    }

    /// The base holds everything up to there, in its feed too.
    pub(crate) fn reach(&mut self, reached: &Reached) -> Result<(), BaseError> {
        self.steps.take()?;
        let mut meta = self.meta.clone();
        let transaction = self.connection.transaction()?;
        answers::keep(&transaction, &reached.answers)?;
        meta.applied_seq = meta.applied_seq.max(reached.applied_seq);
        meta.clock_ceiling = reached.clock_ceiling;
        meta.save(&transaction)?;
        let note = self.feed_times.are_due(reached.now);
        if note {
            self.feed_times.note(&transaction, meta.applied_seq, reached.now)?;
        }
        transaction.commit()?;
        self.meta = meta;
        if note {
            self.feed_times.noted(self.meta.applied_seq, reached.now);
        }
        Ok(())
    }

    /// The version that the base's record of a name claims, if it has a value: what leaves the digests when
    /// another takes its place.
    pub(crate) fn live_version(&mut self, name: &RecordName) -> Result<Option<Version>, BaseError> {
        let present = self.led_right(|base| own_row(&base.connection, name))?;
        let head = present.and_then(|it| it.head);
        let live = head.filter(|head| head.kind == Kind::Live);
        Ok(live.map(|head| head.version))
    }

    /// Brings the write-ahead log into the database file and syncs both.
    pub(crate) fn checkpoint(&mut self, truncate: bool) -> Result<Checkpoint, BaseError> {
        self.steps.take()?;
        let mode = if truncate { "TRUNCATE" } else { "PASSIVE" };
        let (busy, pages, done): (i64, i64, i64) =
            self.connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let complete = busy == 0 && pages == done;
        Ok(Checkpoint { complete, pages: u64::try_from(pages).unwrap_or(0) })
    }

    /// Reads everything, and says what is wrong.
    pub(crate) fn audit(&self) -> Result<Audit, BaseError> {
        audit(&self.connection, self.meta.applied_seq, &self.meta, BaseFormat::Two)
    }

    /// Makes every position in this node's feed one that cannot be resumed.
    pub(crate) fn forget_epochs(&mut self) -> Result<(), BaseError> {
        // The rows stay: they count the incarnations.
        self.connection.execute("UPDATE epochs SET last_seq = 0", [])?;
        Ok(())
    }

    /// Sets digests and counts to what the records say.
    pub(crate) fn rebuild_sums(&mut self, digests: Digests) -> Result<(), BaseError> {
        let transaction = self.connection.transaction()?;
        let counts = counts::rebuild(&transaction)?;
        let meta = Meta { digests, counts, ..self.meta.clone() };
        meta.save(&transaction)?;
        transaction.commit()?;
        self.meta = meta;
        Ok(())
    }
}

fn apply_one(
    transaction: &Transaction<'_>,
    stored: &Stored,
    (digests, counting): (&mut Digests, &mut Counting),
    changes: &mut FeedChanges,
) -> Result<(), BaseError> {
    let present = own_row(transaction, &stored.name)?;
    // The same record may have come once more, for its request: then it stands at its new seq.
    let moves = |head: &Head| head.stamp() == stored.record.stamp() && head.seq < stored.seq;
    if let Some(Present { id, head: Some(head), .. }) = present
        && !moves(&head)
        && merge(Some(head.stamp()), stored.record.stamp()) == Merge::Keep
        && is_sound(transaction, id)?
    {
        if head.seq == stored.seq {
            // A round that was cut short may have left it without its entry.
            changes.new.push(feed::entry(&stored.name, stored.seq, id));
        }
        return Ok(());
    }
    let id = match present {
        Some(it) => {
            if let Some(head) = it.head {
                // A damaged row may be written anew as it was: its entry stays.
                if head.seq != stored.seq {
                    changes.dead.push((head.seq, it.id));
                }
                // Mostly it is what this was written over.
                let is_known = stored.record.previous == Some(head.version);
                let was = if is_known { None } else { it.as_it_was(stored) };
                let head = was.unwrap_or(head);
                counting.remove(stored.name.table(), &head);
                if head.kind == Kind::Live {
                    digests.remove(&stored.name, head.version);
                }
            }
            replace(transaction, it.id, stored)?;
            it.id
        }
        None => {
            let id = insert(transaction, stored)?;
            // It may be there already, and not have been found.
            if row_of(transaction, &stored.name)? != Some(id) {
                return Err(BaseError::Misled);
            }
            id
        }
    };
    changes.new.push(feed::entry(&stored.name, stored.seq, id));
    if stored.record.holds_value() {
        digests.add(&stored.name, stored.record.version);
    }
    counting.add(stored.name.table(), &Head::of(stored));
    Ok(())
}

/// The row of a record, if it has one.
fn own_row(connection: &Connection, name: &RecordName) -> Result<Option<Present>, BaseError> {
    let present = Present::of_name(connection, name)?;
    if present.is_some_and(|it| it.is_misnamed) {
        return Err(BaseError::Misled);
    }
    Ok(present)
}

/// Writes over the row.
fn replace(transaction: &Transaction<'_>, id: i64, stored: &Stored) -> Result<(), BaseError> {
    let record = &stored.record;
    transaction
        .prepare_cached(
            "UPDATE records SET seq = ?, version = ?, previous = ?, expiry = ?, flags = ?,
                                checksum = ?, value = ? WHERE id = ?",
        )?
        .execute(params![
            to_signed(stored.seq),
            record.version.to_bytes(),
            record.previous.map(Version::to_bytes),
            record.expiry.map(to_signed),
            record.flags(),
            to_signed(row_checksum(stored)),
            text(&record.value),
            id,
        ])?;
    Ok(())
}

/// Writes a new row, and returns its id.
fn insert(transaction: &Transaction<'_>, stored: &Stored) -> Result<i64, BaseError> {
    let record = &stored.record;
    transaction
        .prepare_cached(
            "INSERT INTO records
                 (table_name, key, seq, version, previous, expiry, flags, checksum, value)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            stored.name.table(),
            stored.name.key(),
            to_signed(stored.seq),
            record.version.to_bytes(),
            record.previous.map(Version::to_bytes),
            record.expiry.map(to_signed),
            record.flags(),
            to_signed(row_checksum(stored)),
            text(&record.value),
        ])?;
    Ok(transaction.last_insert_rowid())
}

/// Binds bytes as SQLite text, without looking at them again: they were checked when they came.
fn text(value: &[u8]) -> rusqlite::types::ToSqlOutput<'_> {
    rusqlite::types::ToSqlOutput::Borrowed(rusqlite::types::ValueRef::Text(value))
}
