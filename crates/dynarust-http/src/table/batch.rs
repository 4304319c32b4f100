//! `POST /{table}/batch`: many writes in one request, each with its own answer.
//!
//! ```text
//! body ─▶ items (an array's elements, or lines) ─▶ parts ─▶ each item read and submitted ─▶ answers
//! ```
//!
//! Not atomic: what is wrong with an item is that item's answer. Of two items of one key the later takes effect
//! behind the earlier.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::limits::{BATCH_PART_BYTES_MAX, BATCH_PART_OPERATIONS_MAX};
use dynarust_core::{Consistency, TableName};
use dynarust_node::{Acknowledged, BatchPart, RefusedWrite};
use dynarust_store::Durability;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode, request};

use super::batch_answer::BatchAnswer;
use super::batch_item::BatchItem;
use crate::answer::{self, JSON, NDJSON};
use crate::backend::Backend;
use crate::content_type::{self, BatchForm};
use crate::guarantees;
use crate::idempotency;
use crate::json;
use crate::path;
use crate::problem::Problem;
use crate::query::Query;
use crate::request_body::{BodyLimit, RequestBody};
use crate::response_body::Body;

/// What holds for every item.
pub(super) struct Batch<'a> {
    pub(super) backend: &'a Backend,
    pub(super) table: TableName,
    pub(super) durability: Durability,
    /// As the request says it; an item that does not have it has its own.
    pub(super) consistency: Option<Consistency>,
    /// Each item has a part of it: by that and its place a repeat is known.
    pub(super) idempotency_key: Option<String>,
}

pub(crate) async fn batch<B>(
    backend: Arc<Backend>,
    request: Request<B>,
) -> Result<Response<Body>, Problem>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let (head, mut body) = RequestBody::of(request);
    let outcome = carry_out(&backend, &head, &mut body).await;
    body.settle(outcome).await
}

async fn carry_out<B>(
    backend: &Backend,
    head: &request::Parts,
    body: &mut RequestBody<B>,
) -> Result<Response<Body>, Problem>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let table = path::table(path::first_segment(head.uri.path()))?;
    let mut query = Query::parse(head.uri.query())?;
    let consistency = guarantees::consistency(&mut query)?;
    let durability = guarantees::durability(&mut query, backend.config.durability)?;
    query.finish()?;
    let form = content_type::batch_form(&head.headers)?;
    let idempotency_key = idempotency::key(&head.headers)?;
    let body = body.read(BodyLimit::many_keys(&backend.config), &backend.key_lists).await?;
    let items = match form {
        BatchForm::Array => json::batch_array(&body)?,
        BatchForm::Lines => json::batch_lines(&body)?,
    };
    let mut answer = BatchAnswer::new(form, &items, &backend.pages).await?;
    let batch = Batch { backend, table, durability, consistency, idempotency_key };
    batch.write(&items, &mut answer).await;
    let content_type = match form {
        BatchForm::Array => JSON,
        BatchForm::Lines => NDJSON,
    };
    Ok(answer::with_body(StatusCode::OK, content_type, answer.into_body()))
}

impl Batch<'_> {
    async fn write(&self, items: &[&[u8]], answer: &mut BatchAnswer) {
        let mut rest = items;
        while !rest.is_empty() {
            let first = items.len() - rest.len();
            let (part, behind) = rest.split_at(part_len(rest));
            rest = behind;
            match self.backend.node.batch_part().await {
                Ok(turn) => self.write_part(first, part, &turn, answer).await,
                Err(error) => {
                    let problem = Problem::from(error);
                    part.iter()
                        .for_each(|text| answer.push(BatchItem::key_of(text), Err(&problem)));
                }
            }
        }
    }

    /// All are submitted before the first is waited for; but where the node does not keep their order, one of
    /// a key that came before waits for all before it.
    async fn write_part(
        &self,
        first: usize,
        part: &[&[u8]],
        turn: &BatchPart<'_>,
        answer: &mut BatchAnswer,
    ) {
        let keeps_order = turn.keeps_order();
        let mut submitted = Vec::with_capacity(part.len());
        let mut names = HashSet::new();
        for (nth, text) in (first..).zip(part) {
            let item = BatchItem::read(self, nth, text);
            if let Ok(item) = &item
                && !keeps_order
                && !names.insert(item.name().clone())
            {
                settle(std::mem::take(&mut submitted), answer).await;
                names = HashSet::from([item.name().clone()]);
            }
            submitted.push(match item {
                Ok(item) => (Some(item.key), Ok(item.submit(turn))),
                Err(problem) => (BatchItem::key_of(text), Err(problem)),
            });
        }
        settle(submitted, answer).await;
    }
}

/// Waits for all of them together, and answers in their order.
async fn settle(
    submitted: Vec<(Option<&str>, Result<Submitted<'_>, Problem>)>,
    answer: &mut BatchAnswer,
) {
    let written = submitted.into_iter().map(|(key, submitted)| async move {
        let written = match submitted {
            Ok(written) => written.await.map_err(Problem::from),
            Err(problem) => Err(problem),
        };
        (key, written)
    });
    for (key, written) in join_all(written).await {
        answer.push(key, written.as_ref().copied());
    }
}

/// How many of the items make the next part: at least one.
fn part_len(items: &[&[u8]]) -> usize {
    let mut bytes = 0;
    let fits = |text: &&&[u8]| {
        let fits = bytes < BATCH_PART_BYTES_MAX;
        bytes += text.len();
        fits
    };
    items.iter().take(BATCH_PART_OPERATIONS_MAX).take_while(fits).count()
}

/// What became of an item that was submitted.
pub(super) type Submitted<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<Acknowledged, RefusedWrite>> + Send + 'a>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_at_their_operations_and_bytes() {
        let small: Vec<&[u8]> = vec![b"{}"; BATCH_PART_OPERATIONS_MAX + 1];
        assert_eq!(part_len(&small), BATCH_PART_OPERATIONS_MAX);
        assert_eq!(part_len(small.get(..3).unwrap()), 3);
        let large = vec![b' '; BATCH_PART_BYTES_MAX];
        assert_eq!(part_len(&[large.as_slice(), b"{}"]), 1);
        assert_eq!(part_len(&[b"{}".as_slice(), &large, b"{}"]), 2);
    }
}
