//! Records: what a key holds (design section 2).

use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::merge::Stamp;
use crate::{RecordName, Seq, UnixMillis, Version};

/// What a key holds. A delete is a record too: a tombstone, with no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The order of this write among all writes to the key.
    pub version: Version,
    /// The version that this write replaced on the node that stamped it.
    pub previous: Option<Version>,
    /// From this moment on the record is its own tombstone.
    pub expiry: Option<UnixMillis>,
    /// The write was a delete.
    pub tombstone: bool,
    /// This node has taken notice that it expired, and let its value go. The same write as before, in
    /// its last form: nothing makes it live again, a clock that steps back least of all.
    pub expired: bool,
    /// The JSON text, byte for byte as it came; empty for a tombstone and for what has expired.
    pub value: Bytes,
}

/// A record as one node holds it: with its name, and its place in that node's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The table and the key.
    pub name: RecordName,
    /// When this node took it in, in order.
    pub seq: Seq,
    /// What it holds.
    pub record: Record,
}

impl Record {
    /// Whether a reader sees a value at `now`: neither deleted nor expired.
    #[must_use]
    pub fn is_live(&self, now: UnixMillis) -> bool {
        self.holds_value() && self.expiry.is_none_or(|expiry| now < expiry)
    }

    /// Whether there is a value here still: neither deleted, nor marked as expired. Counts and digests
    /// are made over these.
    #[must_use]
    pub fn holds_value(&self) -> bool {
        !self.tombstone && !self.expired
    }

    /// Whether its deadline has passed, and nobody has taken notice yet.
    #[must_use]
    pub fn is_due(&self, now: UnixMillis) -> bool {
        self.holds_value() && !self.is_live(now)
    }

    /// The record in its last form: the same write, expired.
    #[must_use]
    pub fn into_expired(self) -> Self {
        Self { expired: true, value: Bytes::new(), ..self }
    }

    /// What the merge law looks at.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { version: self.version, expired: self.expired }
    }

    /// The flags as they are stored and summed: bit 0 is the tombstone, bit 1 says that it expired.
    #[must_use]
    pub fn flags(&self) -> u8 {
        u8::from(self.tombstone) | u8::from(self.expired) << 1
    }

    /// XXH3-64 of the name and all that the record holds, as it is kept beside it on disk.
    ///
    /// It is the value's hash, seeded with the hash of all the rest. The layout is part of the
    /// on-disk format (`FORMAT.md`); absent versions and expiries are zeros.
    #[must_use]
    pub fn checksum(&self, name: &RecordName) -> u64 {
        let mut head = Vec::with_capacity(name.as_bytes().len() + 2 * Version::BYTES + 9);
        head.extend(self.version.to_bytes());
        head.extend(self.previous.map_or([0; Version::BYTES], Version::to_bytes));
        head.extend(self.expiry.unwrap_or(0).to_le_bytes());
        head.push(self.flags());
        head.extend(name.as_bytes());
        XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(&head), &self.value)
    }
}

impl Stored {
    /// What it costs to keep this in memory, roughly: the text and the bookkeeping around it.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.name.as_bytes().len() + self.record.value.len() + 192
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;

    fn record() -> Record {
        Record {
            version: Version { hlc: 7, node: NodeId(1) },
            previous: None,
            expiry: None,
            tombstone: false,
            expired: false,
            value: Bytes::from_static(b"\"mydata\""),
        }
    }

    #[test]
    fn a_record_lives_until_its_expiry() {
        let expiring = Record { expiry: Some(10), ..record() };
        assert!(expiring.is_live(9));
        assert!(!expiring.is_live(10));
        assert!(!Record { tombstone: true, ..record() }.is_live(0));
    }

    #[test]
    fn what_was_marked_as_expired_stays_so_when_the_clock_steps_back() {
        let due = Record { expiry: Some(10), ..record() };
        assert!(due.is_due(10) && !due.is_due(9) && !record().is_due(u64::MAX));
        let expired = due.into_expired();
        assert!(!expired.is_live(0) && !expired.is_due(10) && expired.value.is_empty());
        assert_eq!(expired.version, record().version);
    }

    #[test]
    fn the_checksum_covers_every_part() {
        let name = RecordName::parse("default", "mykey").unwrap();
        let whole = record().checksum(&name);
        let other = RecordName::parse("default", "mykez").unwrap();
        let changed = [
            record().checksum(&other),
            Record { version: Version { hlc: 8, node: NodeId(1) }, ..record() }.checksum(&name),
            Record { previous: Some(record().version), ..record() }.checksum(&name),
            Record { expiry: Some(1), ..record() }.checksum(&name),
            Record { tombstone: true, ..record() }.checksum(&name),
            Record { expired: true, ..record() }.checksum(&name),
            Record { value: Bytes::from_static(b"\"mydatb\""), ..record() }.checksum(&name),
        ];
        assert!(changed.iter().all(|sum| *sum != whole));
    }

    #[test]
    fn the_checksum_is_the_same_in_every_release() {
        let name = RecordName::parse("default", "mykey").unwrap();
        assert_eq!(record().checksum(&name), 0x1e06_7bad_3702_7ecb);
    }
}
