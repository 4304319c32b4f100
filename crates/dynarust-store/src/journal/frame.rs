//! Frames: the bytes of one group commit (`FORMAT.md`, "Journal").

use std::sync::Arc;

use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};
use dynarust_core::{Record, RecordName, RequestKey, Seq, Stored, Version};

use crate::answers::Carried;

/// Bytes before a frame's payload.
pub(crate) const HEADER_BYTES: usize = 56;
/// Frames begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;
/// Bytes before a record's name.
const RECORD_HEAD_BYTES: usize = 56;
/// Bytes before an idempotency key.
const REQUEST_HEAD_BYTES: usize = 22;

const MAGIC: [u8; 4] = *b"FRM1";

/// What binds a frame to its file: bytes from anywhere else fail the header's CRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The segment's number.
    pub(crate) segment: u64,
    /// Drawn by the start that wrote it, and told to nobody: who knew it could send a value that
    /// passes for a frame.
    pub(crate) secret: u64,
}

/// What a frame says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) payload_bytes: u32,
    /// Its place among all frames, from 1.
    pub(crate) ordinal: u64,
    /// All frames up to this ordinal were synced before it was written.
    pub(crate) synced: u64,
    /// The seq of its first record.
    pub(crate) first_seq: Seq,
    pub(crate) records: u32,
    payload_crc: u32,
    /// No version handed out before the next frame is above this hybrid time.
    pub(crate) clock_ceiling: u64,
}

/// The bytes are sound but do not say what a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame with a sound checksum has impossible contents")]
pub(crate) struct Nonsense;

impl FrameHeader {
    /// Reads a header; `None` where no sound one of this segment stands.
    pub(crate) fn read(bytes: &[u8], binding: Binding) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        if bytes.get(..4)? != MAGIC || u32_at(bytes, 48)? != header_crc(bytes.get(..48)?, binding) {
            return None;
        }
        Some(Self {
            payload_bytes: u32_at(bytes, 4)?,
            ordinal: u64_at(bytes, 8)?,
            synced: u64_at(bytes, 16)?,
            first_seq: u64_at(bytes, 24)?,
            records: u32_at(bytes, 32)?,
            payload_crc: u32_at(bytes, 36)?,
            clock_ceiling: u64_at(bytes, 40)?,
        })
    }

    /// Bytes of the whole frame, with its padding.
    pub(crate) fn frame_bytes(&self) -> usize {
        (HEADER_BYTES + self.payload_bytes as usize).next_multiple_of(ALIGNMENT)
    }

    /// The payload behind this header, `None` where it is cut short or its CRC fails.
    pub(crate) fn payload<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let payload = frame.get(HEADER_BYTES..HEADER_BYTES + self.payload_bytes as usize)?;
        (crc32c(payload) == self.payload_crc).then_some(payload)
    }

    /// The records of a payload, each with its seq. Their values are parts of `memory`, which the payload
    /// must be a part of.
    pub(crate) fn records(&self, memory: &Bytes, payload: &[u8]) -> Result<Vec<Framed>, Nonsense> {
        let mut rest = payload;
        let mut records = Vec::new();
        for nth in 0..u64::from(self.records) {
            let before = rest.len();
            let keep = |value: &[u8]| memory.slice_ref(value);
            let (name, record) = take_record(&mut rest, keep).ok_or(Nonsense)?;
            records.push(Framed {
                stored: Stored { name, seq: self.first_seq + nth, record },
                offset: HEADER_BYTES + payload.len() - before,
                bytes: before - rest.len(),
                request: None,
            });
        }
        while !rest.is_empty() {
            let (nth, request) = take_request(&mut rest).ok_or(Nonsense)?;
            records.get_mut(nth).ok_or(Nonsense)?.request = Some(request);
        }
        Ok(records)
    }
}

/// A record as it stands in a frame.
#[derive(Debug)]
pub(crate) struct Framed {
    pub(crate) stored: Stored,
    /// Where it begins, from the beginning of the frame.
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    /// The idempotency key that it came with.
    pub(crate) request: Option<RequestKey>,
}

/// The record that takes all of these bytes, if its checksum holds.
pub(crate) fn read_record(mut bytes: &[u8]) -> Option<(RecordName, Record)> {
    let found = take_record(&mut bytes, Bytes::copy_from_slice)?;
    bytes.is_empty().then_some(found)
}

/// What a frame is made of.
pub(crate) struct Contents<'a> {
    pub(crate) ordinal: u64,
    pub(crate) synced: u64,
    pub(crate) first_seq: Seq,
    pub(crate) clock_ceiling: u64,
    pub(crate) records: &'a [Arc<Stored>],
    /// Those of the records that came with an idempotency key, by seq.
    pub(crate) carried: &'a [Carried],
}

