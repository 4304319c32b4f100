//! Frames as an input of a fuzz target has them: a few bytes each, so that an input is all about what they
//! say.
//!
//! ```text
//! kind u8, number u8, id u8, length u8 (0xff: a u16 follows, little-endian), body
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use crc32c::crc32c;

use crate::mesh::frame::{self, HEADER_BYTES, Kind};

/// The frames that these bytes stand for, up to where they end or make no sense.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

/// A frame that is to be sent.
pub(crate) struct Said {
    pub(in crate::mesh) kind: Kind,
    pub(crate) number: u16,
    pub(crate) id: u32,
    pub(crate) body: Bytes,
}

impl Said {
    /// As it travels.
    pub(super) fn encoded(&self) -> BytesMut {
        let mut bytes = BytesMut::new();
        let head = (self.kind, self.number, self.id);
        frame::encode(&mut bytes, head, |buffer| buffer.extend_from_slice(&self.body));
        bytes
    }
}

/// One step.
pub(crate) enum Step {
    Say(Said),
    /// So many milliseconds pass.
    Pause(u64),
}

impl Iterator for Script<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let ([kind, number, id, length], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match length {
            0xff => {
                let (length, rest) = rest.split_first_chunk()?;
                (u16::from_le_bytes(*length), rest)
            }
            length => (u16::from(*length), rest),
        };
        let (body, rest) = rest.split_at_checked(usize::from(length))?;
        self.0 = rest;
        let kind = match kind % 5 {
            0 => return Some(Step::Pause(u64::from(*number) * 10)),
            1 => Kind::Request,
            2 => Kind::Answer,
            3 => Kind::Failure,
            _ => Kind::Notice,
        };
        let (number, id) = (u16::from(*number), u32::from(*id));
        Some(Step::Say(Said { kind, number, id, body: Bytes::copy_from_slice(body) }))
    }
}

/// The bytes, with a sound checksum in each frame that is whole.
pub(super) fn with_sound_checksums(stream: &[u8]) -> Vec<u8> {
    let mut sound = stream.to_vec();
    let mut begin = 0;
    while let Some(length) = sound.get(begin..).and_then(|rest| rest.first_chunk()) {
        let length = u32::from_le_bytes(*length) as usize;
        let Some(end) = length.checked_add(begin + HEADER_BYTES).filter(|it| *it <= sound.len())
        else {
            break;
        };
        let crc = crc32c(&sound[begin + 8..end]);
        (&mut sound[begin + 4..begin + 8]).put_u32_le(crc);
        begin = end;
    }
    sound
}
