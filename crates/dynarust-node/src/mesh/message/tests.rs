use dynarust_core::limits::HYBRID_TIME_MAX;

use super::*;

fn records(value: &'static [u8]) -> Records {
    let record = Record {
        version: Version { hlc: 7, node: NodeId(1) },
        previous: None,
        expiry: None,
        tombstone: false,
        expired: false,
        value: Bytes::from_static(value),
    };
    let name = RecordName::parse("t", "k").unwrap();
    let stored = Stored { name, seq: 3, record };
    Records { entries: (0..100).map(|_| Entry::of(&stored, None)).collect() }
}

#[test]
fn what_is_packed_is_smaller_and_the_same() {
    let plain = records(b"\"lorem ipsum dolor sit amet\"");
    let packed = Packed::of(&plain).unwrap();
    assert!(packed.encoded_len() * 5 < plain.encoded_len());
    assert_eq!(packed.unpacked(), Some(plain));
    assert_eq!(Packed::of(&Records { entries: Vec::new() }), None);
}

#[test]
fn what_was_packed_by_nobody_makes_no_sense() {
    let packed = Packed::of(&records(b"1")).unwrap();
    let huge = u32::try_from(MESH_FRAME_BYTES_MAX + 1).unwrap();
    for plain_bytes in [packed.plain_bytes - 1, packed.plain_bytes + 1, huge] {
        assert!(Packed { plain_bytes, ..packed.clone() }.unpacked().is_none());
    }
    let cut = packed.block.slice(..packed.block.len() - 1);
    assert!(Packed { block: cut, ..packed }.unpacked().is_none());
}

#[test]
fn a_version_that_no_clock_gives_makes_no_sense() {
    for (hlc, makes_sense) in [(HYBRID_TIME_MAX, true), (HYBRID_TIME_MAX + 1, false)] {
        let version = Version { hlc, node: NodeId(1) };
        let record = Record {
            version,
            previous: None,
            expiry: None,
            tombstone: false,
            expired: false,
            value: Bytes::from_static(b"1"),
        };
        let stored = Stored { name: RecordName::parse("t", "k").unwrap(), seq: 1, record };
        for entry in [Entry::of(&stored, None), Entry::notice(&stored)] {
            assert_eq!(entry.understood().is_some(), makes_sense);
        }
    }
}
