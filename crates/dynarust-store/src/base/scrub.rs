//! The scrub: reads the base through, a little at a time, for bytes that have changed.
//!
//! A record that nobody reads would rot unnoticed until its last good copy is gone as well. And a
//! damaged index would answer "not found", which nobody can tell from the truth: so each record is
//! also looked up by its name and by its seq. Indexes hold nothing that the records do not, and are
//! made anew. What becomes of rotten records: [`crate::scrubbing`].

use dynarust_core::digest::Digests;
use dynarust_core::{Partition, RecordName, Stored, Version};
use rusqlite::{OptionalExtension, params};

use super::apply::ApplyBase;
use super::counts;
use super::error::BaseError;
use super::feed::{self, FeedChanges};
use super::meta::Meta;
use super::misnamed::{indexed_as, is_indexed_as, row_of};
use super::read::Bounds;
use super::row::{COLUMNS, Kind, RowRead, from_signed, read_stored, to_signed};

/// Rows that are passed where a page cannot be read.
const PASSED_ROWS: i64 = 16;
/// Of so many damaged rows at a time the name is sought that the index has.
const NAMES_SOUGHT_MAX: usize = 8;
/// After so many such pages a pass counts as done.
const DAMAGES_MAX: u64 = 100;

/// Where the scrub goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScrubPosition {
    /// The row that was read last.
    row: i64,
    /// Pages of this pass that could not be read.
    damages: u64,
    /// How often all rows were read.
    pub(crate) passes: u64,
}

impl ScrubPosition {
    /// A page that cannot be read must not keep the scrub from all others, nor for ever from its end.
    fn pass_the_damage(&mut self) {
        self.row = self.row.saturating_add(PASSED_ROWS);
        self.damages += 1;
        if self.damages >= DAMAGES_MAX {
            *self = Self { passes: self.passes + 1, ..Self::default() };
        }
    }
}

/// Something that the scrub found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rot {
    /// A record whose checksum fails; its name as far as the index or the row tells it.
    Record {
        /// Its row.
        row: i64,
        /// Its name.
        name: Option<RecordName>,
    },
    /// A record that is not found by its name, or not in the feed by its seq.
    Index(RecordName),
}

impl ApplyBase {
    /// Reads the next `records`, beginning anew behind the last.
    pub(crate) fn scrub(
        &self,
        position: &mut ScrubPosition,
        bounds: Bounds,
    ) -> Result<Vec<Rot>, BaseError> {
        let sql = format!("SELECT {COLUMNS}, r.id FROM records r WHERE r.id > ? ORDER BY r.id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![position.row])?;
        let (mut found, mut records, mut bytes, mut sought) = (Vec::new(), 0, 0, 0);
        while records < bounds.records && bytes < bounds.bytes {
            let Some(row) = rows.next().inspect_err(|_| position.pass_the_damage())? else {
                position.row = 0;
                position.passes += 1;
                return Ok(found);
            };
            records += 1;
            bytes += row.get_ref(8)?.as_bytes().map_or(0, <[u8]>::len);
            position.row = row.get(9)?;
            match read_stored(row)? {
                RowRead::Corrupt { name } => {
                    let mut name = name;
                    if !is_indexed_as(&self.connection, position.row, name.as_ref())?
                        && sought < NAMES_SOUGHT_MAX
                    {
                        // Each costs a look through the index.
                        name = indexed_as(&self.connection, position.row, name)?;
                        sought += 1;
                    }
                    found.push(Rot::Record { row: position.row, name });
                }
                RowRead::Sound(stored) if !self.is_indexed(position.row, &stored)? => {
                    found.push(Rot::Index(stored.name));
                }
                RowRead::Sound(_) => {}
            }
        }
        Ok(found)
    }

    /// Whether the record is where a reader looks for it.
    fn is_indexed(&self, id: i64, stored: &Stored) -> Result<bool, BaseError> {
        let by_name = row_of(&self.connection, &stored.name)?;
        if stored.seq > self.meta.applied_seq {
            // Its round has not come to its end: the feed is brought up to date with that.
            return Ok(by_name == Some(id));
        }
        let by_seq: Option<(i64, u16)> = self
            .connection
            .prepare_cached("SELECT record, partition FROM feed WHERE seq = ?")?
            .query_row([to_signed(stored.seq)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let partition = Partition::of(&stored.name).number();
        Ok(by_name == Some(id) && by_seq == Some((id, partition)))
    }

    /// Makes the indexes anew from the records, and the feed, the digests and the counts, but these only while every record is
    /// sound: a damaged one would count for what it says.
    pub(crate) fn rebuild_indexes(&mut self) -> Result<bool, BaseError> {
        self.file_by_name()?;
        if self.corrupt_records()? > 0 {
            return Ok(false);
        }
        let mut meta = Meta { digests: Digests::default(), ..self.meta.clone() };
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM feed", [])?;
        {
            let mut records = transaction.prepare(
                "SELECT id, seq, table_name, key, version, flags FROM records NOT INDEXED",
            )?;
            let mut rows = records.query([])?;
            while let Some(row) = rows.next()? {
                let (id, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
                let (table, key): (String, String) = (row.get(2)?, row.get(3)?);
                if let Ok(name) = RecordName::parse(&table, &key) {
                    if Kind::of_flags(row.get(5)?) == Kind::Live {
                        meta.digests.add(&name, Version::from_bytes(row.get(4)?));
                    }
                    feed::entry(&name, from_signed(seq), id).write(&transaction)?;
                }
            }
        }
        meta.counts = counts::rebuild(&transaction)?;
        meta.save(&transaction)?;
        transaction.commit()?;
        self.meta = meta;
        self.feed_changes = FeedChanges::default();
        Ok(true)
    }

    /// How many records are corrupt.
    fn corrupt_records(&self) -> Result<usize, BaseError> {
        let mut position = ScrubPosition::default();
        let mut corrupt = 0;
        while position.passes == 0 {
            let found = self.scrub(&mut position, Bounds { records: 10_000, bytes: 16 << 20 })?;
            corrupt += found.iter().filter(|rot| matches!(rot, Rot::Record { .. })).count();
        }
        Ok(corrupt)
    }
}
