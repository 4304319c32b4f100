//! Frames: how messages stand on a link.
//!
//! ```text
//! length u32   bytes of the body, little-endian as all numbers here
//! crc u32      CRC32C of everything behind it: kind, number, id, body
//! kind u8      request, answer, failure, notice
//! zero u8
//! number u16   which message it is
//! id u32       of the request, and of its answer; 0 for a notice
//! body
//! ```

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use crc32c::crc32c;
use dynarust_core::limits::MESH_FRAME_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes before a frame's body.
pub(super) const HEADER_BYTES: usize = 16;
/// Bytes that there is room for when more is read, at least. What a frame is a part of stays in memory for as
/// long as the frame does: so little of it may be left empty.
const ROOM_BYTES_MIN: usize = 4 << 10;
/// Bytes that room is made for.
const ROOM_BYTES: usize = 64 << 10;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody waits for an answer.
    Request,
    /// The answer to a request.
    Answer,
    /// Why there is no answer.
    Failure,
    /// Nobody waits.
    Notice,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Request, Self::Answer, Self::Failure, Self::Notice];

    fn byte(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Answer => 2,
            Self::Failure => 3,
            Self::Notice => 4,
        }
    }
}

/// One message, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) number: u16,
    pub(super) id: u32,
    pub(super) body: Bytes,
}

/// Why nothing more is read from a link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The peer closed it between two frames.
    #[error("the peer closed the connection")]
    Closed,
    /// What came is no frame.
    #[error("what came is not a frame of this protocol")]
    Nonsense,
    /// Bytes changed on the way.
    #[error("a frame's checksum fails")]
    Checksum,
    /// More than a frame may have.
    #[error("a frame of {0} bytes is more than is taken")]
    TooLarge(usize),
}

/// Writes a frame behind what `buffer` holds; `body` writes its body.
pub(super) fn encode(
    buffer: &mut BytesMut,
    (kind, number, id): (Kind, u16, u32),
    body: impl FnOnce(&mut BytesMut),
) {
    let begin = buffer.len();
    buffer.put_bytes(0, 8);
    buffer.put_u8(kind.byte());
    buffer.put_u8(0);
    buffer.put_u16_le(number);
    buffer.put_u32_le(id);
    body(buffer);
    let length = buffer.len() - begin - HEADER_BYTES;
    let crc = buffer.get(begin + 8..).map_or(0, crc32c);
    if let Some(mut head) = buffer.get_mut(begin..begin + 8) {
        // A body has at most MESH_FRAME_BYTES_MAX.
        head.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
        head.put_u32_le(crc);
    }
}

/// Takes frames off a connection.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    from: R,
    buffer: BytesMut,
    body_bytes_max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Before the handshake a frame may have little; see [`FrameReader::trust`].
    pub(super) fn new(from: R, body_bytes_max: usize) -> Self {
        Self { from, buffer: BytesMut::new(), body_bytes_max }
    }

    /// From here on frames may be as large as they get.
    pub(super) fn trust(&mut self) {
        self.body_bytes_max = MESH_FRAME_BYTES_MAX;
    }

    /// The next frame. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Frame, FrameError> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            if self.buffer.capacity() - self.buffer.len() < ROOM_BYTES_MIN {
                self.buffer.reserve(ROOM_BYTES);
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Err(if self.buffer.is_empty() {
                    FrameError::Closed
                } else {
                    FrameError::Io(io::ErrorKind::UnexpectedEof.into())
                });
            }
        }
    }

    fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(mut head) = self.buffer.get(..HEADER_BYTES) else {
            return Ok(None);
        };
        let length = head.get_u32_le() as usize;
        let crc = head.get_u32_le();
        let kind = head.get_u8();
        let zero = head.get_u8();
        let number = head.get_u16_le();
        let id = head.get_u32_le();
        let kind = Kind::ALL.into_iter().find(|it| it.byte() == kind && zero == 0);
        let kind = kind.ok_or(FrameError::Nonsense)?;
        if length > self.body_bytes_max {
            return Err(FrameError::TooLarge(length));
        }
        if self.buffer.len() < HEADER_BYTES + length {
            self.buffer.reserve(HEADER_BYTES + length - self.buffer.len());
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(HEADER_BYTES + length);
        if frame.get(8..).map(crc32c) != Some(crc) {
            return Err(FrameError::Checksum);
        }
        frame.advance(HEADER_BYTES);
        Ok(Some(Frame { kind, number, id, body: frame.freeze() }))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;
    use futures_util::FutureExt;
    use proptest::prelude::*;
    use tokio::io::ReadBuf;

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let frame =
            (0..4usize, any::<u16>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..200));
        let frame = frame.prop_map(|(kind, number, id, body)| Frame {
            kind: Kind::ALL[kind],
            number,
            id,
            body: body.into(),
        });
        prop::collection::vec(frame, 0..8)
    }

    fn encoded(frames: &[Frame]) -> BytesMut {
        let mut buffer = BytesMut::new();
        for frame in frames {
            let head = (frame.kind, frame.number, frame.id);
            encode(&mut buffer, head, |buffer| buffer.extend_from_slice(&frame.body));
        }
        buffer
    }

    /// All frames of these bytes, and why there are no more.
    fn read(bytes: &[u8]) -> (Vec<Frame>, FrameError) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut reader = FrameReader::new(bytes, 1 << 10);
            let mut frames = Vec::new();
            loop {
                match reader.next().await {
                    Ok(frame) => frames.push(frame),
                    Err(error) => return (frames, error),
                }
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(frames in frames()) {
            let (read, ended) = read(&encoded(&frames));
            prop_assert_eq!(read, frames);
            prop_assert!(matches!(ended, FrameError::Closed));
        }

        #[test]
        fn a_changed_byte_never_passes(frames in frames(), at: prop::sample::Index, change in 1..=255u8) {
            let mut bytes = encoded(&frames);
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= change;
                let (read, ended) = read(&bytes);
                prop_assert!(frames.starts_with(&read) && read.len() < frames.len());
                prop_assert!(!matches!(ended, FrameError::Closed));
            }
        }

        #[test]
        fn garbage_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (read, _) = read(&bytes);
            prop_assert!(read.is_empty());
        }
    }

    /// Gives one byte at a time.
    struct Trickle<'a>(&'a [u8]);

    impl AsyncRead for Trickle<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let (part, rest) = self.0.split_at(self.0.len().min(1));
            buffer.put_slice(part);
            self.0 = rest;
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn small_frames_that_wait_share_their_memory() {
        let frame =
            Frame { kind: Kind::Notice, number: 1, id: 0, body: Bytes::from_static(b"small") };
        let bytes = encoded(&vec![frame; 10_000]);
        let mut reader = FrameReader::new(Trickle(&bytes), 1 << 10);
        let frames: Vec<_> =
            (0..10_000).map(|_| reader.next().now_or_never().unwrap().unwrap()).collect();
        let place = |frame: &Frame| frame.body.as_ptr() as usize;
        let step = HEADER_BYTES + "small".len();
        let apart = frames.windows(2).filter(|it| place(&it[1]) != place(&it[0]) + step).count();
        // As many as there are pieces of memory.
        assert!(apart <= bytes.len() / (ROOM_BYTES - ROOM_BYTES_MIN), "{apart}");
    }

    #[test]
    fn a_frame_that_is_too_large_is_refused_before_it_is_read() {
        let mut bytes =
            encoded(&[Frame { kind: Kind::Notice, number: 1, id: 0, body: Bytes::new() }]);
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        let (_, ended) = read(&bytes);
        assert!(matches!(ended, FrameError::TooLarge(_)));
    }
}
