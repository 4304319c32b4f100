//! Measuring: what each request asked for, how it was answered, and how soon.
//!
//! It stands around all that answers, so that no handler counts by itself. An answer that is known at
//! once is counted at once; one that comes later when its future gives it. Either costs two looks at
//! the clock and some relaxed atomics.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Response;

use crate::answer::{Answer, LaterAnswer, Outcome};
use crate::cors::Grant;
use crate::counts::Counts;
use crate::operation::Operation;
use crate::problem::Problem;
use crate::response_body::Body;

/// An answer that is counted.
pub(crate) enum Measured {
    /// Told, and counted; `None` once it was taken.
    Now(Option<Response<Body>>),
    /// Counted when it is known.
    Later { answer: LaterAnswer, measure: Measure },
}

/// A request that has no answer yet. Dropped without one, its client has gone away.
pub(crate) struct Measure {
    counts: Arc<Counts>,
    operation: Operation,
    began: Instant,
    /// What the answer tells a browser.
    grant: Option<Grant>,
    answered: bool,
}

impl Measured {
    /// The answer to a request that `began` then.
    pub(crate) fn new(
        counts: &Arc<Counts>,
        operation: Operation,
        began: Instant,
        grant: Option<Grant>,
        answer: Answer,
    ) -> Self {
        match answer {
            Answer::Now(outcome) => {
                Self::Now(Some(tell(grant, count(counts, operation, began, outcome))))
            }
            Answer::Later(answer) => {
                counts.began();
                let counts = Arc::clone(counts);
                let measure = Measure { counts, operation, began, grant, answered: false };
                Self::Later { answer, measure }
            }
        }
    }
}

impl Future for Measured {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(response) => response.take().map_or(Poll::Pending, |it| Poll::Ready(Ok(it))),
            Self::Later { answer, measure } => {
                answer.as_mut().poll(context).map(|outcome| Ok(measure.count(outcome)))
            }
        }
    }
}

impl Measure {
    fn count(&mut self, outcome: Outcome) -> Response<Body> {
        self.answered = true;
        let response = count(&self.counts, self.operation, self.began, outcome);
        tell(self.grant.take(), response)
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        self.counts.ended();
        if !self.answered {
            self.counts.abandoned(self.operation);
        }
    }
}

fn count(
    counts: &Counts,
    operation: Operation,
    began: Instant,
    outcome: Outcome,
) -> Response<Body> {
    let response = outcome.unwrap_or_else(|problem: Problem| {
        counts.problem(problem.code());
        problem.into_response()
    });
    counts.answered(operation, response.status(), began.elapsed());
    response
}

fn tell(grant: Option<Grant>, mut response: Response<Body>) -> Response<Body> {
    if let Some(grant) = grant {
        grant.tell(response.headers_mut());
    }
    response
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use super::*;
    use crate::problem::Code;

    fn measured(counts: &Arc<Counts>, answer: Answer) -> Measured {
        Measured::new(counts, Operation::PutRecord, Instant::now(), None, answer)
    }

    fn figures(counts: &Counts) -> (u64, u64, u64) {
        let figures = counts.operations().find(|it| it.operation == Operation::PutRecord).unwrap();
        (figures.statuses[1].1, figures.statuses[3].1, figures.abandoned)
    }

    #[tokio::test]
    async fn answers_are_counted_once_whenever_they_come() {
        let counts = Arc::new(Counts::new());
        let well = || Ok(Response::new(Body::empty()));
        let _ = measured(&counts, Answer::now(well())).await;
        let _ = measured(&counts, Answer::later(async move { well() })).await;
        let _ = measured(&counts, Answer::later(async { Err(Problem::key_not_found()) })).await;
        assert_eq!(figures(&counts), (2, 1, 0));
        let problems: Vec<_> = counts.problems().filter(|(_, count)| *count > 0).collect();
        assert_eq!(problems, [(Code::KeyNotFound, 1)]);
        assert_eq!(counts.in_progress(), 0);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_is_counted() {
        let counts = Arc::new(Counts::new());
        let mut waiting = measured(&counts, Answer::later(pending()));
        poll_fn(|context| {
            assert!(Pin::new(&mut waiting).poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(counts.in_progress(), 1);
        drop(waiting);
        assert_eq!(figures(&counts), (0, 0, 1));
        assert_eq!(counts.in_progress(), 0);
    }
}
