//! Frames: what is taken off a connection is what stands on it, byte for byte, however it is cut into
//! parts; nothing behind it is touched, and nothing is larger than it may be.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_util::FutureExt;
use tokio::io::{AsyncRead, ReadBuf};

use super::script;
use crate::mesh::frame::{self, Frame, FrameError, FrameReader, HEADER_BYTES};

/// The most that a frame may have here.
const BODY_BYTES_MAX: usize = 1000;

/// The size of the parts; whether checksums are mended; what stands on the connection.
pub fn frame(bytes: &[u8]) {
    let [part_bytes, mends, stream @ ..] = bytes else {
        return;
    };
    let stream =
        if *mends % 2 == 1 { script::with_sound_checksums(stream) } else { stream.to_vec() };
    let (frames, ended) = read(&stream, usize::MAX);
    let (in_parts, ended_in_parts) = read(&stream, usize::from(*part_bytes).max(1));
    assert_eq!(frames, in_parts);
    assert_eq!(ended.to_string(), ended_in_parts.to_string());

    let mut again = BytesMut::new();
    for Frame { kind, number, id, body } in &frames {
        assert!(body.len() <= BODY_BYTES_MAX);
        frame::encode(&mut again, (*kind, *number, *id), |it| it.extend_from_slice(body));
    }
    assert!(stream.starts_with(&again));
    let rest = &stream[again.len()..];
    match ended {
        FrameError::Closed => assert!(rest.is_empty()),
        FrameError::Io(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
        FrameError::TooLarge(bytes) => assert!(bytes > BODY_BYTES_MAX),
        FrameError::Nonsense | FrameError::Checksum => assert!(rest.len() >= HEADER_BYTES),
    }
}

/// All frames that can be read, and why there are no more.
fn read(stream: &[u8], part_bytes: usize) -> (Vec<Frame>, FrameError) {
    let mut reader = FrameReader::new(Parts { stream, part_bytes }, BODY_BYTES_MAX);
    let mut frames = Vec::new();
    loop {
        match reader.next().now_or_never().unwrap() {
            Ok(frame) => frames.push(frame),
            Err(error) => return (frames, error),
        }
    }
}

/// Gives so many bytes at a time.
struct Parts<'a> {
    stream: &'a [u8],
    part_bytes: usize,
}

impl AsyncRead for Parts<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.part_bytes.min(self.stream.len()).min(buffer.remaining());
        let (part, rest) = self.stream.split_at(count);
        buffer.put_slice(part);
        self.stream = rest;
        Poll::Ready(Ok(()))
    }
}