/// Bytes that a frame of these takes.
pub(crate) fn frame_bytes(records: &[Arc<Stored>], carried: &[Carried]) -> usize {
    let records: usize = records.iter().map(|stored| record_bytes(stored)).sum();
    let requests: usize =
        carried.iter().map(|carried| REQUEST_HEAD_BYTES + carried.request.key.len()).sum();
    (HEADER_BYTES + records + requests).next_multiple_of(ALIGNMENT)
}

pub(crate) fn record_bytes(stored: &Stored) -> usize {
    RECORD_HEAD_BYTES + stored.name.as_bytes().len() + stored.record.value.len()
}

/// Writes the frame into `buffer`, which is emptied first.
pub(crate) fn encode(buffer: &mut Vec<u8>, contents: &Contents<'_>, binding: Binding) {
    buffer.clear();
    buffer.resize(HEADER_BYTES, 0);
    for stored in contents.records {
        put_record(buffer, stored);
    }
    for carried in contents.carried {
        put_request(buffer, carried, contents.first_seq);
    }
    let (head, payload) = buffer.split_at_mut(HEADER_BYTES);
    put(head, 0, &MAGIC);
    put(head, 4, &length(payload.len()).to_le_bytes());
    put(head, 8, &contents.ordinal.to_le_bytes());
    put(head, 16, &contents.synced.to_le_bytes());
    put(head, 24, &contents.first_seq.to_le_bytes());
    put(head, 32, &length(contents.records.len()).to_le_bytes());
    put(head, 36, &crc32c(payload).to_le_bytes());
    put(head, 40, &contents.clock_ceiling.to_le_bytes());
    let crc = head.get(..48).map_or(0, |head| header_crc(head, binding));
    put(head, 48, &crc.to_le_bytes());
    buffer.resize(buffer.len().next_multiple_of(ALIGNMENT), 0);
}

fn put_record(buffer: &mut Vec<u8>, stored: &Stored) {
    let (name, record) = (stored.name.as_bytes(), &stored.record);
    buffer.extend(record.version.to_bytes());
    buffer.extend(record.previous.map_or([0; Version::BYTES], Version::to_bytes));
    buffer.extend(record.expiry.unwrap_or(0).to_le_bytes());
    buffer.extend(record.checksum(&stored.name).to_le_bytes());
    buffer.extend([record.flags(), 0]);
    // A name has at most 128 + 1 + 1,024 bytes (limits.rs).
    buffer.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
    buffer.extend(length(record.value.len()).to_le_bytes());
    buffer.extend(name);
    buffer.extend_from_slice(&record.value);
}

fn take_record(
    rest: &mut &[u8],
    keep: impl FnOnce(&[u8]) -> Bytes,
) -> Option<(RecordName, Record)> {
    let (head, behind) = rest.split_at_checked(RECORD_HEAD_BYTES)?;
    let name_bytes = u16::from_le_bytes(*head.get(50..)?.first_chunk()?);
    let (name, behind) = behind.split_at_checked(usize::from(name_bytes))?;
    let (value, behind) = behind.split_at_checked(u32_at(head, 52)? as usize)?;
    let name = RecordName::from_text(std::str::from_utf8(name).ok()?).ok()?;
    let previous = *head.get(16..)?.first_chunk()?;
    let record = Record {
        version: Version::from_bytes(*head.first_chunk()?),
        previous: (previous != [0; Version::BYTES]).then(|| Version::from_bytes(previous)),
        expiry: Some(u64_at(head, 32)?).filter(|expiry| *expiry != 0),
        tombstone: head.get(48)? & 1 == 1,
        expired: head.get(48)? & 2 == 2,
        value: keep(value),
    };
    *rest = behind;
    (record.checksum(&name) == u64_at(head, 40)?).then_some((name, record))
}

