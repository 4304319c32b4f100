//! Reading a request's body, within bounds of size, memory and time.
//!
//! A body that is refused is read on for a while and thrown away, so that the answer arrives: a
//! connection that is closed with unread bytes is reset, and the answer with it.

use std::ops::Deref;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{
    BODY_BYTES_PER_SECOND_MIN, BODY_MILLIS_MAX, LINGER_MILLIS_MAX, REFUSED_BODY_BYTES_MAX,
};
use http::header::EXPECT;
use http::{Request, request};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::backend::HttpConfig;
use crate::budget::{Budget, Share};
use crate::problem::{Code, Problem};

const PATIENCE: Duration = Duration::from_millis(BODY_MILLIS_MAX);
/// How long a refused body is read on.
const DISCARD_PATIENCE: Duration = Duration::from_millis(LINGER_MILLIS_MAX);

/// A body that is still to come.
pub(crate) struct RequestBody<B> {
    body: B,
    /// The client sends nothing before it is asked to, which the first read does.
    unasked: bool,
}

/// How much of a body there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit {
    pub(crate) bytes_max: usize,
    /// The problem of a larger one.
    pub(crate) code: Code,
}

/// All of a body, with the memory that it was given.
pub(crate) struct WholeBody {
    bytes: Bytes,
    share: Share,
}

impl WholeBody {
    /// The memory that it was given, for what was made of it.
    pub(crate) fn into_share(self) -> Share {
        self.share
    }
}

impl Deref for WholeBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<B: Body<Data = Bytes> + Unpin> RequestBody<B> {
    /// The head of a request, and its body.
    pub(crate) fn of(request: Request<B>) -> (request::Parts, Self) {
        let (head, body) = request.into_parts();
        let unasked = head.headers.contains_key(EXPECT);
        (head, Self { body, unasked })
    }

    /// # Errors
    /// The limit's problem; `overloaded`, `request_timeout`, `invalid_request`.
    pub(crate) async fn read(
        &mut self,
        limit: BodyLimit,
        budget: &Budget,
    ) -> Result<WholeBody, Problem> {
        let announced = self.announced();
        if announced.is_some_and(|announced| announced > limit.bytes_max) {
            return Err(limit.exceeded());
        }
        let began = Instant::now();
        let mut share = budget.take(0).await?;
        let mut whole = Vec::new();
        loop {
            // What is announced and does not come must keep no memory, and no connection for long.
            let part = timeout_at(deadline(began, whole.len()), self.next_part());
            let Some(part) = part.await.map_err(|_| too_slow())?? else { break };
            let bytes = whole.len() + part.len();
            if bytes > limit.bytes_max {
                return Err(limit.exceeded());
            }
            share.grow_to(bytes, budget).await?;
            if whole.is_empty() && announced == Some(part.len()) {
                return Ok(WholeBody { bytes: part, share });
            }
            whole.extend_from_slice(&part);
        }
        Ok(WholeBody { bytes: whole.into(), share })
    }

    /// Passes on what became of the request. Of a refused one the body is read on to at most
    /// [`REFUSED_BODY_BYTES_MAX`], and thrown away.
    pub(crate) async fn settle<T>(&mut self, outcome: Result<T, Problem>) -> Result<T, Problem> {
        if outcome.is_err() && !self.unasked {
            self.discard().await;
        }
        outcome
    }

    async fn discard(&mut self) {
        let rest = async {
            let mut left = REFUSED_BODY_BYTES_MAX;
            while let Ok(Some(part)) = self.next_part().await {
                left = left.saturating_sub(part.len());
                if left == 0 {
                    break;
                }
            }
        };
        // However it ends, the answer is sent next.
        let _ = timeout(DISCARD_PATIENCE, rest).await;
    }

    /// The length that the head tells; saturated, since it only meets limits.
    fn announced(&self) -> Option<usize> {
        let exact = self.body.size_hint().exact()?;
        Some(usize::try_from(exact).unwrap_or(usize::MAX))
    }

    async fn next_part(&mut self) -> Result<Option<Bytes>, Problem> {
        self.unasked = false;
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| broken())?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

impl BodyLimit {
    /// Of a request for many keys.
    pub(crate) fn many_keys(config: &HttpConfig) -> Self {
        Self { bytes_max: config.many_keys_body_bytes_max(), code: Code::BodyTooLarge }
    }

    fn exceeded(self) -> Problem {
        let detail =
            format!("a body here has at most {} bytes: send less, or split it", self.bytes_max);
        Problem::new(self.code, detail)
    }
}

/// Until when the next part must come, of a body of which so many bytes did.
fn deadline(began: Instant, bytes: usize) -> Instant {
    began + PATIENCE + Duration::from_secs(bytes as u64 / BODY_BYTES_PER_SECOND_MIN)
}

fn too_slow() -> Problem {
    Problem::new(Code::RequestTimeout, "the body took too long to arrive: send it again")
        .closing_connection()
}

fn broken() -> Problem {
    Problem::new(Code::InvalidRequest, "the body did not arrive whole: send it again")
        .closing_connection()
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};

    use super::*;

    const LIMIT: BodyLimit = BodyLimit { bytes_max: 4, code: Code::BodyTooLarge };

    fn body<B: Body<Data = Bytes> + Unpin>(body: B) -> RequestBody<B> {
        RequestBody::of(Request::new(body)).1
    }

    fn parts(parts: &[&'static str]) -> impl Body<Data = Bytes, Error = std::io::Error> + Unpin {
        let frames: Vec<_> = parts
            .iter()
            .map(|part| Ok(http_body::Frame::data(Bytes::from_static(part.as_bytes()))))
            .collect();
        StreamBody::new(futures_util::stream::iter(frames))
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_limit() {
        let budget = Budget::new(100);
        let read = body(Full::from("abcd")).read(LIMIT, &budget).await;
        assert_eq!(&*read.ok().unwrap(), b"abcd");
        let read = body(parts(&["a", "bcd"])).read(LIMIT, &budget).await;
        assert_eq!(&*read.ok().unwrap(), b"abcd");
        let read = body(Full::from("abcde")).read(LIMIT, &budget).await;
        assert_eq!(read.err().unwrap().code(), Code::BodyTooLarge);
        let read = body(parts(&["abc", "de"])).read(LIMIT, &budget).await;
        assert_eq!(read.err().unwrap().code(), Code::BodyTooLarge);
    }

    #[tokio::test]
    async fn what_is_announced_and_does_not_come_takes_nothing_from_others() {
        let budget = Budget::new(4);
        let silence = futures_util::stream::pending::<std::io::Result<http_body::Frame<Bytes>>>();
        let mut waiting = body(StreamBody::new(silence));
        let waiting = waiting.read(LIMIT, &budget);
        tokio::select! {
            biased;
            _ = waiting => panic!("nothing came"),
            read = async { body(Full::from("abcd")).read(LIMIT, &budget).await.is_ok() } => assert!(read),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let silence = futures_util::stream::pending::<std::io::Result<http_body::Frame<Bytes>>>();
        let read = body(StreamBody::new(silence)).read(LIMIT, &Budget::new(100)).await;
        assert_eq!(read.err().unwrap().code(), Code::RequestTimeout);
    }
}
