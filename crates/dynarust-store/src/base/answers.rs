//! The table `answers`: what requests with an idempotency key were answered with (`FORMAT.md`).

use dynarust_core::limits::ANSWERS_KEPT_MILLIS;
use dynarust_core::{UnixMillis, Version, clock};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use twox_hash::XxHash3_64;

use super::apply::ApplyBase;
use super::error::BaseError;
use super::read::ReadBase;
use super::row::{from_signed, to_signed};
use crate::answers::{Carried, Kept};

/// Answers that one transaction forgets.
const FORGOTTEN_MAX: i64 = 4096;

impl ApplyBase {
    /// Takes answers in, in a transaction of their own.
    pub(crate) fn keep_answers(&mut self, answers: &[Carried]) -> Result<(), BaseError> {
        self.steps.take()?;
        let transaction = self.connection.transaction()?;
        keep(&transaction, answers)?;
        transaction.commit()?;
        Ok(())
    }

    /// Forgets some of the answers that have had their time; how many.
    pub(crate) fn forget_answers(&mut self, now: UnixMillis) -> Result<usize, BaseError> {
        self.steps.take()?;
        // The first version of that time: versions sort by time.
        let floor = clock::at(now.saturating_sub(ANSWERS_KEPT_MILLIS));
        let floor = Version { hlc: floor, node: dynarust_core::NodeId(0) };
        let forgotten = self.connection.execute(
            "DELETE FROM answers WHERE request_key IN
                (SELECT request_key FROM answers WHERE version < ? ORDER BY version LIMIT ?)",
            params![floor.to_bytes(), FORGOTTEN_MAX],
        )?;
        Ok(forgotten)
    }

    /// How many answers there are.
    pub(crate) fn answers(&self) -> Result<usize, BaseError> {
        let count: i64 =
            self.connection.query_row("SELECT count(*) FROM answers", [], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

impl ReadBase {
    /// What the request with this key became.
    pub(crate) fn answer(&self, key: &str) -> Result<Option<Kept>, BaseError> {
        let mut found = None;
        let sql = "SELECT request_key, fingerprint, version, checksum FROM answers
                   WHERE request_key = ?";
        self.each(sql, [key], |row| {
            let sound = sound(row)?.filter(|(found, _)| found == key);
            let (_, kept) = sound.ok_or_else(|| {
                BaseError::Damaged("the answer to an idempotency key is damaged".into())
            })?;
            found = Some(kept);
            Ok(false)
        })?;
        Ok(found)
    }
}

/// Writes answers, in the transaction at hand. The newer one stays: applying twice does no harm.
pub(super) fn keep(transaction: &Connection, answers: &[Carried]) -> Result<(), BaseError> {
    for Carried { request, version, .. } in answers {
        let kept = Kept { fingerprint: request.fingerprint, version: *version };
        transaction
            .prepare_cached(
                "INSERT INTO answers (request_key, fingerprint, version, checksum)
                 VALUES (?, ?, ?, ?)
                 ON CONFLICT (request_key) DO UPDATE SET
                     fingerprint = excluded.fingerprint, version = excluded.version,
                     checksum = excluded.checksum
                 WHERE excluded.version > version",
            )?
            .execute(params![
                &*request.key,
                request.fingerprint.to_be_bytes(),
                version.to_bytes(),
                to_signed(checksum(&request.key, kept)),
            ])?;
    }
    Ok(())
}

/// How many answers are damaged.
pub(super) fn damaged(connection: &Connection) -> Result<u64, BaseError> {
    let mut statement =
        connection.prepare("SELECT request_key, fingerprint, version, checksum FROM answers")?;
    let mut rows = statement.query([])?;
    let mut damaged = 0;
    while let Some(row) = rows.next()? {
        damaged += u64::from(sound(row)?.is_none());
    }
    Ok(damaged)
}

/// Key and contents of a row, if they are what was written.
fn sound(row: &Row<'_>) -> Result<Option<(String, Kept)>, BaseError> {
    let ValueRef::Text(key) = row.get_ref(0)? else {
        return Ok(None);
    };
    let bytes = |column| match row.get_ref(column) {
        Ok(ValueRef::Blob(bytes)) => bytes.try_into().ok(),
        _ => None,
    };
    let (Ok(key), Some(fingerprint), Some(version), Ok(sum)) =
        (std::str::from_utf8(key), bytes(1), bytes(2), row.get::<_, i64>(3))
    else {
        return Ok(None);
    };
    let kept = Kept {
        fingerprint: u128::from_be_bytes(fingerprint),
        version: Version::from_bytes(version),
    };
    Ok((checksum(key, kept) == from_signed(sum)).then(|| (key.to_owned(), kept)))
}

/// XXH3-64 of fingerprint, version and key.
fn checksum(key: &str, kept: Kept) -> u64 {
    let mut bytes = Vec::with_capacity(2 * Version::BYTES + key.len());
    bytes.extend(kept.fingerprint.to_be_bytes());
    bytes.extend(kept.version.to_bytes());
    bytes.extend(key.as_bytes());
    XxHash3_64::oneshot(&bytes)
}