fn put_request(buffer: &mut Vec<u8>, carried: &Carried, first_seq: Seq) {
    let RequestKey { key, fingerprint } = &carried.request;
    let nth = carried.seq.saturating_sub(first_seq);
    buffer.extend(u32::try_from(nth).unwrap_or(u32::MAX).to_le_bytes());
    // A key has at most 255 bytes and an item's number (limits.rs).
    buffer.extend(u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
    buffer.extend(fingerprint.to_be_bytes());
    buffer.extend(key.as_bytes());
}

fn take_request(rest: &mut &[u8]) -> Option<(usize, RequestKey)> {
    let (head, behind) = rest.split_at_checked(REQUEST_HEAD_BYTES)?;
    let key_bytes = u16::from_le_bytes(*head.get(4..)?.first_chunk()?);
    let fingerprint = u128::from_be_bytes(*head.get(6..)?.first_chunk()?);
    let (key, behind) = behind.split_at_checked(usize::from(key_bytes))?;
    *rest = behind;
    let key = std::str::from_utf8(key).ok()?.into();
    Some((u32_at(head, 0)? as usize, RequestKey { key, fingerprint }))
}

fn header_crc(head: &[u8], binding: Binding) -> u32 {
    let bound =
        crc32c_append(crc32c(&binding.segment.to_le_bytes()), &binding.secret.to_le_bytes());
    crc32c_append(bound, head)
}

/// A group has at most about 8 + 16 MiB (limits.rs).
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(target) = head.get_mut(at..at + bytes.len()) {
        target.copy_from_slice(bytes);
    }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynarust_core::NodeId;

    const BINDING: Binding = Binding { segment: 7, secret: 0x1234 };

    fn stored(key: &str, seq: Seq, value: &'static str) -> Arc<Stored> {
        let record = Record {
            version: Version { hlc: seq << 16, node: NodeId(9) },
            previous: (seq > 1).then_some(Version { hlc: 1, node: NodeId(8) }),
            expiry: (seq > 2).then_some(5),
            tombstone: value.is_empty(),
            expired: false,
            value: Bytes::from_static(value.as_bytes()),
        };
        Arc::new(Stored { name: RecordName::parse("default", key).unwrap(), seq, record })
    }

    /// Two of the three came with a key.
    fn carried() -> [Carried; 2] {
        let carried = |seq, key: &str| Carried {
            request: RequestKey { key: key.into(), fingerprint: 0x0123 },
            version: Version { hlc: 1, node: NodeId(9) },
            seq,
        };
        [carried(1, "a key"), carried(3, &"k".repeat(261))]
    }

    fn frame() -> (Vec<Arc<Stored>>, Vec<u8>) {
        let records = vec![stored("a", 1, "1"), stored("b", 2, ""), stored("c\0d", 3, "\"x\"")];
        let mut bytes = Vec::new();
        let contents = Contents {
            ordinal: 4,
            synced: 3,
            first_seq: 1,
            clock_ceiling: 99,
            records: &records,
            carried: &carried(),
        };
        encode(&mut bytes, &contents, BINDING);
        (records, bytes)
    }

    #[test]
    fn what_is_written_is_read() {
        let (records, bytes) = frame();
        let header = FrameHeader::read(&bytes, BINDING).unwrap();
        assert_eq!((header.ordinal, header.synced, header.clock_ceiling), (4, 3, 99));
        assert_eq!(bytes.len(), header.frame_bytes());
        assert_eq!(bytes.len(), frame_bytes(&records, &carried()));
        let bytes = Bytes::from(bytes);
        let read = header.records(&bytes, header.payload(&bytes).unwrap()).unwrap();
        let requests: Vec<_> = read.iter().map(|it| it.request.clone()).collect();
        let [first, third] = carried().map(|it| Some(it.request));
        assert_eq!(requests, [first, None, third]);
        assert_eq!(read.into_iter().map(|it| Arc::new(it.stored)).collect::<Vec<_>>(), records);
    }

    #[test]
    fn a_frame_belongs_to_one_segment_of_one_start() {
        let (_, bytes) = frame();
        for other in [Binding { segment: 8, ..BINDING }, Binding { secret: 0x1235, ..BINDING }] {
            assert_eq!(FrameHeader::read(&bytes, other), None);
        }
    }

    #[test]
    fn no_flipped_bit_and_no_cut_passes() {
        let (_, whole) = frame();
        let sound = |bytes: &[u8]| {
            FrameHeader::read(bytes, BINDING).is_some_and(|header| header.payload(bytes).is_some())
        };
        let padded_from =
            HEADER_BYTES + FrameHeader::read(&whole, BINDING).unwrap().payload_bytes as usize;
        for at in (0..padded_from).filter(|at| !(52..56).contains(at)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(!sound(&bytes), "byte {at}");
            assert!(!sound(&whole[..at]), "cut at {at}");
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let (_, bytes) = frame();
        assert_eq!(&bytes[..4], b"FRM1");
        assert_eq!(u64_at(&bytes, 8), Some(4));
        assert_eq!(u32_at(&bytes, 32), Some(3));
        let name_at = HEADER_BYTES + RECORD_HEAD_BYTES;
        assert_eq!(&bytes[name_at..name_at + 9], b"default\0a");
        assert_eq!(bytes[name_at + 9], b'1');
    }
}
