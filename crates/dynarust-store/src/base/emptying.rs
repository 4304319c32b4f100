//! Takes all records of some partitions out of the base, deleted ones too, and leaves no trace of them: this
//! node keeps no copy of those partitions any more (design section 4, "To drop a copy").

use dynarust_core::digest::Digests;
use dynarust_core::{Partition, PartitionSet, RecordName, Seq, Version};
use rusqlite::{OptionalExtension, Transaction, params};

use super::apply::ApplyBase;
use super::counts::Counting;
use super::error::BaseError;
use super::misnamed;
use super::row::{Head, Kind, from_signed, to_signed};

/// Entries of the feed that one transaction looks at.
const LOOKED_AT: i64 = 4096;
/// Records that one transaction takes out.
const TAKEN_OUT_MAX: usize = 1000;

/// A step on the way through the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Emptied {
    /// Where it goes on; none behind the last.
    pub(crate) after: Option<Seq>,
    /// Records that were taken out.
    pub(crate) records: u64,
}

/// An entry that goes, and its row.
struct Going {
    seq: Seq,
    record: i64,
    partition: u16,
}

impl ApplyBase {
    /// Takes some of the records of these partitions out whose entries lie behind a seq. All changes of the
    /// feed that were kept back must have been made.
    pub(crate) fn empty_some(
        &mut self,
        partitions: &PartitionSet,
        after: Seq,
    ) -> Result<Emptied, BaseError> {
        self.steps.take()?;
        self.led_right(|base| base.empty_part(partitions, after))
    }

    fn empty_part(&mut self, partitions: &PartitionSet, after: Seq) -> Result<Emptied, BaseError> {
        let mut meta = self.meta.clone();
        let mut counting = Counting::on(meta.counts);
        let transaction = self.connection.transaction()?;
        let (going, after) = going(&transaction, partitions, after)?;
        for entry in &going {
            take_out(&transaction, entry, &mut counting, &mut meta.digests)?;
        }
        meta.counts = counting.save(&transaction)?;
        meta.save(&transaction)?;
        transaction.commit()?;
        self.meta = meta;
        Ok(Emptied { after, records: going.len() as u64 })
    }

    /// Nothing of these partitions is there any more: their sums say so, whatever was damaged.
    pub(crate) fn clear_digests(&mut self, partitions: &PartitionSet) -> Result<(), BaseError> {
        self.steps.take()?;
        let mut meta = self.meta.clone();
        partitions.iter().for_each(|partition| meta.digests.clear(partition));
        let transaction = self.connection.transaction()?;
        meta.save(&transaction)?;
        transaction.commit()?;
        self.meta = meta;
        Ok(())
    }
}

/// Entries of these partitions behind a seq, and where to go on.
fn going(
    transaction: &Transaction<'_>,
    partitions: &PartitionSet,
    after: Seq,
) -> Result<(Vec<Going>, Option<Seq>), BaseError> {
    let (mut going, mut looked_at, mut last) = (Vec::new(), 0, None);
    let mut statement = transaction.prepare_cached(
        "SELECT seq, record, partition FROM feed WHERE seq > ? ORDER BY seq LIMIT ?",
    )?;
    let mut rows = statement.query(params![to_signed(after), LOOKED_AT])?;
    while let Some(row) = rows.next()? {
        let (seq, record, partition) = (from_signed(row.get(0)?), row.get(1)?, row.get(2)?);
        last = Some(seq);
        looked_at += 1;
        if Partition::new(partition).is_some_and(|it| partitions.contains(it)) {
            going.push(Going { seq, record, partition });
            if going.len() == TAKEN_OUT_MAX {
                return Ok((going, last));
            }
        }
    }
    Ok((going, last.filter(|_| looked_at == LOOKED_AT)))
}

/// A dead entry goes alone: the record that it once told of has a newer one.
fn take_out(
    transaction: &Transaction<'_>,
    entry: &Going,
    counting: &mut Counting,
    digests: &mut Digests,
) -> Result<(), BaseError> {
    let row = transaction
        .prepare_cached(
            "SELECT table_name, key, version, flags, octet_length(key) + octet_length(value)
             FROM records WHERE id = ? AND seq = ?",
        )?
        .query_row(params![entry.record, to_signed(entry.seq)], |row| {
            let version: Option<Version> = row
                .get_ref(2)?
                .as_blob()
                .ok()
                .and_then(|it| it.try_into().ok())
                .map(Version::from_bytes);
            // What is no text any more is no name either.
            let text = |column| row.get_ref(column).map(|it| it.as_str().unwrap_or("").to_owned());
            let (table, key) = (text(0)?, text(1)?);
            let number = |column| row.get::<_, i64>(column).unwrap_or(0);
            Ok((table, key, version, number(3), number(4)))
        })
        .optional()?;
    if let Some((table, key, version, flags, bytes)) = row {
        let name = RecordName::parse(&table, &key).ok();
        let is_anothers =
            name.as_ref().is_some_and(|it| Partition::of(it).number() != entry.partition);
        if is_anothers && misnamed::is_sound(transaction, entry.record)? {
            // It is the feed that has rotted: the scrub makes it anew.
            return Ok(());
        }
        let kind = Kind::of_flags(flags);
        // What is damaged counts for what it says of itself.
        let head = Head {
            version: version.unwrap_or(Version::from_bytes([0; 16])),
            seq: entry.seq,
            kind,
            bytes: from_signed(bytes),
        };
        counting.remove(&table, &head);
        if kind == Kind::Live
            && let Some(version) = version
            && let Some(name) = name.filter(|_| !is_anothers)
        {
            digests.remove(&name, version);
        }
        misnamed::remove(transaction, entry.record, entry.seq)?;
    }
    transaction
        .prepare_cached("DELETE FROM feed WHERE seq = ?")?
        .execute([to_signed(entry.seq)])?;
    Ok(())
}
