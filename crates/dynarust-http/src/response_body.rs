//! Bodies of answers.
//!
//! A stream that fails ends the body with an error, upon which hyper cuts the connection: a short
//! answer is never taken for a whole one.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;
use http_body::{Frame, SizeHint};

use crate::budget::Share;
use crate::live::Following;

/// Bytes of a counted body that are handed over at a time, so that its memory is counted until it is sent.
const PAGE_PART_BYTES: usize = 64 << 10;

pub(crate) enum Body {
    /// All of it.
    Whole(Bytes),
    /// All of it, where it may be large: a page, or a large value.
    Page {
        bytes: Bytes,
        /// The memory that it was given; given back when it is sent, or the client has gone.
        _share: Share,
    },
    /// A live stream.
    Live(Box<Following>),
    /// As it comes. Dropped when the client goes away.
    Chunks(BoxStream<'static, Result<Bytes, CutShort>>),
}

/// The rest of a body cannot be had; the reason is in the log.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut short")]
pub(crate) struct CutShort;

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Whole(Bytes::new())
    }

    fn next_part(bytes: &mut Bytes) -> Option<Frame<Bytes>> {
        let part = bytes.split_to(bytes.len().min(PAGE_PART_BYTES));
        (!part.is_empty()).then(|| Frame::data(part))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        match self.get_mut() {
            Self::Whole(bytes) => {
                let all = std::mem::take(bytes);
                Poll::Ready((!all.is_empty()).then(|| Ok(Frame::data(all))))
            }
            Self::Page { bytes, .. } => Poll::Ready(Self::next_part(bytes).map(Ok)),
            Self::Live(following) => {
                following.poll_text(context).map(|text| text.map(|text| text.map(Frame::data)))
            }
            Self::Chunks(chunks) => Pin::new(chunks)
                .poll_next(context)
                .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) | Self::Page { bytes, .. } => bytes.is_empty(),
            Self::Live(_) | Self::Chunks(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) | Self::Page { bytes, .. } => {
                SizeHint::with_exact(bytes.len() as u64)
            }
            Self::Live(_) | Self::Chunks(_) => SizeHint::default(),
        }
    }
}
