//! What the base says of itself: one row a value in `meta`, and a checksum over all of them.
//!
//! A wrong `applied_seq` would make an opening skip journal records that the base does not have, so
//! these few rows are as well guarded as the records are.

use dynarust_core::digest::Digests;
use dynarust_core::{NodeId, Seq};
use rusqlite::{Connection, OptionalExtension, params};
use twox_hash::XxHash3_64;

use super::counts::Counts;
use super::error::BaseError;
use super::row::{from_signed, to_signed};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Meta {
    /// Whose base it is.
    pub(crate) node: NodeId,
    /// Everything up to here is in the base.
    pub(crate) applied_seq: Seq,
    /// No version that had been handed out then is above it.
    pub(crate) clock_ceiling: u64,
    /// The highest seq of a tombstone or expired record that was swept.
    pub(crate) forgotten_seq: Seq,
    /// What the records in the base are, by number.
    pub(crate) counts: Counts,
    /// The digests of the records in the base.
    pub(crate) digests: Digests,
}

impl Meta {
    /// That of an empty base.
    pub(super) fn of_new(node: NodeId) -> Self {
        Self {
            node,
            applied_seq: 0,
            clock_ceiling: 0,
            forgotten_seq: 0,
            counts: Counts::default(),
            digests: Digests::default(),
        }
    }

    /// Writes all of it, in the transaction at hand.
    pub(super) fn save(&self, connection: &Connection) -> Result<(), BaseError> {
        let mut statement =
            connection.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)")?;
        for (name, value) in self.numbers() {
            statement.execute(params![name, to_signed(value)])?;
        }
        statement.execute(params!["digests", self.digests.to_bytes()])?;
        statement.execute(params!["checksum", to_signed(self.checksum())])?;
        Ok(())
    }

    /// Reads and checks it.
    pub(super) fn read(connection: &Connection) -> Result<Self, BaseError> {
        let meta = Self {
            node: NodeId(number(connection, "node")?),
            applied_seq: number(connection, "applied_seq")?,
            clock_ceiling: number(connection, "clock_ceiling")?,
            forgotten_seq: number(connection, "forgotten_seq")?,
            counts: Counts {
                live_records: number(connection, "live_records")?,
                live_bytes: number(connection, "live_bytes")?,
                tombstones: number(connection, "tombstones")?,
                expired: number(connection, "expired")?,
            },
            digests: digests(connection)?,
        };
        if number(connection, "checksum")? != meta.checksum() {
            return Err(damaged("the checksum of meta fails"));
        }
        Ok(meta)
    }

    /// As [`Meta::read`], of a base of format 1: its counts are not known.
    pub(super) fn read_format_1(connection: &Connection) -> Result<Self, BaseError> {
        let meta = Self {
            node: NodeId(number(connection, "node")?),
            applied_seq: number(connection, "applied_seq")?,
            clock_ceiling: number(connection, "clock_ceiling")?,
            forgotten_seq: number(connection, "forgotten_seq")?,
            counts: Counts::default(),
            digests: digests(connection)?,
        };
        let sum = checksum(meta.numbers().iter().take(4), &meta.digests);
        if number(connection, "checksum")? == sum {
            Ok(meta)
        } else {
            Err(damaged("the checksum of meta fails"))
        }
    }

    fn numbers(&self) -> [(&'static str, u64); 8] {
        [
            ("node", self.node.0),
            ("applied_seq", self.applied_seq),
            ("clock_ceiling", self.clock_ceiling),
            ("forgotten_seq", self.forgotten_seq),
            ("live_records", self.counts.live_records),
            ("live_bytes", self.counts.live_bytes),
            ("tombstones", self.counts.tombstones),
            ("expired", self.counts.expired),
        ]
    }

    fn checksum(&self) -> u64 {
        checksum(self.numbers().iter(), &self.digests)
    }
}

fn checksum<'a>(numbers: impl Iterator<Item = &'a (&'static str, u64)>, digests: &Digests) -> u64 {
    let mut bytes: Vec<u8> = numbers.flat_map(|(_, value)| value.to_le_bytes()).collect();
    bytes.extend(digests.to_bytes());
    XxHash3_64::oneshot(&bytes)
}

fn digests(connection: &Connection) -> Result<Digests, BaseError> {
    let found: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM meta WHERE name = 'digests'", [], |row| row.get(0))
        .optional()?;
    found.as_deref().and_then(Digests::from_bytes).ok_or_else(|| damaged("meta has no digests"))
}

fn number(connection: &Connection, name: &str) -> Result<u64, BaseError> {
    let found: Option<i64> = connection
        .query_row("SELECT value FROM meta WHERE name = ?", [name], |row| row.get(0))
        .optional()?;
    found
        .map(from_signed)
        .ok_or_else(|| damaged(&format!("it is not the base of a node: meta has no {name}")))
}

fn damaged(what: &str) -> BaseError {
    BaseError::Damaged(what.into())
}
