//! A part of the list of tables, merged from all live nodes: a table that any of them holds is listed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{CHUNK_RECORDS_MAX, LOOK_AGAIN_MILLIS};
use dynarust_core::{NodeId, TableName};
use dynarust_store::TablesPage;
use futures_util::future::join_all;
use prost::Message;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cluster::Cluster;
use crate::following;
use crate::mesh::message::{Failure, number};
use crate::mesh::{AskError, Channel, Reply};
use crate::{Node, RefusedRead};

#[derive(Clone, PartialEq, prost::Message)]
struct TablesAsk {
    #[prost(string, optional, tag = "1")]
    after: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TablesText {
    #[prost(string, repeated, tag = "1")]
    tables: Vec<String>,
    #[prost(string, optional, tag = "2")]
    next: Option<String>,
}

impl Node {
    /// The tables behind `after`, some of them.
    pub(crate) async fn tables_of_all(
        &self,
        after: Option<TableName>,
    ) -> Result<TablesPage, RefusedRead> {
        let cluster = &self.cluster;
        if cluster.is_alone() {
            return Ok(self.store.tables(after, CHUNK_RECORDS_MAX, self.now()).await?);
        }
        cluster.may_answer()?;
        let deadline = super::read_deadline();
        loop {
            let view = cluster.view();
            let members = view.members().map(|it| it.id);
            let live = members.filter(|id| cluster.liveness(*id).is_live());
            let asking = live.map(|node| {
                let after = after.clone();
                async move {
                    let told = timeout_at(deadline, ask(cluster, node, after)).await;
                    told.unwrap_or(Err(AskError::Broken))
                }
            });
            let told: Result<Vec<TablesPage>, AskError> =
                join_all(asking).await.into_iter().collect();
            match told {
                Ok(told) => return Ok(merged(told)),
                Err(error) => {
                    tracing::debug!(%error, "a node did not tell its tables");
                    if Instant::now() >= deadline {
                        return Err(RefusedRead::NotEnoughReplicas { needed: 1, live: 0 });
                    }
                    // Somebody went: who is left is asked.
                    sleep(Duration::from_millis(LOOK_AGAIN_MILLIS)).await;
                }
            }
        }
    }
}

/// All that were told, up to where all have told.
fn merged(told: Vec<TablesPage>) -> TablesPage {
    let next = told.iter().filter_map(|page| page.next.clone()).min();
    let all: BTreeSet<TableName> = told.into_iter().flat_map(|page| page.tables).collect();
    let known = |table: &TableName| next.as_ref().is_none_or(|next| table <= next);
    TablesPage { tables: all.into_iter().filter(known).collect(), next }
}

async fn ask(
    cluster: &Arc<Cluster>,
    node: NodeId,
    after: Option<TableName>,
) -> Result<TablesPage, AskError> {
    if node == cluster.me {
        let page = cluster.store.tables(after, CHUNK_RECORDS_MAX, cluster.clock.now()).await;
        return page.map_err(|error| AskError::Failed(following::failure(error)));
    }
    let link = cluster.peer(node).and_then(|peer| peer.link(Channel::Bulk));
    let link = link.ok_or(AskError::NotSent("there is no connection"))?;
    let text = TablesAsk { after: after.map(|table| table.as_str().to_owned()) };
    let told: TablesText = link.ask(number::TABLES, &text).await?;
    let table = |text: &String| TableName::parse(text).map_err(|_| AskError::Nonsense);
    let tables: Result<Vec<_>, _> = told.tables.iter().map(table).collect();
    Ok(TablesPage { tables: tables?, next: told.next.as_ref().map(table).transpose()? })
}

/// Tells a reader elsewhere the tables of this node.
pub(crate) async fn answer_tables(cluster: Arc<Cluster>, body: Bytes) -> Reply {
    let ask = TablesAsk::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let after = match ask.after {
        Some(text) => Some(TableName::parse(&text).map_err(|_| Failure::NotUnderstood)?),
        None => None,
    };
    let page = cluster.store.tables(after, CHUNK_RECORDS_MAX, cluster.clock.now()).await;
    let page = page.map_err(following::failure)?;
    let text = |table: &TableName| table.as_str().to_owned();
    let told = TablesText {
        tables: page.tables.iter().map(text).collect(),
        next: page.next.as_ref().map(text),
    };
    Ok(told.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_listed_behind_what_somebody_has_not_told_yet() {
        let table = |name: &str| TableName::parse(name).unwrap();
        let page = |tables: &[&str], next: Option<&str>| TablesPage {
            tables: tables.iter().map(|name| table(name)).collect(),
            next: next.map(table),
        };
        let merged = merged(vec![page(&["a", "c"], Some("c")), page(&["b", "c", "d"], None)]);
        assert_eq!(merged.tables, [table("a"), table("b"), table("c")]);
        assert_eq!(merged.next, Some(table("c")));
    }
}
