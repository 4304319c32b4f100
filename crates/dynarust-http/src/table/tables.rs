//! `GET /tables`: the tables that hold a record, as one array, streamed.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::TableName;
use dynarust_node::RefusedRead;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::{Response, StatusCode, Uri};

use crate::answer::{self, JSON};
use crate::backend::Backend;
use crate::json;
use crate::problem::Problem;
use crate::query::Query;
use crate::response_body::{Body, CutShort};

pub(crate) async fn tables(backend: Arc<Backend>, uri: Uri) -> Result<Response<Body>, Problem> {
    Query::parse(uri.query())?.finish()?;
    let lister = Arc::clone(&backend.node).tables();
    let mut parts = Box::pin(stream::try_unfold(lister, async |mut lister| {
        Ok::<_, RefusedRead>(lister.next().await?.map(|tables| (tables, lister)))
    }));
    // A failure before the first byte is told; one behind it cuts the connection.
    let first = parts.try_next().await?;
    let mut begun = false;
    let printed = stream::iter(first.map(Ok)).chain(parts).map(move |part| match part {
        Ok(tables) => Ok(print(&tables, &mut begun)),
        Err(error) => {
            tracing::error!(%error, "an answer was cut short");
            Err(CutShort)
        }
    });
    let text = |part: &'static [u8]| stream::iter([Ok(Bytes::from_static(part))]);
    let whole = text(b"[").chain(printed).chain(text(b"]"));
    Ok(answer::with_body(StatusCode::OK, JSON, Body::Chunks(whole.boxed())))
}

fn print(tables: &[TableName], begun: &mut bool) -> Bytes {
    let mut text = Vec::new();
    for table in tables {
        if *begun {
            text.push(b',');
        }
        *begun = true;
        json::push_string(&mut text, table.as_str());
    }
    text.into()
}
