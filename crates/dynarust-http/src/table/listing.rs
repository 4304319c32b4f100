//! What of a table `store` and `keys` list: range, direction, and by pages or whole.

use std::sync::Arc;

use dynarust_core::cursor::decode_page;
use dynarust_core::limits::PAGE_RECORDS_MAX;
use dynarust_core::{Consistency, KeyRange, Stored, TableName};
use dynarust_node::{RefusedRead, Scanner};
use futures_util::stream;
use http::{Response, Uri};

use super::page;
use super::records::{self, Form};
use crate::backend::Backend;
use crate::guarantees;
use crate::path;
use crate::problem::Problem;
use crate::query::{self, Query};
use crate::replicas;
use crate::response_body::Body;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Listing {
    range: KeyRange,
    reverse: bool,
    /// At most so many records; without it, all.
    page_records_max: Option<usize>,
    consistency: Consistency,
}

pub(crate) async fn answer(
    backend: &Backend,
    uri: &Uri,
    form: Form,
) -> Result<Response<Body>, Problem> {
    let table = path::table(path::first_segment(uri.path()))?;
    let listing = Listing::read(table, uri.query())?;
    let node = Arc::clone(&backend.node);
    let scanner = node.scan(listing.range, listing.reverse, listing.consistency);
    let replicas = scanner.replicas();
    let mut response = match listing.page_records_max {
        Some(records_max) => page::answer(backend, scanner, records_max, form, uri).await,
        None => {
            records::streamed(&backend.listings, stream::try_unfold(scanner, next_chunk), form)
                .await
        }
    }?;
    if let Some(replicas) = replicas.get() {
        replicas::tell(*replicas, response.headers_mut());
    }
    Ok(response)
}

async fn next_chunk(
    mut scanner: Scanner,
) -> Result<Option<(Vec<Arc<Stored>>, Scanner)>, RefusedRead> {
    Ok(scanner.next().await?.map(|records| (records, scanner)))
}

impl Listing {
    fn read(table: TableName, query: Option<&str>) -> Result<Self, Problem> {
        let mut query = Query::parse(query)?;
        let consistency = guarantees::consistency(&mut query)?.unwrap_or_default();
        let reverse = query.take_as("reverse", "`true` or `false`")?.unwrap_or(false);
        let cursor = query.take("cursor")?;
        let range = range(table, &mut query)?;
        let limit = limit(&mut query)?;
        query.finish()?;
        let Some(cursor) = cursor else {
            return Ok(Self { range, reverse, page_records_max: limit, consistency });
        };
        Ok(Self {
            range: behind(range, &cursor, reverse)?,
            reverse,
            page_records_max: Some(limit.unwrap_or(PAGE_RECORDS_MAX)),
            consistency,
        })
    }
}

fn range(table: TableName, query: &mut Query<'_>) -> Result<KeyRange, Problem> {
    let mut range = match query.take("prefix")? {
        Some(prefix) => KeyRange::prefix(table, &prefix),
        None => KeyRange::table(table),
    };
    if let Some(start) = query.take("start")? {
        range = range.starting_at(&start);
    }
    if let Some(end) = query.take("end")? {
        range = range.ending_before(&end);
    }
    Ok(range)
}

fn limit(query: &mut Query<'_>) -> Result<Option<usize>, Problem> {
    let expected = format!("a number from 1 to {PAGE_RECORDS_MAX}");
    match query.take_as("limit", &expected)? {
        Some(limit) if !(1..=PAGE_RECORDS_MAX).contains(&limit) => {
            Err(query::invalid(format!("`limit` takes {expected}")))
        }
        limit => Ok(limit),
    }
}

/// What is left behind the page whose cursor this is.
fn behind(range: KeyRange, cursor: &str, reverse: bool) -> Result<KeyRange, Problem> {
    let last = decode_page(cursor).ok_or_else(|| {
        query::invalid("`cursor` takes what the `Link` of the page before held".to_owned())
    })?;
    Ok(if reverse { range.ending_before(&last) } else { range.starting_after(&last) })
}

#[cfg(test)]
mod tests {
    use dynarust_core::cursor::encode_page;

    use super::*;

    fn table() -> TableName {
        TableName::parse("t").unwrap()
    }

    fn read(query: &str) -> Result<Listing, Problem> {
        Listing::read(table(), Some(query))
    }

    #[test]
    fn all_without_a_query() {
        let all = Listing {
            range: KeyRange::table(table()),
            reverse: false,
            page_records_max: None,
            consistency: Consistency::Available,
        };
        assert_eq!(read("").unwrap(), all);
    }

    #[test]
    fn a_cursor_makes_a_page_and_cuts_the_range() {
        let cursor = encode_page("m");
        let forward = read(&format!("cursor={cursor}")).unwrap();
        assert_eq!(forward.range, KeyRange::table(table()).starting_after("m"));
        assert_eq!(forward.page_records_max, Some(PAGE_RECORDS_MAX));
        let reverse = read(&format!("cursor={cursor}&reverse=true&limit=3&prefix=a")).unwrap();
        assert_eq!(reverse.range, KeyRange::prefix(table(), "a").ending_before("m"));
        assert_eq!(reverse.page_records_max, Some(3));
    }

    #[test]
    fn the_consistency_is_taken() {
        for (text, consistency) in [("one", Consistency::One), ("all", Consistency::All)] {
            let listing = read(&format!("consistency={text}&limit=1")).unwrap();
            assert_eq!(listing.consistency, consistency);
        }
    }

    #[test]
    fn wrong_parameters_are_refused() {
        for query in [
            "limit=0",
            "limit=10001",
            "limit=x",
            "limit=1&limit=1",
            "reverse=yes",
            "cursor=*",
            "cursor=",
            "prefx=a",
            "consistency=most",
            "durability=sync",
        ] {
            assert!(read(query).is_err(), "{query}");
        }
    }
}
