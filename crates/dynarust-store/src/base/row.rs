//! Rows of `records`, into and out of memory.

use bytes::Bytes;
use dynarust_core::limits::CLOCK_SKEW_MILLIS_MAX;
use dynarust_core::{Record, RecordName, Seq, Stamp, Stored, UnixMillis, Version};
use rusqlite::Row;
use rusqlite::types::ValueRef;
use twox_hash::XxHash3_64;

use super::error::BaseError;

/// The columns that [`read_stored`] wants, in its order.
pub(super) const COLUMNS: &str =
    "r.table_name, r.key, r.seq, r.version, r.previous, r.expiry, r.flags, r.checksum, r.value";

/// The columns that [`read_unchecked`] wants, in its order: the first of the others.
pub(super) const COLUMNS_UNCHECKED: &str =
    "r.table_name, r.key, r.seq, r.version, r.previous, r.expiry, r.flags";

/// What the merge law, the feed and the digest need of a record that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) version: Version,
    pub(super) seq: Seq,
    pub(super) kind: Kind,
    /// Bytes of its key and its value.
    pub(super) bytes: u64,
}

/// What a record counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has a value.
    Live,
    Tombstone,
    Expired,
}

impl Kind {
    /// By the flags of a row.
    pub(super) fn of_flags(flags: i64) -> Self {
        match flags & 3 {
            0 => Self::Live,
            2 => Self::Expired,
            _ => Self::Tombstone,
        }
    }
}

impl Head {
    /// That of a record at hand.
    pub(super) fn of(stored: &Stored) -> Self {
        let record = &stored.record;
        Self {
            version: record.version,
            seq: stored.seq,
            kind: Kind::of_flags(i64::from(record.flags())),
            bytes: (stored.name.key().len() + record.value.len()) as u64,
        }
    }

    /// What the merge law looks at.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { version: self.version, expired: self.kind == Kind::Expired }
    }
}

/// A row as it was read.
pub(super) enum RowRead {
    /// Sound.
    Sound(Stored),
    /// Its checksum fails, or it holds what no record holds.
    Corrupt {
        /// See [`read_name`].
        name: Option<RecordName>,
    },
}

/// SQLite's integers are signed; ours are not. The bits are the same.
pub(crate) fn to_signed(value: u64) -> i64 {
    value.cast_signed()
}

/// The inverse of [`to_signed`].
pub(crate) fn from_signed(value: i64) -> u64 {
    value.cast_unsigned()
}

/// The record's checksum with its seq: what stands in the row.
pub(super) fn row_checksum(stored: &Stored) -> u64 {
    let record = stored.record.checksum(&stored.name);
    XxHash3_64::oneshot_with_seed(record, &stored.seq.to_le_bytes())
}

/// Reads the columns of [`COLUMNS`] and checks them.
pub(super) fn read_stored(row: &Row<'_>) -> Result<RowRead, BaseError> {
    let name = read_name(row)?;
    Ok(match name.clone().map(|name| sound(row, name)).transpose()?.flatten() {
        Some(stored) => RowRead::Sound(stored),
        None => RowRead::Corrupt { name },
    })
}

/// Reads the columns of [`COLUMNS_UNCHECKED`]: a record without its value, and so without its checksum. It is
/// good for comparing copies, and for nothing that anybody is served.
pub(super) fn read_unchecked(row: &Row<'_>) -> Result<RowRead, BaseError> {
    let name = read_name(row)?;
    let (Some(known), Some(seq), Some(version), Some(flags)) =
        (name.clone(), integer(row, 2)?, version(row, 3)?, integer(row, 6)?)
    else {
        return Ok(RowRead::Corrupt { name });
    };
    let record = Record {
        version,
        previous: None,
        expiry: integer(row, 5)?,
        tombstone: flags & 1 == 1,
        expired: flags & 2 == 2,
        value: Bytes::new(),
    };
    Ok(RowRead::Sound(Stored { name: known, seq, record }))
}

/// What a damaged row says of itself. Each part of it may be what is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) stamp: Stamp,
    pub(crate) holds_value: bool,
    seq: Seq,
    checksum: Option<u64>,
}

impl Claimed {
    /// Whether a clock that is right may have given the version by now.
    pub(crate) fn is_possible(&self, now: UnixMillis) -> bool {
        self.stamp.version.unix_millis() <= now.saturating_add(CLOCK_SKEW_MILLIS_MAX)
    }

    /// The same, of what is known to have been this record.
    pub(crate) fn as_of(self, record: &Record) -> Self {
        Self { stamp: record.stamp(), holds_value: record.holds_value(), ..self }
    }

    /// Whether it was this very record, before it was damaged.
    pub(crate) fn was(&self, name: &RecordName, record: &Record) -> bool {
        let stored = Stored { name: name.clone(), seq: self.seq, record: record.clone() };
        self.checksum == Some(row_checksum(&stored))
    }
}

/// Reads the columns of [`COLUMNS`] of a damaged row; none where not even the version is legible.
pub(super) fn read_claimed(row: &Row<'_>) -> Result<Option<Claimed>, BaseError> {
    let checksum = integer(row, 7)?;
    Ok(match read_unchecked(row)? {
        RowRead::Sound(Stored { seq, record, .. }) => {
            let (stamp, holds_value) = (record.stamp(), record.holds_value());
            Some(Claimed { stamp, holds_value, seq, checksum })
        }
        RowRead::Corrupt { .. } => None,
    })
}

/// The name that a row claims, as far as it can be read.
pub(super) fn read_name(row: &Row<'_>) -> Result<Option<RecordName>, BaseError> {
    let name = text(row, 0)?.zip(text(row, 1)?);
    Ok(name.and_then(|(table, key)| RecordName::parse(&table, &key).ok()))
}

fn sound(row: &Row<'_>, name: RecordName) -> Result<Option<Stored>, BaseError> {
    let (Some(seq), Some(stamp), Some(flags), Some(checksum)) =
        (integer(row, 2)?, version(row, 3)?, integer(row, 6)?, integer(row, 7)?)
    else {
        return Ok(None);
    };
    let value = match row.get_ref(8)? {
        ValueRef::Text(bytes) => Bytes::copy_from_slice(bytes),
        _ => return Ok(None),
    };
    let record = Record {
        version: stamp,
        previous: version(row, 4)?,
        expiry: integer(row, 5)?,
        tombstone: flags & 1 == 1,
        expired: flags & 2 == 2,
        value,
    };
    if record.expiry == Some(0) {
        // Its checksum is the same as with none.
        return Ok(None);
    }
    let stored = Stored { name, seq, record };
    let sound = row_checksum(&stored) == checksum && u64::from(stored.record.flags()) == flags;
    Ok(sound.then_some(stored))
}

fn text(row: &Row<'_>, column: usize) -> Result<Option<String>, BaseError> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        _ => None,
    })
}

fn integer(row: &Row<'_>, column: usize) -> Result<Option<u64>, BaseError> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(value) => Some(from_signed(value)),
        _ => None,
    })
}

fn version(row: &Row<'_>, column: usize) -> Result<Option<Version>, BaseError> {
    Ok(match row.get_ref(column)? {
        ValueRef::Blob(bytes) => bytes.try_into().ok().map(Version::from_bytes),
        _ => None,
    })
}
